"""A program may have folders `runtime` and `actors` of its own, however we are installed."""

import sys
from pathlib import Path

import pytest

from tests.packaging.building import ROOT, Environment, install, make

# Not in programs/: to us, these names are those of our own folders.
PROGRAM = """
import actors, json, runtime, trio
from trouper.actors import ChatRequest
from trouper.runtime import System

async def main():
    async with System(signals=False) as system:
        return type(system).__name__

print(json.dumps([actors.WHOSE, runtime.WHOSE, trio.run(main), ChatRequest.__module__]))
"""

_LINKS = ("tests/importroot/trouper/runtime", "tests/importroot/trouper/actors")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A script beside which stand two packages."""
    for name in ("runtime", "actors"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('WHOSE = "of the program"\n')
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


@pytest.fixture
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with this checkout, as it stands."""
    return _editable(tmp_path_factory.mktemp("checkout"), ROOT)


@pytest.fixture
def from_source(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the unpacked source distribution, as `make install` does it."""
    make(unpacked, *_LINKS)
    return _editable(tmp_path_factory.mktemp("from-source"), unpacked)


def _editable(folder: Path, project: Path) -> Environment:
    return install(folder, sys.executable, "--editable", str(project))


@pytest.mark.parametrize("how", ["environment", "checkout", "from_source"])
def test_what_stands_beside_a_program_is_its_own(
    how: str, program: Path, request: pytest.FixtureRequest
) -> None:
    environment: Environment = request.getfixturevalue(how)

    assert environment.told(str(program)) == [
        "of the program",
        "of the program",
        "System",
        "trouper.actors.chat",
    ]
