"""Both type checkers accept what users write, and report the mistakes that they make."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = ROOT / "tests/typing/api.py"
MISTAKES = ROOT / "tests/typing/mistakes.py"


def planted() -> set[int]:
    lines = MISTAKES.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if "# mistake: " in line}


def mypy(cache: Path) -> dict[Path, set[int]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary"),
            *(f"--cache-dir={cache}", str(API), str(MISTAKES)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[Path, set[int]] = {API: set(), MISTAKES: set()}
    for path, line in re.findall(r"^(\S+?):(\d+): error: ", done.stdout, re.MULTILINE):
        found.setdefault(ROOT / path, set()).add(int(line))
    return found


def pyright(folder: Path) -> dict[Path, set[int]]:
    # The project's own settings, for these two files, one of which it leaves out.
    settings = {
        # It takes relative paths only.
        "include": [os.path.relpath(path, folder) for path in (API, MISTAKES)],
        "exclude": [],
        "extraPaths": [str(ROOT / "tests/importroot"), str(ROOT)],
        "typeCheckingMode": "strict",
    }
    project = folder / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable),
            *("--project", str(project)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[Path, set[int]] = {API: set(), MISTAKES: set()}
    for fault in json.loads(done.stdout)["generalDiagnostics"]:
        if fault["severity"] == "error":
            lines = found.setdefault(Path(fault["file"]), set())
            lines.add(fault["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])
def test_exactly_the_planted_mistakes_are_reported(
    checker: Callable[[Path], dict[Path, set[int]]], tmp_path: Path
) -> None:
    found = checker(tmp_path)

    assert found[API] == set()
    assert found[MISTAKES] == planted()
    assert set(found) == {API, MISTAKES}
