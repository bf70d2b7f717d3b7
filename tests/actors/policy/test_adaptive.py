"""Which kind of task a prompt is, by what the configuration says of kinds."""

import pytest

from trouper.actors.policy.adaptive import TaskKind, kind_of

CODE = TaskKind(name="code", words=("code", "```", "c++", "unit test"), temperature=0.1)
LONG = TaskKind(name="long", longer_than=5)
LETTER = TaskKind(name="letter", words=("write",), longer_than=3)
KINDS = (CODE, LETTER, LONG)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mend this code, please", CODE),
        ("CODE!", CODE),
        ("what is c++?", CODE),
        ("a unit test", CODE),
        ("```x = 1```", CODE),
        ("x```", CODE),
        ("decode codes", None),
        ("", None),
        ("one two three four five", None),
        ("one two three four five six", LONG),
        ("write me a letter", LETTER),
        ("write me a", None),
        ("write some code for this book", CODE),
    ],
)
def test_a_prompt_is_of_the_first_kind_that_fits(text: str, kind: TaskKind | None) -> None:
    assert kind_of(text, KINDS) == kind


def test_without_kinds_a_prompt_is_of_none() -> None:
    assert kind_of("code", ()) is None
