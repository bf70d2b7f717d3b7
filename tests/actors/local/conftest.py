"""What the tests of a local model share: the real file, and a stand-in for llama.cpp."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trouper.actors.local.errors import ModelFileMissing
from trouper.actors.local.model_file import find_model

StandIn = Callable[[str], None]


@pytest.fixture
def model() -> Path:
    """The real model's file; `make test` installs it."""
    try:
        return find_model(None)
    except ModelFileMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Give the child another xllamacpp, whose Server does what the test's code says.

    The rest of the child is the real one, so the test decides how long a model
    loads, what llama.cpp writes, and how it misbehaves.
    """
    folder = tmp_path / "stand_in"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def write(code: str) -> None:
        body = "\n".join(f"        {line}" for line in code.strip().splitlines())
        (folder / "xllamacpp.py").write_text(
            "import ctypes, os, signal, sys, time\n"
            "from types import SimpleNamespace\n"
            "def CommonParams():\n"
            "    parts = ('model', 'cpuparams', 'cpuparams_batch')\n"
            "    return SimpleNamespace(**{part: SimpleNamespace() for part in parts})\n"
            "class Server:\n"
            "    listening_address = 'http://127.0.0.1:9'\n"
            "    def __init__(self, params):\n"
            f"{body}\n"
        )

    return write


@pytest.fixture
def any_file(tmp_path: Path) -> Path:
    """A model's file for a stand-in that does not read it."""
    path = tmp_path / "any.gguf"
    path.write_bytes(b"GGUF")
    return path
