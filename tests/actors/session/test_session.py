"""A conversation: its turns, its history, and what those who listen are told. In virtual time."""

from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.house import House, Listener, open_house, said
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, frame, sse
from trouper.actors.chat import TextPart
from trouper.actors.errors import TurnInProgress
from trouper.actors.session import turn
from trouper.actors.session.events import SessionEvent, StopReason
from trouper.actors.session.messages import (
    Attach,
    Attached,
    CancelTurn,
    Detach,
    Prompt,
    SessionMessage,
)
from trouper.runtime import ActorDown, Ref

LONG = (ROLE, delta("once "), delta("upon "), 60.0, delta("a time"), FINISH, DONE)
CUT = httpx.ReadError("reset by peer")
USAGE = b'data: {"id":"r1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'


def prompt(text: str = "hello") -> Prompt:
    return Prompt((TextPart(text),))


async def attached(house: House) -> tuple[Ref[SessionMessage], Listener]:
    ref, listener = await house.open(), Listener()
    await ref.ask(Attach(listener))
    return ref, listener


def kinds(events: list[SessionEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def sent(house: House, number: int = -1) -> list[tuple[str, Any]]:
    """The messages of a request that the provider got."""
    body = orjson.loads(house.answers.requests[number].content)
    return [(message["role"], message["content"]) for message in body["messages"]]


# A turn.


async def test_a_turn_is_told_from_its_start_to_its_end(autojump_clock: MockClock) -> None:
    answer = Body(ROLE, delta("hel") + delta("lo"), FINISH, USAGE, DONE)
    async with open_house(answer) as house:
        ref, listener = await attached(house)
        assert await ref.ask(prompt()) == 1
        end = await listener.ended()

    assert kinds(listener.events) == ["TurnStarted", "TextAdded", "UsageChanged", "TurnEnded"]
    assert listener.text == "hello"
    assert listener.events[2].usage.input == 7  # type: ignore[union-attr]
    assert (end.stop, end.error) == (StopReason.END_TURN, "")


async def test_events_are_numbered_without_a_gap_over_all_turns(autojump_clock: MockClock) -> None:
    async with open_house(sse("a", "b"), CUT, CUT, CUT, sse("c")) as house:
        ref, listener = await attached(house)
        for turn in (1, 2, 3):
            await ref.ask(prompt())
            await listener.ended(turn)

    assert listener.events[0].first == 1
    assert all(event.first == event.seq for event in listener.events)
    assert all(b.seq == a.seq + 1 for a, b in pairwise(listener.events))


async def test_thoughts_and_text_keep_their_order(autojump_clock: MockClock) -> None:
    def thought(text: str) -> bytes:
        return frame({"reasoning_content": text})

    answer = Body(ROLE + thought("h") + thought("m") + delta("yes") + thought("?"), FINISH + DONE)
    async with open_house(answer) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        await listener.ended()

    told = [(type(e).__name__, getattr(e, "text", "")) for e in listener.events[1:-1]]
    assert told == [("ThoughtAdded", "hm"), ("TextAdded", "yes"), ("ThoughtAdded", "?")]


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", StopReason.END_TURN),
        ("length", StopReason.MAX_TOKENS),
        ("content_filter", StopReason.REFUSAL),
    ],
)
async def test_a_turn_says_why_the_answer_ended(
    autojump_clock: MockClock, finish: str, stop: StopReason
) -> None:
    async with open_house(Body(ROLE, delta("a"), frame({}, finish), DONE)) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        assert (await listener.ended()).stop is stop


async def test_a_refusal_is_told_in_the_models_words(autojump_clock: MockClock) -> None:
    answer = Body(ROLE, frame({"refusal": "I would "}), frame({"refusal": "not"}), FINISH, DONE)
    async with open_house(answer) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        end = await listener.ended()

    assert listener.text == "I would not"
    assert end.stop is StopReason.REFUSAL


