"""Distributions of the checkout, and environments that have them, by uv."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

__all__ = [
    "ROOT",
    "Distributions",
    "Environment",
    "build",
    "install",
    "interpreter",
    "make",
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

_PATIENCE = 120.0  # seconds
# What uv says where there is no registry, as opposed to a bound that nothing meets.
_UNREACHABLE = re.compile(r"error sending request|dns error|tcp connect error|timed out")


@attrs.frozen
class Distributions:
    """What is published."""

    sdist: Path
    wheel: Path

    def unpack(self, folder: Path) -> Path:
        """Unpack the source distribution; the folder in it."""
        with tarfile.open(self.sdist) as archive:
            archive.extractall(folder, filter="data")
        [inner] = folder.iterdir()
        return inner


@attrs.frozen
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def command(self, *words: str) -> list[str]:
        """A command line, of a command that the environment has."""
        return [str(self.folder / "bin" / words[0]), *words[1:]]

    def run(
        self, *words: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=cwd or self.folder,
            env=self.environ(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )

    def told(self, *words: str, cwd: Path | None = None) -> Any:
        """What a Python program that must not warn has printed as JSON."""
        done = self.run("python", "-X", "dev", "-W", "error", *words, cwd=cwd)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def program(self, name: str, *words: str) -> Any:
        """What a program in programs/ has printed as JSON."""
        return self.told(str(HERE / "programs" / name), *words)

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Nothing of the checkout's own; a warning is an error."""
        own = {"PATH": f"{self.folder}/bin:/usr/bin:/bin", "HOME": str(self.folder)}
        return {**own, "PYTHONWARNINGS": "error", **(more or {})}

    def add(self, *words: str, cwd: Path | None = None) -> None:
        """Install packages; words may also be options of `uv pip install`."""
        _uv("pip", "install", "--quiet", "--python", self.python, *words, cwd=cwd)

    @contextmanager
    def serving(
        self, *words: str, inside: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> Generator[str]:
        """The address of a command that serves; it is ended by SIGTERM with code 0 and no warning.

        `inside` is a command that becomes it, once its surroundings are made.
        """
        with subprocess.Popen(
            [*inside, *self.command(*words)],
            cwd=self.folder,
            env=self.environ(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                ready = process.stdout.readline()
                url = re.search(r"https?://[\w.:]+", ready)
                assert url is not None, (ready, process.stderr and process.stderr.read())
                yield url[0]
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    _, said = process.communicate(timeout=_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
        assert (process.returncode, "Warning" in said) == (0, False), said


def interpreter(version: str) -> Path | None:
    """A Python of this version, such as "3.12": this one, one on the PATH, or one of pyenv's,
    whose commands on the PATH work for chosen versions only."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    return next((path for path in _candidates(version) if _is_python(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"))


def _is_python(path: Path, version: str) -> bool:
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", say], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def build(folder: Path) -> Distributions:
    """Build the source distribution of the checkout, and out of it the wheel."""
    _uv("build", "--quiet", "--out-dir", str(folder), str(ROOT))
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


def install(
    folder: Path, python: Path | str, *packages: str, cwd: Path | None = None
) -> Environment:
    """An environment with these packages; the rest is as in `Environment.add`."""
    _uv("venv", "--quiet", "--python", str(python), "--no-python-downloads", str(folder / "env"))
    environment = Environment(folder / "env")
    environment.add(*packages, cwd=cwd)
    return environment


def make(folder: Path, *goals: str) -> None:
    """Run make in a folder."""
    subprocess.run(["make", "--silent", *goals], cwd=folder, timeout=_PATIENCE, check=True)


def _uv(*words: str, cwd: Path | None = None) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [sys.executable, "-m", "uv", *words],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
