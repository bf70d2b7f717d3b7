"""docs/design.md draws the house as it is."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "design.md").read_text()

# Two drawings, one below the other: of runtime/, and of actors/.
RUNTIME, ACTORS = re.findall(
    r"^(?:runtime|actors)/ .*?(?=^actors/|^```)", PAGE, re.MULTILINE | re.DOTALL
)

# What is not ours: classes of libraries, a file of a user's.
OTHERS = {"AsyncClient", "Cancelled", "Decimal", "Instrument", "actors.py"}


def places(folder: str) -> set[str]:
    """Folders with their slash, modules by their names."""
    found = {
        f"{each.name}/" if each.is_dir() else each.stem
        for each in (ROOT / folder).iterdir()
        if (each.is_dir() and (each / "__init__.py").exists()) or each.suffix == ".py"
    }
    return found - {"__init__"}


@pytest.mark.parametrize(("folder", "drawn"), [("runtime", RUNTIME), ("actors", ACTORS)])
def test_every_folder_and_module_has_its_place(folder: str, drawn: str) -> None:
    named = set(re.findall(r"[\w]+/?", drawn))

    assert places(folder) - named == set(), "draw it in docs/design.md"


@pytest.mark.parametrize(("folder", "drawn"), [("runtime", RUNTIME), ("actors", ACTORS)])
def test_no_place_is_drawn_that_is_not_there(folder: str, drawn: str) -> None:
    begins = re.findall(r"^  (\S.*?)  ", drawn, re.MULTILINE)
    named = {name.strip() for line in begins for name in line.split(",") if name.strip()}

    assert named - places(folder) == set()
    assert len(named) > 20


def test_its_layers_are_those_that_are_held() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (held,) = [each for each in contracts["contracts"] if each["type"] == "layers"]
    drawn = "\n".join(held["layers"])

    assert f"```text\n{drawn}\n```" in PAGE


def test_files_and_names_that_it_tells_of_are_there() -> None:
    there = [str(file.relative_to(ROOT)) for file in ROOT.glob("[art]*/**/*.py")]
    told = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    classes = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", PAGE))
    code = "".join((ROOT / file).read_text() for file in there if not file.startswith("tests/"))

    missing = {file for file in told if not any(f"/{each}".endswith(f"/{file}") for each in there)}

    assert missing - OTHERS == set()
    assert {name for name in classes - OTHERS if f"class {name}" not in code} == set()
