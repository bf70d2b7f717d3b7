"""Type checkers take our types out of an installed wheel, as they do for a project of a user."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.packaging.building import ROOT, Environment

PROGRAMS = ("api.py", "embed.py", "portal.py")
"""What users write: they say of nearly every value which type they expect it to have."""


@pytest.fixture
def project(environment: Environment, tmp_path: Path) -> Path:
    """A folder with programs, whose environment has the wheel."""
    for name in PROGRAMS:
        shutil.copy(ROOT / "tests/typing" / name, tmp_path)
    # It takes an environment by its folder only.
    settings = {
        "typeCheckingMode": "strict",
        "venvPath": str(environment.folder.parent),
        "venv": environment.folder.name,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_strict_checker_knows_our_types(
    checker: str, project: Path, environment: Environment
) -> None:
    options: Sequence[str] = ()
    if checker == "mypy":
        options = ("--strict", "--python-executable", environment.python, *PROGRAMS)

    done = subprocess.run(
        [sys.executable, "-m", checker, *options],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
