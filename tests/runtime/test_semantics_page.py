"""docs/semantics.md: each of its promises has its test, and its examples run."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "semantics.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def names_in(file: str) -> set[str]:
    tree = ast.parse((HERE / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.parametrize("named", re.findall(r"^- Test: `(.+)`$", PAGE, re.MULTILINE))
def test_each_promise_names_a_test_that_exists(named: str) -> None:
    file, name = named.split("::")
    assert name in names_in(file)


def test_every_part_of_the_page_names_tests() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert len(parts) == 9
    assert [part.splitlines()[0] for part in parts if "\n- Test: `" not in part] == []
    written = len(re.findall(r"^- Test: `.+::.+`$", PAGE, re.MULTILINE))
    assert PAGE.count("Test: ") == 1 + written, "one in the introduction"


@pytest.mark.parametrize("example", EXAMPLES, ids=["ask", "stream"])
def test_the_examples_run(example: str) -> None:
    exec(compile(example, "docs/semantics.md", "exec"), {"__name__": "example"})
