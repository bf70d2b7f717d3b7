"""Raw tables become classes strictly, and faults become sentences."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from cattrs import BaseValidationError

from trouper.actors.wire.converter import explain, key_path, make_converter, shown, suggestion


@attrs.frozen
class Leaf:
    number: int
    text: str = ""
    flag: bool = False
    share: float = 0.5


@attrs.frozen
class Tree:
    leaves: tuple[Leaf, ...] = ()
    named: Mapping[str, Leaf] = attrs.field(factory=dict[str, Leaf])


def faults(raw: Any) -> list[str]:
    with pytest.raises((BaseValidationError, TypeError)) as caught:
        make_converter().structure(raw, Tree)
    return list(explain(caught.value))


def test_a_table_of_the_right_types_becomes_a_value() -> None:
    raw = {"leaves": [{"number": 1, "share": 1}], "named": {"a": {"number": 2, "flag": True}}}

    tree = make_converter().structure(raw, Tree)

    assert tree == Tree(leaves=(Leaf(1, share=1),), named={"a": Leaf(2, flag=True)})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"leaves": [{"number": "1"}]}, "leaves[0].number: must be a whole number, not '1'"),
        ({"leaves": [{"number": True}]}, "leaves[0].number: must be a whole number, not true"),
        ({"leaves": [{"number": 1, "text": 2}]}, "leaves[0].text: must be text, not 2"),
        ({"leaves": [{"number": 1, "flag": 1}]}, "leaves[0].flag: must be true or false, not 1"),
        ({"leaves": [{"number": 1, "share": ""}]}, "leaves[0].share: must be a number, not ''"),
        ({"leaves": "abc"}, "leaves: must be a list, not 'abc'"),
        ({"named": [1]}, "named: must be a table, not a list"),
        ({"named": {"a b": {}}}, "named.'a b'.number: is missing"),
        ([], "must be a table, not a list"),
        (None, "must be a table, not a NoneType"),
    ],
)
def test_no_type_is_turned_into_another(raw: Any, said: str) -> None:
    assert faults(raw) == [said]


def test_every_fault_is_found_in_one_go() -> None:
    assert faults({"leaves": [{}, {"number": 1, "nubmer": 2}, 3]}) == [
        "leaves[0].number: is missing",
        'leaves[1].nubmer: this version of trouper does not know this key; did you mean "number"?',
        "leaves[2]: must be a table, not 3",
    ]


def test_notes_of_others_on_an_error_do_not_matter() -> None:
    error = ValueError("is odd")
    error.add_note("seen on a Monday")

    group = BaseValidationError("many", [error], Tree)  # pyright: ignore[reportCallIssue]

    assert list(explain(group, "a.b")) == ["a.b: is odd"]


def test_a_path_is_written_as_toml_writes_it() -> None:
    assert key_path(key_path(key_path("", "models"), "a.b"), 3) == "models.'a.b'[3]"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        ("a\x1b\n", r"'a\x1b\n'"),
        ("x" * 61, f"'{'x' * 57}...'"),
        ("sk-abcdefgh12345678", "'[redacted]'"),
        (10**80, "1" + "0" * 59),
        ({}, "a table"),
        ([], "a list"),
        (None, "a NoneType"),
    ],
)
def test_a_value_is_quoted_short_and_on_one_line(value: object, words: str) -> None:
    assert shown(value) == words


def test_a_suggestion_is_the_nearest_name_or_all_of_them() -> None:
    assert suggestion("tokns", ["tokens", "listen"]) == 'did you mean "tokens"?'
    assert suggestion("x", ["b", "a"]) == "known: a, b"
    assert suggestion("x", []) == "known: none"
