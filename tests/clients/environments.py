"""Environments for clients of other people, below .venv/clients, and commands run in them."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

__all__ = ["Client", "install"]

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv" / "clients"

_INSTALL, _PATIENCE = 300.0, 60.0  # seconds
# What pip says where there is no registry, as opposed to a pin that does not exist.
_UNREACHABLE = re.compile(
    r"NewConnectionError|Failed to establish|name resolution|ConnectTimeout|ReadTimeout|ProxyError"
)


@attrs.frozen
class Client:
    """An environment with a client in it."""

    folder: Path

    def run(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment to its end."""
        return subprocess.run(
            [str(self.folder / "bin" / words[0]), *words[1:]],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **(environ or {})},
            timeout=_PATIENCE,
            check=False,
        )

    def program(self, name: str, *words: str) -> Any:
        """What a program in programs/ has printed as JSON."""
        done = self.run("python", str(HERE / "programs" / name), *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def install(name: str, *pins: str) -> Client:
    """An environment with these packages, made where it is not there yet."""
    folder = ENVIRONMENTS / name
    stamp = folder / ".installed"
    wanted = "\n".join(pins)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *pins]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=_INSTALL, check=False)
        if done.returncode and _UNREACHABLE.search(done.stderr):
            pytest.skip(f"the package registry cannot be reached, so there is no {pins[0]}")
        assert done.returncode == 0, done.stderr
        stamp.write_text(wanted)
    return Client(folder)
