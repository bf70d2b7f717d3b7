"""Examples in docstrings are Python, and import what there is."""

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_BLOCK = re.compile(r"(?:^|\n\n)((?:    .*(?:\n|$)|\n)+)")
_BEGINS = re.compile(r"(?:async|await|class|def|for|from|import|with) |@|\w+ = ")
# Words behind a gap are said of the code, in a table.
_TABLE = re.compile(r"\S {3,}(?!#)\S")
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def examples() -> Iterator[tuple[str, str]]:
    """Where each stands, and its text."""
    for file in (
        file for folder in ("runtime", "actors") for file in (ROOT / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, _Documented) and (said := ast.get_docstring(node)):
                for block in _BLOCK.findall(said):
                    text = textwrap.dedent(block.strip("\n"))
                    if _BEGINS.match(text) and not _TABLE.search(text):
                        yield f"{file.relative_to(ROOT)}: {getattr(node, 'name', 'module')}", text


def faults(text: str) -> Iterator[str]:
    """What is wrong with an example, which may stand in a coroutine."""
    try:
        tree = compile(text, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        yield str(error)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trouper."):
            module = importlib.import_module(str(node.module))
            yield from (
                f"{node.module} has no {each.name}"
                for each in node.names
                if not hasattr(module, each.name)
            )


def test_examples_in_docstrings_are_python_and_import_what_there_is() -> None:
    found = list(examples())

    assert {where: wrong for where, text in found if (wrong := list(faults(text)))} == {}
    assert len(found) > 10


def test_an_example_that_is_wrong_would_be_found() -> None:
    assert list(faults("async with x as y\n    pass")) != []
    assert list(faults("from trouper.actors import opne_app")) == ["trouper.actors has no opne_app"]
    assert list(faults("async with x as y:\n    await y")) == []
