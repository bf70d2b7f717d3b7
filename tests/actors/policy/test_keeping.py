"""Which answers are kept."""

import pytest

from trouper.actors.chat import (
    Completion,
    Finish,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from trouper.actors.policy.keeping import from_whom_it_should_be, worth_keeping
from trouper.actors.trail import AttemptRecord

FIRST = ("main/big", "other/big")


def answer(*parts: Part, finish: Finish = Finish.STOP) -> Completion:
    return Completion(message=Message("assistant", parts), finish=finish)


def trail(*steps: tuple[str, str]) -> list[AttemptRecord]:
    return [AttemptRecord(target=target, kind=kind, ms=1) for target, kind in steps]


def test_a_whole_answer_is_kept() -> None:
    assert worth_keeping(answer(TextPart("yes")))
    assert worth_keeping(answer(ThinkingPart("hm"), TextPart("yes")))


@pytest.mark.parametrize("finish", [finish for finish in Finish if finish is not Finish.STOP])
def test_an_answer_that_did_not_end_well_is_not_kept(finish: Finish) -> None:
    assert not worth_keeping(answer(TextPart("ye"), finish=finish))


def test_an_answer_that_wants_something_done_or_says_nothing_is_not_kept() -> None:
    assert not worth_keeping(answer(TextPart("a moment"), ToolCallPart("c", "mail", "{}")))
    assert not worth_keeping(answer(OpaquePart("openai", {"type": "refusal", "refusal": "no"})))
    assert not worth_keeping(answer(ThinkingPart("hm")))
    assert not worth_keeping(answer(TextPart("")))


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], True),
        ([("main/big", "ok")], True),
        ([("main/big", "overloaded"), ("other/big", "ok")], True),
        ([("main/big", "timeout"), ("main/big", "ok")], True),
        ([("main/big", "overloaded"), ("home/small", "ok")], False),
        ([("main/big", "context_window_exceeded"), ("main/huge", "ok")], True),
        ([("main/big", "context_window_exceeded"), ("x", "timeout"), ("main/huge", "ok")], False),
        # Two that raced: the loser's record is the last one.
        ([("main/big", "ok"), ("home/small", "cancelled")], True),
        ([("home/small", "ok"), ("main/big", "cancelled")], False),
    ],
)
def test_what_a_stand_in_says_is_kept_only_where_it_would_be_asked_again(
    steps: list[tuple[str, str]], kept: bool
) -> None:
    assert from_whom_it_should_be(trail(*steps), FIRST) is kept
