"""The index of complaints (tests/complaints.py): each has tests, which are there and speak of it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.complaints import ROWS

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"


@cache
def functions_of(file: str) -> dict[str, str]:
    """The tests of a file by their names, each with what it says of itself."""
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name: f"{node.name.replace('_', ' ')} {ast.get_docstring(node) or ''}".lower()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.name.startswith("test_")
    }


def test_no_complaint_of_the_thirty_five_is_missing() -> None:
    assert list(ROWS) == list(range(1, 36))
    assert [number for number, row in ROWS.items() if not row.tests] == []
    assert len({row.promise for row in ROWS.values()}) == 35


@pytest.mark.parametrize(
    ("number", "named"), [(number, test) for number, row in ROWS.items() for test in row.tests]
)
def test_each_test_that_is_named_is_there_and_speaks_of_its_promise(
    number: int, named: str
) -> None:
    file, name = named.split("::")
    says = functions_of(file).get(name)

    assert says is not None, f"row {number} names a test that is not there"
    assert re.search(ROWS[number].about, says), f"row {number}: {says!r}"


def test_the_documents_say_that_budgets_and_limits_are_of_one_process() -> None:
    page = (DOCS / "how-to" / "budgets.md").read_text(encoding="utf-8")
    part = page.partition("## More than one process")[2].partition("\n## ")[0]

    for word in ("one process", "budgets", "limits", "circuits", "refused", "each process"):
        assert word in part.lower()
