"""What of an answer is written down, and what it has cost."""

from typing import cast

import pytest

from trouper.actors.chat import Completion, Finish, Message, TextPart, ThinkingPart, ToolCallPart
from trouper.actors.errors import UnknownAssistant, UnknownModel
from trouper.actors.session.answer_record import cost_of, spoken
from trouper.actors.session.assistant import Assistant, Company
from trouper.actors.trail import AttemptRecord


def attempt(cost: int | None) -> AttemptRecord:
    return AttemptRecord(target="sim/m", kind="ok", ms=1, cost=cost)


@pytest.mark.parametrize(
    ("costs", "whole"), [([3, 4], 7), ([3, None], None), ([], 0), ([None], None)]
)
def test_the_cost_of_an_answer_is_known_where_that_of_all_attempts_is(
    costs: list[int | None], whole: int | None
) -> None:
    assert cost_of(map(attempt, costs)) == whole


def completion(*parts: TextPart | ThinkingPart | ToolCallPart) -> Completion:
    return Completion(message=Message("assistant", parts), finish=Finish.TOOL_CALLS)


def test_calls_that_nobody_runs_belong_to_no_conversation() -> None:
    whole = completion(TextPart("so"), ToolCallPart("c", "look", "{}"))

    assert spoken(whole, None).parts == (TextPart("so"),)
    assert spoken(completion(ToolCallPart("c", "look", "{}")), None).parts == ()


def test_thoughts_alone_are_no_answer_but_belong_to_the_calls_behind_them() -> None:
    call = ToolCallPart("c", "look", "{}")

    assert spoken(completion(ThinkingPart("hm")), set()).parts == ()
    assert spoken(completion(ThinkingPart("hm"), call), set()).parts == (ThinkingPart("hm"), call)


def test_an_id_that_is_taken_is_made_another_that_is_free() -> None:
    whole = completion(*(ToolCallPart("c", "look", "{}") for _ in range(3)))
    taken = {"c_4", "x", "c"}

    ids = [part.id for part in spoken(whole, taken).parts if isinstance(part, ToolCallPart)]

    assert len({*ids, "c", "c_4", "x"}) == 6
    assert all(id.startswith("c_") for id in ids)


def test_a_session_without_company_knows_no_other_assistant_and_no_model() -> None:
    alone = Company()
    with pytest.raises(UnknownAssistant, match="no assistant 'poet'; configured are: none"):
        alone.assistant("poet")
    with pytest.raises(UnknownModel, match="no model 'large'; configured are: none"):
        alone.with_model(cast(Assistant, None), "large")
