"""Servers out of Debian's packages, unpacked below .venv/clients: nothing is installed."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .environments import ENVIRONMENTS

__all__ = ["free_port", "serving", "unpack"]

_FETCH, _START, _END = 120.0, 20.0, 10.0  # seconds


def unpack(name: str, *packages: str) -> Path:
    """A folder with the files of these packages, fetched where they are not there yet."""
    folder = ENVIRONMENTS / name
    root = folder / "root"
    if (folder / ".installed").exists():
        return root
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip(f"{packages[0]} comes from Debian, and this is none")
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True)
    done = _apt_get(folder, "download", *packages)
    if done.returncode:
        # A new machine has no lists of packages, and who is not root may not fetch them.
        own = folder / "apt"
        (own / "lists" / "partial").mkdir(parents=True)
        (own / "cache" / "archives" / "partial").mkdir(parents=True)
        here = ("-o", f"Dir::State::lists={own}/lists", "-o", f"Dir::Cache={own}/cache")
        _apt_get(folder, *here, "update")
        done = _apt_get(folder, *here, "download", *packages)
    if done.returncode:
        pytest.skip(f"Debian's packages cannot be had here: {done.stderr.strip()[-200:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    (folder / ".installed").touch()
    return root


def _apt_get(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ("apt-get", "--quiet", *words)
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_FETCH, check=False
    )


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str], port: int, folder: Path, environ: Mapping[str, str]
) -> Generator[None]:
    """Run a server, once it listens; what it says goes into a file `log` in the folder."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(process, port, folder)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + _START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            said = (folder / "log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)
        else:
            return
