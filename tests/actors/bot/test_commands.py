"""What people write to a bot, as commands."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.bot.commands import (
    Ask,
    Command,
    Help,
    Ruling,
    Unknown,
    Word,
    help_for,
    help_of,
    parse,
)
from trouper.actors.chat import ToolSpec

NAMES = ("default", "french", "Coder", "coder-2")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("!default What can you do?", Ask("default", "What can you do?")),
        ("  !default   one\n two ", Ask("default", "one\n two")),
        ("!default\nWhat?", Ask("default", "What?")),
        ("!default: What?", Ask("default", "What?")),
        ("!default, What?", Ask("default", "What?")),
        ("!DEFAULT What?", Ask("default", "What?")),
        ("!coder What?", Ask("Coder", "What?")),
        ("!coder-2 !new", Ask("coder-2", "!new")),
        ("!default", Help("default")),
        ("!help", Help()),
        ("!Help", Help()),
        ("!help french", Help("french")),
        ("!help !french: please", Help("french")),
        ("!help frnch", Unknown("frnch", "french")),
        ("!new", Ruling(Word.NEW)),
        ("!new french", Ruling(Word.NEW, "french")),
        ("!new frnch", Unknown("frnch", "french")),
        ("!stop", Ruling(Word.STOP)),
        ("!stop it, please", Ruling(Word.STOP)),
        ("!yes", Ruling(Word.YES)),
        ("!no thanks", Ruling(Word.NO)),
        ("!defualt What?", Unknown("defualt", "default")),
        ("!hlep", Unknown("hlep", "help")),
        ("!zzz What?", Unknown("zzz", "")),
        ("default What?", None),
        ("say !default", None),
        ("!", None),
        ("!!!", None),
        ("!?", None),
        ("! default", None),
        ("!default?", None),
        ("!default.", None),
        ("", None),
    ],
)
def test_a_line_is_read_as(line: str, command: Command | None) -> None:
    assert parse(line, NAMES) == command


def test_two_names_that_differ_by_their_case_are_told_apart_and_neither_is_guessed() -> None:
    assert parse("!a x", ["A", "a"]) == Ask("a", "x")
    assert isinstance(parse("!Ab x", ["AB", "ab"]), Unknown)


def test_the_prefix_is_the_bots_to_choose() -> None:
    assert parse("bot: default What?", NAMES, prefix="bot: ") == Ask("default", "What?")
    assert parse("!default What?", NAMES, prefix=".") is None
    assert parse("bot: help bot: french", NAMES, prefix="bot: ") == Help("french")
    with pytest.raises(ValueError, match="every word"):
        parse("default", NAMES, prefix="")


@given(st.text(max_size=80))
def test_whatever_people_write_is_a_command_or_none(line: str) -> None:
    command = parse("!" + line, NAMES)

    assert command is None or isinstance(command, Ask | Help | Ruling | Unknown)


def test_a_name_that_somebody_makes_up_is_not_said_back_in_full() -> None:
    assert parse("!" + "x" * 5_000, NAMES) == Unknown("x" * 64, "")


def test_the_help_names_who_there_is() -> None:
    assert list(help_for({"default": "Answers guests", "bare": ""}, prefix=".")) == [
        "You can ask:",
        ".default TEXT - Answers guests",
        ".bare TEXT",
        (
            ".help NAME tells what one of them may use, .new NAME begins a new conversation, "
            ".stop ends an answer that is coming."
        ),
    ]


def test_the_help_of_one_lists_its_tools() -> None:
    tools = [ToolSpec("clock", "Tells\nthe time.", {}), ToolSpec("long", "x" * 200, {})]

    assert list(help_of("default", "Answers guests", tools)) == [
        "!default TEXT - Answers guests",
        "default can use:",
        "- clock: Tells the time.",
        f"- long: {'x' * 157}...",
    ]
    assert list(help_of("bare", "", [])) == ["!bare TEXT", "bare has no tools."]
