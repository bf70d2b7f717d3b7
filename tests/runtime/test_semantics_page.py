"""docs/semantics.md: each of its promises has its test, and its examples run."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "semantics.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

RUNTIME, APPLICATION = PAGE.split("\n# What the application promises\n")


@cache
def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def named_in(text: str) -> list[str]:
    return re.findall(r"^- Test: `(.+)`$", text, re.MULTILINE)


@pytest.mark.parametrize("named", named_in(RUNTIME))
def test_each_promise_of_the_runtime_names_a_test_that_exists(named: str) -> None:
    file, name = named.split("::")
    assert name in names_in(HERE / file)


@pytest.mark.parametrize("named", named_in(APPLICATION))
def test_each_promise_of_the_application_names_a_test_that_exists(named: str) -> None:
    file, name = named.split("::")
    assert name in names_in(HERE.parent / "actors" / file)


@pytest.mark.parametrize(("text", "least"), [(RUNTIME, 9), (APPLICATION, 12)])
def test_every_part_of_the_page_names_tests(text: str, least: int) -> None:
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(parts) >= least
    assert [part.splitlines()[0] for part in parts if "\n- Test: `" not in part] == []
    written = len(re.findall(r"^- Test: `.+::.+`$", text, re.MULTILINE))
    assert text.count("Test: ") == 1 + written, "one in the introduction"


@pytest.mark.parametrize("example", EXAMPLES, ids=["ask", "stream"])
def test_the_examples_run(example: str) -> None:
    exec(compile(example, "docs/semantics.md", "exec"), {"__name__": "example"})
