"""The answer of a turn out of its events."""

from trouper.actors.chat import Usage
from trouper.actors.session.answer import Answer, Answering, ToolUse
from trouper.actors.session.events import (
    AnswerReset,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    UsageChanged,
)

AT = {"first": 1, "seq": 1, "turn": 1}


def text(said: str) -> TextAdded:
    return TextAdded(**AT, text=said)


def called(id: str, name: str) -> ToolCalled:
    return ToolCalled(**AT, call_id=id, name=name, arguments="{}")


def ended(id: str, name: str, result: str) -> ToolEnded:
    return ToolEnded(**AT, call_id=id, name=name, result=result, is_error=False)


def test_an_answer_is_its_text_with_what_it_took_beside_it() -> None:
    answering = Answering()
    usage = Usage(input=3, output=2)
    for event in (
        ThoughtAdded(**AT, text="hm"),
        text("hel"),
        text("lo"),
        UsageChanged(**AT, usage=usage, cost=40),
    ):
        answering.take(event)

    answer = answering.answer(StopReason.END_TURN)

    assert answer == "hello"
    assert f"{answer}!" == "hello!"
    assert (answer.usage, answer.cost, answer.stop) == (usage, 40, StopReason.END_TURN)


def test_what_was_taken_back_is_not_in_it() -> None:
    answering = Answering()
    for event in (text("once"), AnswerReset(**AT, reason="broke off"), text("again")):
        answering.take(event)

    assert answering.answer() == "again"


def test_what_is_said_before_a_tool_and_behind_it_does_not_run_together() -> None:
    answering = Answering()
    tool = (called("0", "dice"), ended("0", "dice", "3"))
    for event in (text("With plea"), text("sure."), *tool, text("You have "), text("rolled 3.")):
        answering.take(event)
    assert answering.answer() == "With pleasure.\n\nYou have rolled 3."

    for event in (*tool, *tool, text(" A space is there.\n"), *tool, text("So is a line.")):
        answering.take(event)
    assert answering.answer().endswith("rolled 3. A space is there.\nSo is a line.")


def test_what_is_taken_back_leaves_no_gap() -> None:
    answering = Answering()
    reset = AnswerReset(**AT, reason="broke off")
    for event in (text("once"), called("0", "dice"), reset, text("again")):
        answering.take(event)

    assert answering.answer() == "again"


def test_calls_of_one_id_in_two_answers_are_two() -> None:
    answering = Answering()
    for event in (
        called("0", "look"),
        called("1", "feel"),
        ended("1", "feel", "soft"),
        ended("0", "look", "green"),
        called("0", "look"),
        ended("0", "look", "red"),
    ):
        answering.take(event)

    assert answering.answer().tools == (
        ToolUse(name="look", arguments="{}", result="green"),
        ToolUse(name="feel", arguments="{}", result="soft"),
        ToolUse(name="look", arguments="{}", result="red"),
    )


def test_an_answer_of_many_pieces_is_kept_as_few() -> None:
    answering = Answering()
    for _ in range(5000):
        answering.take(text("ab"))

    assert len(answering._texts) < 1024
    assert answering.answer() == "ab" * 5000


def test_an_answer_of_nothing_is_empty() -> None:
    answer = Answer()
    assert (answer, answer.usage, answer.cost, answer.tools, answer.stop) == (
        "",
        Usage(),
        None,
        (),
        None,
    )