async def test_one_turn_at_a_time(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG), sse("second")) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        with pytest.raises(TurnInProgress, match="cancel that turn or wait"):
            await ref.ask(prompt())
        await listener.ended(1)
        assert await ref.ask(prompt()) == 2
        await listener.ended(2)

    assert listener.text == "once upon a timesecond"


# Who listens.


async def test_all_who_are_attached_are_told_the_same(autojump_clock: MockClock) -> None:
    async with open_house(sse("a", "b")) as house:
        ref, first = await attached(house)
        second = Listener()
        await ref.ask(Attach(second))
        await ref.ask(Attach(second))
        await ref.ask(prompt())
        await first.ended()

    assert second.events == first.events


async def test_who_comes_late_is_told_where_the_session_stands(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, first = await attached(house)
        await ref.ask(prompt())
        await first.hears(3)
        late = Listener()
        assert await ref.ask(Attach(late)) == Attached(seq=3, turn=1)
        await late.ended()

        assert late.events == first.events[3:]
        assert await ref.ask(Attach(Listener())) == Attached(seq=late.events[-1].seq, turn=None)


async def test_who_leaves_is_told_no_more_and_the_turn_goes_on(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, stays = await attached(house)
        leaves = Listener()
        await ref.ask(Attach(leaves))
        await ref.ask(prompt())
        await stays.hears(2)
        ref.tell(Detach(leaves))
        ref.tell(Detach(Listener()))
        await stays.ended()

    assert stays.text == "once upon a time"
    assert leaves.events == stays.events[: len(leaves.events)]
    assert len(leaves.events) < len(stays.events)


# History.


async def test_the_model_is_told_the_whole_conversation_system_prompt_first(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("one"), sse("two")) as house:
        ref, listener = await attached(house)
        for turn, text in ((1, "first"), (2, "second")):
            await ref.ask(prompt(text))
            await listener.ended(turn)

        whole = [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]
        assert await said(ref) == whole
        assert sent(house) == [("system", "be kind"), *whole[:3]]
        assert orjson.loads(house.answers.requests[0].content)["model"] == "fake-1"


async def test_an_assistant_without_a_prompt_says_nothing_to_the_model(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("one"), prompt="") as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("first"))
        await listener.ended()

    assert sent(house) == [("user", "first")]


async def test_a_cancelled_turn_keeps_what_was_said_and_stops_the_provider(
    autojump_clock: MockClock,
) -> None:
    body = Body(*LONG)
    async with open_house(body, sse("more")) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("tell"))
        await listener.hears(3)
        ref.tell(CancelTurn())
        end = await listener.ended()

        assert (end.stop, end.error) == (StopReason.CANCELLED, "")
        assert trio.current_time() < 1
        await wait_all_tasks_blocked()
        assert body.closed
        assert await said(ref) == [("user", "tell"), ("assistant", "once upon ")]
        await ref.ask(prompt("go on"))
        await listener.ended(2)
        assert sent(house)[1:3] == [("user", "tell"), ("assistant", "once upon ")]


# Thinking alone would go back as an empty answer, which some providers refuse.
@pytest.mark.parametrize("begun", [(), (ROLE, frame({"reasoning_content": "hm"}))])
async def test_a_turn_that_is_cancelled_before_the_first_word_leaves_no_trace(
    autojump_clock: MockClock, begun: tuple[bytes, ...]
) -> None:
    async with open_house(Body(*begun, 60.0)) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        await wait_all_tasks_blocked(0.01)
        ref.tell(CancelTurn())
        assert (await listener.ended()).stop is StopReason.CANCELLED
        assert await said(ref) == []


async def test_a_cancel_with_a_number_ends_no_other_turn(autojump_clock: MockClock) -> None:
    async with open_house(sse("a"), Body(*LONG)) as house:
        ref, listener = await attached(house)
        for turn in (1, 2):
            await ref.ask(prompt())
            if turn == 1:
                await listener.ended(1)
        ref.tell(CancelTurn(1))
        assert (await listener.ended(2)).stop is StopReason.END_TURN


