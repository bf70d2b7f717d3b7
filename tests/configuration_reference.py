"""Writes docs/reference/configuration.md out of the classes of the configuration.

    .venv/bin/python -m tests.configuration_reference

What a key is for is the text below its field, the reason of its default the
comment above it, what it may be the metadata of its check. What stands between
the tables, and the examples, is in tests/configuration_sections.py.
"""

import ast
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from trouper.actors.wire.converter import ALLOWED, HIDDEN

from .configuration_sections import INTRODUCTION, SECTIONS

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference" / "configuration.md"


_LONG_NUMBER = re.compile(r"\b\d{5,}\b")


@attrs.frozen
class Words:
    """What the source says of a field: what it is for, and why its default is what it is."""

    meaning: str = ""
    reason: str = ""


def words_of(cls: type[Any]) -> dict[str, Words]:
    """The words of each field of `cls`, inherited ones first."""
    found: dict[str, Words] = {}
    for base in reversed(cls.__mro__):
        if attrs.has(base):
            found |= _own_words(base)
    return found


def _own_words(cls: type[Any]) -> dict[str, Words]:
    source = textwrap.dedent(inspect.getsource(cls))
    lines = source.splitlines()
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, Words] = {}
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = Words(
                _text_below(after), _comment_above(lines, statement.lineno - 1)
            )
    return found


def _text_below(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
        case _:
            return ""


def _comment_above(lines: list[str], at: int) -> str:
    found: list[str] = []
    while lines[at - 1].lstrip().startswith("#"):
        at -= 1
        found.insert(0, lines[at].lstrip("# "))
    return " ".join(found)


def allowed(field: "attrs.Attribute[Any]") -> str:
    """What a value of this field may be, in words."""
    told: str | None = field.metadata.get(ALLOWED)
    return _LONG_NUMBER.sub(lambda at: f"{int(at[0]):,}", told or _of_type(field.type))


_TYPES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}


def _of_type(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_type(next(one for one in inside if one is not type(None)))
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin is tuple:
        return "a list of tables" if attrs.has(inside[0]) else f"a list of {_of_type(inside[0])}"
    if origin is not None or attrs.has(kind):
        return "a table, see below"
    if issubclass(kind, Enum):
        return f"one of {', '.join(str(one.value) for one in kind)}"
    return _TYPES.get(kind, f"a {kind.__name__}")


def default(field: "attrs.Attribute[Any]") -> str:
    """The default of this field as TOML would write it."""
    match field.default:
        case attrs.NOTHING:
            return "required"
        case None | () | "":
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case Enum(value=value) | str(value):
            return f'`"{value}"`'
        case int() | float():
            return f"`{field.default:,}`".replace(",", "_")
        case _:  # a table of its own, whose keys have their own defaults
            return ""


def keys(cls: type[Any]) -> list[str]:
    """The keys of the table that `cls` is."""
    return [str(field.alias) for field in attrs.fields(cls) if HIDDEN not in field.metadata]


def rows(cls: type[Any]) -> Iterator[str]:
    """The table of all keys of a class, in Markdown."""
    yield "| key | may be | default | what it is for |"
    yield "|---|---|---|---|"
    words = words_of(cls)
    for field in attrs.fields(cls):
        if HIDDEN in field.metadata:
            continue
        said = words[field.name]
        meaning = said.meaning + (f" *{said.reason}*" if said.reason else "")
        cells = (f"`{field.alias}`", allowed(field), default(field), meaning)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION.strip(), ""]
    for section in SECTIONS:
        lines += [f"{'#' * section.level} {section.title}", section.text.strip(), ""]
        lines += [*rows(section.cls), ""]
        if section.example:
            lines += ["```toml", section.example.strip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main(write: Callable[[str], object] = TARGET.write_text) -> None:
    """Write the page."""
    write(page())
    sys.stdout.write(f"{TARGET} written\n")


if __name__ == "__main__":
    main()
