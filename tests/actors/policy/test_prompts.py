"""Prompts with variables: what is replaced, what is left alone, and what is said of mistakes."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.prompts import (
    BUILT_IN,
    PromptError,
    Template,
    fault_of_name,
    faults_of_prompt,
)


def rendered(text: str, **values: str) -> str:
    return Template.parse(text).render(values)


def test_a_variable_is_replaced_wherever_it_stands() -> None:
    assert (
        rendered("{who} and {who}, in {town}", who="Ann", town="Paris") == "Ann and Ann, in Paris"
    )
    assert rendered("") == ""


def test_doubled_braces_are_braces() -> None:
    assert rendered('answer {{"name": "{name}"}}', name="x") == 'answer {"name": "x"}'
    assert rendered("{{{name}}}", name="x") == "{x}"


def test_what_a_value_says_is_not_looked_at_again() -> None:
    assert rendered("{a}", a="{b} {{", b="no") == "{b} {{"


def test_the_names_are_told_once_each_in_their_order() -> None:
    assert Template.parse("{b} {a} {b}").names == ("b", "a")


def test_more_values_than_are_used_do_no_harm() -> None:
    assert rendered("{a}", a="1", b="2") == "1"


def test_a_variable_without_a_value_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(
        PromptError, match=r"^the variable \{twon\} has no value; did you mean \{town\}"
    ):
        rendered("{twon}", town="x")
    with pytest.raises(PromptError, match=r"\{zzz\} has no value; there are: a, b$"):
        rendered("{zzz}", b="", a="")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "one\ntwo {",
            "line 2: there is a single {; write {{ for a brace, and {name} for a variable",
        ),
        ("}", "line 1: there is a single }; write }} for a brace, and {name} for a variable"),
        (
            "a { b\n}",
            "line 1: there is a single {; write {{ for a brace, and {name} for a variable",
        ),
    ],
)
def test_a_single_brace_is_said_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(PromptError) as caught:
        Template.parse(text)

    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "inside", ["", "Town", "a.b", "a[0]", "a!r", "a:>10", "1a", " a", "__import__('os')", "a" * 65]
)
def test_nothing_but_a_name_stands_between_braces(inside: str) -> None:
    with pytest.raises(PromptError, match=r"^line 1: \{.*\} is no variable"):
        Template.parse("{" + inside + "}")


@given(st.text())
def test_any_text_is_itself_with_its_braces_doubled(text: str) -> None:
    assert rendered(text.replace("{", "{{").replace("}", "}}")) == text


def test_what_is_well_has_no_fault() -> None:
    assert list(faults_of_prompt("{town}, {date}", ["town"])) == []


def test_a_variable_that_nobody_declares_and_one_that_nobody_uses_are_named() -> None:
    assert list(faults_of_prompt("{twon}", ["town"])) == [
        (
            "prompt: the variable {twon} has no value; give it one under variables.twon, or did you "
            "mean {town}?"
        ),
        "variables.town: the prompt does not use {town}",
    ]
    assert list(faults_of_prompt("{", ["town"])) == [
        "prompt: line 1: there is a single {; write {{ for a brace, and {name} for a variable"
    ]


def test_a_variable_of_ones_own_is_not_called_as_one_that_is_built_in() -> None:
    assert fault_of_name("town") is None
    assert fault_of_name("Town") == (
        "a variable's name has up to 64 small letters, digits and underscores"
    )
    for name in BUILT_IN:
        assert (fault_of_name(name) or "").startswith("is built in (")
