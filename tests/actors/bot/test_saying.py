"""One turn in the lines of a chat bot."""

import pytest

from trouper.actors.bot.saying import Saying
from trouper.actors.chat import Usage
from trouper.actors.session.events import (
    AnswerReset,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    UsageChanged,
)

WHERE = {"first": 1, "seq": 1, "turn": 1}


def text(words: str) -> TextAdded:
    return TextAdded(**WHERE, text=words)


def called(name: str) -> ToolCalled:
    return ToolCalled(**WHERE, call_id="1", name=name, arguments="{}")


def ended(words: str, *, is_error: bool) -> ToolEnded:
    return ToolEnded(**WHERE, call_id="1", name="clock", result=words, is_error=is_error)


def test_a_line_that_was_begun_is_said_before_a_tool_is() -> None:
    saying = Saying()

    assert list(saying.of(text("one\nLet me"))) == ["one"]
    assert list(saying.of(called("clock"))) == ["Let me", "Using the clock tool..."]
    assert list(saying.of(ended("12:00", is_error=False))) == []
    assert list(saying.of(ended("no\nmore", is_error=True))) == [
        "The clock tool gave no result: no"
    ]
    assert saying.text == "one\nLet me"


def test_what_a_model_thinks_and_what_it_costs_is_not_said() -> None:
    saying = Saying()

    assert list(saying.of(ThoughtAdded(**WHERE, text="Well\n"))) == []
    assert list(saying.of(UsageChanged(**WHERE, usage=Usage()))) == []
    assert list(saying.end(StopReason.END_TURN)) == ["(The model said nothing.)"]


def test_an_answer_that_begins_again_is_said_to() -> None:
    saying = Saying()
    said = [*saying.of(text("half of"))]
    said += saying.of(AnswerReset(**WHERE, reason="sim broke off"))
    said += saying.of(text("all of it"))

    assert [*said, *saying.end(StopReason.END_TURN)] == [
        "half of",
        "(The answer begins again: sim broke off.)",
        "all of it",
    ]
    assert saying.text == "all of it"


def test_a_silent_answer_is_only_kept() -> None:
    saying = Saying(silent=True)

    assert list(saying.of(text("one\ntwo"))) == []
    assert list(saying.end(StopReason.MAX_TOKENS)) == []
    assert list(saying.end(StopReason.CANCELLED)) == ["(Stopped.)"]
    assert saying.text == "one\ntwo"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (StopReason.CANCELLED, "(Stopped.)"),
        (StopReason.MAX_TOKENS, "(The answer has reached its greatest length.)"),
        (StopReason.REFUSAL, "(The model does not answer that.)"),
        (
            StopReason.MAX_TURN_REQUESTS,
            "(The tools were used as often as one answer may; say: go on.)",
        ),
    ],
)
def test_an_answer_that_is_not_whole_says_so(stop: StopReason, words: str) -> None:
    saying = Saying()
    list(saying.of(text("half")))

    assert list(saying.end(stop)) == ["half", words]