async def test_a_cancel_without_a_turn_does_nothing(autojump_clock: MockClock) -> None:
    async with open_house(sse("a")) as house:
        ref, listener = await attached(house)
        ref.tell(CancelTurn())
        await ref.ask(prompt())
        assert (await listener.ended()).stop is StopReason.END_TURN


async def test_a_call_of_a_tool_that_nobody_runs_is_not_repeated_to_the_provider(
    autojump_clock: MockClock,
) -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "clock", "arguments": "{}"}}
    answer = Body(ROLE, delta("let me see"), frame({"tool_calls": [call]}, "tool_calls"), DONE)
    async with open_house(answer, sse("fine")) as house:
        ref, listener = await attached(house)
        for turn in (1, 2):
            await ref.ask(prompt("time?"))
            await listener.ended(turn)

    body = orjson.loads(house.answers.requests[1].content)
    assert body["messages"][2] == {"role": "assistant", "content": "let me see"}


# Failures.


async def test_a_failed_turn_is_told_in_plain_words_and_leaves_no_trace(
    autojump_clock: MockClock,
) -> None:
    refusal = httpx.Response(401, json={"error": {"message": "key abc of account 7 is bad"}})
    async with open_house(refusal, sse("fine")) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("first"))
        end = await listener.ended(1)
        assert end.stop is StopReason.ERROR
        assert end.error == (
            "the provider refused the API key; check api_keys of this provider (fake: auth)"
        )
        assert not end.retryable

        await ref.ask(prompt("second"))
        await listener.ended(2)
        assert await said(ref) == [("user", "second"), ("assistant", "fine")]


async def test_a_turn_that_fails_in_the_middle_keeps_what_was_said(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(ROLE, delta("once "), CUT)) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("tell"))
        end = await listener.ended(1)

        assert (end.stop, end.retryable) == (StopReason.ERROR, True)
        assert "what you have seen of the answer is kept" in end.error
        assert await said(ref) == [("user", "tell"), ("assistant", "once ")]


async def test_a_provider_that_is_gone_is_told_in_words(autojump_clock: MockClock) -> None:
    async with open_house(*[httpx.ConnectError("refused")] * 3) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        end = await listener.ended(1)

    assert "cannot be reached" in end.error
    assert end.retryable


async def test_a_fault_in_a_turn_is_told_and_ends_this_session_only(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        monkeypatch.undo()
        raise KeyError("a bug in a turn")

    async with open_house(sse("a"), sse("b")) as house:
        ref, listener = await attached(house)
        other, bystander = await attached(house)
        monkeypatch.setattr(turn, "log_answer", faulty)
        await ref.ask(prompt())
        end = await listener.ended()
        await wait_all_tasks_blocked()

        assert end.stop is StopReason.ERROR
        assert end.error == "a fault in the session; the server's log has it"
        with pytest.raises(ActorDown):
            await ref.ask(prompt())
        await other.ask(prompt())
        assert (await bystander.ended()).stop is StopReason.END_TURN


async def test_the_end_of_the_program_ends_a_turn_in_order(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        await listener.hears(2)

    assert (await listener.ended()).stop is StopReason.CANCELLED
    assert trio.current_time() < 1


async def test_a_prompt_that_is_overtaken_by_the_end_is_still_told_ended(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, listener = await attached(house)
        ref.tell(prompt())
        house.system.stop()

    assert kinds(listener.events) == ["TurnStarted", "TurnEnded"]


async def test_a_turn_is_logged_without_what_was_said(autojump_clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_house(Body(ROLE, delta("secret"), FINISH, USAGE, DONE)) as house:
            ref, listener = await attached(house)
            await ref.ask(prompt("private"))
            await listener.ended()

    (line,) = [line for line in logs if line["event"] == "turn answered"]
    assert (line["prompt_tokens"], line["completion_tokens"], line["finish"]) == (7, 2, "stop")
    assert "secret" not in str(logs)
    assert "private" not in str(logs)
