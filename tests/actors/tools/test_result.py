"""What a tool returns becomes text."""

import dataclasses
import datetime as dt
import enum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from trouper.actors.tools import ToolFailed
from trouper.actors.tools.result import as_text, cut


@attrs.frozen
class Point:
    x: int


@dataclasses.dataclass
class Line:
    a: Point


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("half \ud83d", "half ?"),
        (None, "null"),
        (True, "true"),
        ({"a": [1, 2.5]}, '{"a":[1,2.5]}'),
        (Line(Point(1)), '{"a":{"x":1}}'),
        ((Colour.RED, PurePosixPath("/x")), '["red","/x"]'),
        ({"s": frozenset({1})}, '{"s":[1]}'),
        (MappingProxyType({1: "x"}), '{"1":"x"}'),
        (dt.date(2026, 1, 2), '"2026-01-02"'),
        (2**70, str(2**70)),
        ([2**70], f"[{2**70}]"),
        ({"half": "\ud83d"}, '{"half": "?"}'),
    ],
    ids=repr,
)
def test_text_is_as_it_is_and_all_else_is_json(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [b"bytes", object(), [object()], {"a": b""}])
def test_what_has_no_text_is_a_failure_that_says_so(value: Any) -> None:
    with pytest.raises(ToolFailed, match="returned what has no text"):
        as_text(value)


def test_a_circle_has_no_text() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(ToolFailed):
        as_text(circle)


def test_a_long_result_is_cut_with_words_that_say_so() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("x" * 10_000_000, 10) == (
        "xxxxxxxxxx\n[cut: these are its first 10 characters, and there is more; "
        "ask for less, or for another part]"
    )
