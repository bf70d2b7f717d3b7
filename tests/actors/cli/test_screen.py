"""What is shown of an answer is words: nothing in it can command a terminal."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.fakes.terminal import CTRL_C, CTRL_D, terminal
from trouper.actors.cli.screen import spoken


@given(st.text())
def test_only_line_breaks_and_tabs_of_what_is_not_printable_are_spoken(text: str) -> None:
    said = spoken(text)

    assert all(c.isprintable() or c in "\n\t\u200c\u200d" for c in said)
    assert said.count("\n") == text.count("\n")


def test_words_of_all_languages_and_joined_emoji_stay() -> None:
    persian, coder = "\u0645\u06cc\u200c\u062e\u0648\u0627", "👩\u200d💻"

    assert spoken(f"{persian} {coder} naïve\r\nx") == f"{persian} {coder} naïve\nx"


@pytest.mark.parametrize("sequence", ["\x1b[2J", "\x9b2J", "\x07", "\x08", "\u202e", "\u200b"])
def test_what_a_terminal_obeys_and_what_nobody_sees_are_escapes(sequence: str) -> None:
    assert sequence[0] not in spoken(f"a{sequence}b")


def screen(code: str) -> list[str]:
    body = f"from trouper.actors.cli.screen import Screen; screen = Screen()\n{code}"
    return [sys.executable, "-c", body]


def test_thoughts_are_shown_to_a_person_apart_from_the_answer() -> None:
    code = (
        "screen.begin('x')\n"
        "for text in '\\n hm', ', so': screen.add(text, thought=True)\n"
        "for text in '\\n\\nYes', ' it is.': screen.add(text)\n"
        "screen.end(); screen.note('done')"
    )
    with terminal(screen(code)) as person:
        shown, code_ = person.leave()

    assert (shown, code_) == ("x> hm, so\nYes it is.\n\n[done]\n\n", 0)
    assert b"\x1b[2mhm," in person._raw
    assert b"\x1b[2mYes" not in person._raw


def test_no_color_is_heeded() -> None:
    code = "screen.greet('Hello.'); screen.begin('x'); screen.add('hm', thought=True); screen.end()"
    with terminal(screen(code), {"NO_COLOR": "1"}) as person:
        assert person.leave()[0] == "Hello.\n\nx> hm\n\n"

    assert b"\x1b" not in person._raw


def test_an_answer_without_words_is_an_empty_line() -> None:
    with terminal(screen("screen.begin('x'); screen.add(' \\n'); screen.end()")) as person:
        assert person.leave()[0] == "x> \n\n"


def test_without_readline_one_can_still_type(tmp_path: Path) -> None:
    (tmp_path / "readline.py").write_text("raise ImportError")
    code = "print('asked', screen.ask()); print('asked', screen.ask()); screen.ask()"
    with terminal(screen(code), {"PYTHONPATH": str(tmp_path)}) as person:
        person.wait_for("you> ")
        person.type("\r")
        person.wait_for("you> ")
        person.type("hello\r")
        person.wait_for("asked hello")
        person.wait_for("you> ")
        person.type(CTRL_D)
        person.wait_for("asked None")
        person.wait_for("you> ")
        person.type(CTRL_C)

        assert person.leave()[0].endswith("KeyboardInterrupt\n")
