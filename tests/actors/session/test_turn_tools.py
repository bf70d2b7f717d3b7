"""A session that acts: its models call tools, whose results they read, until they answer in words.
In virtual time."""

from itertools import pairwise
from typing import Any

import orjson
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.acting import Bench, answer, calling, wants
from tests.fakes.history import history_of
from tests.fakes.house import House, Listener, open_house
from tests.fakes.provider import DONE, ROLE, Body, delta, frame
from trouper.actors.chat import TextPart, Usage
from trouper.actors.errors import TurnFailed
from trouper.actors.session import turn as turn_module
from trouper.actors.session.events import (
    SessionEvent,
    StopReason,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
    UsageChanged,
)
from trouper.actors.session.messages import (
    Attach,
    CancelTurn,
    GetTranscript,
    Prompt,
    SessionMessage,
)
from trouper.runtime import Ref


def prompt(text: str = "do it") -> Prompt:
    return Prompt((TextPart(text),))


async def attached(house: House) -> tuple[Ref[SessionMessage], Listener]:
    ref, listener = await house.open(), Listener()
    await ref.ask(Attach(listener))
    return ref, listener


async def turn(house: House) -> Listener:
    """One turn, to its end."""
    ref, listener = await attached(house)
    await ref.ask(prompt())
    await listener.ended()
    return listener


def kinds(events: list[SessionEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def ended(listener: Listener) -> list[tuple[str, str, bool]]:
    """The tools that have ended: their calls, results, and whether these are errors."""
    ends = [event for event in listener.events if isinstance(event, ToolEnded)]
    return [(event.call_id, event.result, event.is_error) for event in ends]


def sent(house: House, number: int = -1) -> Any:
    return orjson.loads(house.answers.requests[number].content)


# The loop.


async def test_an_answer_that_calls_tools_without_end_fails_its_turn_and_not_the_program(
    autojump_clock: MockClock,
) -> None:
    # The bug: the time that an answer took grew with the square of its calls.
    bench = Bench()
    call = calling(*(wants("work", id=f"c{n}", name="it") for n in range(1_001)), text="I will. ")
    async with open_house(call, answer("done"), tools=bench.tools()) as house:
        session = await house.handle()
        with pytest.raises(TurnFailed, match="garbled; ask again"):
            await session.ask("do it")

        assert await session.ask("and now?") == "done"
        first, _ = (await session.transcript()).state.turns

    assert [message.text for message in first.said] == ["I will. "]
    assert bench.ran == []


async def test_a_model_calls_a_tool_reads_its_result_and_answers(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"), text="I will. ", tokens=(10, 5))
    async with open_house(call, answer("Done."), tools=bench.tools()) as house:
        listener = await turn(house)

    assert kinds(listener.events) == [
        "TurnStarted",
        "TextAdded",
        "UsageChanged",
        "ToolCalled",
        "ToolEnded",
        "TextAdded",
        "TurnEnded",
    ]
    called, end = listener.events[3], listener.events[4]
    assert isinstance(called, ToolCalled)
    assert isinstance(end, ToolEnded)
    assert (called.call_id, called.name, called.arguments) == ("c1", "work", '{"name":"it"}')
    assert (end.name, end.result, end.is_error) == ("work", "it is done", False)
    assert all(b.first == a.seq + 1 for a, b in pairwise(listener.events))
    assert [message["role"] for message in sent(house)["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    assert sent(house)["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "it is done",
    }
    offered = [one["function"]["name"] for one in sent(house, 0)["tools"]]
    assert offered == ["work", "report", "look"]


async def test_calls_of_one_answer_run_side_by_side_and_their_results_stand_in_their_order(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    calls = [wants("work", id=f"c{n}", name=f"w{n}", seconds=10.0 - n) for n in range(3)]
    async with open_house(calling(*calls), answer("Done."), tools=bench.tools()) as house:
        began = trio.current_time()
        listener = await turn(house)
        took = trio.current_time() - began
        ref = await house.open(id="other")
        assert await history_of(ref) == ()

    assert took == pytest.approx(10.0)
    assert [id for id, _, _ in ended(listener)] == ["c2", "c1", "c0"]
    results = [m["content"] for m in sent(house)["messages"] if m["role"] == "tool"]
    assert results == ["w0 is done", "w1 is done", "w2 is done"]


async def test_the_next_turn_has_the_tools_of_the_one_before(autojump_clock: MockClock) -> None:
    bench = Bench()
    replies = (calling(wants("work", name="it")), answer("Done."), answer("Yes."))
    async with open_house(*replies, tools=bench.tools()) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("one"))
        await listener.ended(1)
        await ref.ask(prompt("two"))
        await listener.ended(2)
        history = await history_of(ref)

    roles = [message["role"] for message in sent(house)["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert [message.role for message in history] == [*roles[1:], "assistant"]


async def test_what_goes_wrong_with_a_tool_is_its_result_and_the_turn_goes_on(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    calls = calling(
        wants("work", id="c1", name="a", fails=True),
        wants("work", id="c2", nme="b"),
        wants("wrk", id="c3"),
        wants("work", id="c4", name="d", seconds=10_000.0),
    )
    async with open_house(calls, answer("I see."), tools=bench.tools()) as house:
        listener = await turn(house)

    results = {id: text for id, text, is_error in ended(listener) if is_error}
    assert results["c1"] == "work failed: ValueError: it broke"
    assert "name is required and missing" in results["c2"]
    assert "there is no tool 'wrk'" in results["c3"]
    assert results["c4"] == "work gave no result within 600 s"
    assert (await listener.ended()).stop is StopReason.END_TURN
    assert listener.text == "I see."


async def test_a_turn_has_a_limit_of_rounds_and_says_so(autojump_clock: MockClock) -> None:
    bench = Bench()
    again = [calling(wants("work", name=f"round {n}")) for n in range(3)]
    async with open_house(*again, answer("fine"), tools=bench.tools(), max_tool_rounds=2) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        end = await listener.ended()
        await ref.ask(prompt("go on"))
        await listener.ended(2)

    assert end.stop is StopReason.MAX_TURN_REQUESTS
    assert end.error == (
        "the model has asked for tools 3 times, and 2 is as often as it may in one turn; "
        "ask it to go on, or for less at once"
    )
    assert bench.ran == ["round 0", "round 1"]
    assert ended(listener)[-1][1] == "work was not run: the turn had to end before"
    # Each call has its result, so the conversation goes on.
    assert [m["role"] for m in sent(house)["messages"]].count("tool") == 3


async def test_an_assistant_without_tools_offers_none_and_runs_none(
    autojump_clock: MockClock,
) -> None:
    async with open_house(calling(wants("work", name="it"), text="I will.")) as house:
        listener = await turn(house)

    assert "tools" not in sent(house)
    assert kinds(listener.events) == ["TurnStarted", "TextAdded", "TurnEnded"]


async def test_a_call_that_was_cut_off_by_the_limit_of_the_answer_is_not_run(
    autojump_clock: MockClock,
) -> None:
    begun = {"index": 0, "id": "c1", "function": {"name": "work", "arguments": '{"na'}}
    cut = Body(ROLE, delta("I"), frame({"tool_calls": [begun]}), frame({}, "length"), DONE)
    bench = Bench()
    async with open_house(cut, tools=bench.tools()) as house:
        listener = await turn(house)

    assert (await listener.ended()).stop is StopReason.MAX_TOKENS
    assert bench.ran == []
    assert "ToolCalled" not in kinds(listener.events)


async def test_calls_of_one_id_are_told_apart(autojump_clock: MockClock) -> None:
    bench = Bench()
    rounds = [
        calling(wants("work", id="c", name="a"), wants("work", id="c", name="b")),
        calling(wants("work", id="c", name="c"), wants("work", id="", name="d")),
    ]
    async with open_house(*rounds, answer("Done."), tools=bench.tools()) as house:
        listener = await turn(house)

    ids = [id for id, _, _ in ended(listener)]
    assert len(set(ids)) == 4
    told = {m["tool_call_id"]: m["content"] for m in sent(house)["messages"] if m["role"] == "tool"}
    assert sorted(told.values()) == [f"{name} is done" for name in "abcd"]
    assert set(told) == set(ids)


async def test_tools_that_give_more_than_a_conversation_may_have_end_the_turn(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As results of four million letters would.
    monkeypatch.setattr(turn_module, "MAX_HISTORY", 200)
    bench = Bench()
    call = calling(wants("work", name="x" * 200))
    async with open_house(call, tools=bench.tools()) as house:
        listener = await turn(house)

    end = await listener.ended()
    assert end.stop is StopReason.ERROR
    assert end.error == (
        "the tools of this turn have given more than a conversation may have; ask for less at once"
    )


# A turn that is cancelled.


async def test_a_cancelled_turn_cancels_its_tools_and_says_what_is_not_known(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    calls = calling(
        wants("work", id="c1", name="a", seconds=60.0),
        wants("look", id="c2", name="b", seconds=60.0),
        wants("work", id="c3", name="c"),
    )
    async with open_house(calls, answer("Well."), tools=bench.tools()) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        await wait_all_tasks_blocked(0.01)
        ref.tell(CancelTurn())
        end = await listener.ended()
        took = trio.current_time()
        await ref.ask(prompt("and?"))
        await listener.ended(2)

    assert (end.stop, end.error) == (StopReason.CANCELLED, "")
    assert took < 1
    assert bench.ended == ["c"]
    results = {id: (text, is_error) for id, text, is_error in ended(listener)}
    assert results["c3"] == ("c is done", False)
    text, is_error = results["c1"]
    assert is_error
    assert text == (
        "work was broken off (the turn was cancelled); whether it has done its work is not "
        "known. Look before you call it again"
    )
    assert "may be called again" in results["c2"][0]
    assert [m["role"] for m in sent(house)["messages"]].count("tool") == 3


# What is told meanwhile.


async def test_how_far_a_tool_is_comes_to_those_who_listen(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with open_house(calling(wants("report")), answer("Ok."), tools=bench.tools()) as house:
        listener = await turn(house)

    steps = [event for event in listener.events if isinstance(event, ToolProgressed)]
    assert [(one.call_id, one.note, one.done) for one in steps] == [
        ("c1", "step 1", 0.5),
        ("c1", "step 2", 1.0),
    ]
    [context] = bench.seen
    assert (context.principal, context.tool) == ("me", "report")
    assert context.session.startswith("sess_")


async def test_a_tool_that_reports_all_the_time_is_heard_ten_times_a_second(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    call = calling(wants("report", times=1_000, between=0.01))
    async with open_house(call, answer("Ok."), tools=bench.tools()) as house:
        listener = await turn(house)

    assert 80 <= kinds(listener.events).count("ToolProgressed") <= 101


async def test_what_a_turn_takes_is_told_after_each_answer(autojump_clock: MockClock) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"), tokens=(100, 20))
    async with open_house(call, answer("Ok.", tokens=(150, 5)), tools=bench.tools()) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt())
        await listener.ended()
        whole = await ref.ask(GetTranscript())

    told = [event for event in listener.events if isinstance(event, UsageChanged)]
    assert [one.usage for one in told] == [
        Usage(input=100, output=20),
        Usage(input=250, output=25),
    ]
    assert [one.context for one in told] == [120, 155]
    # Nobody knows what a fake provider costs, nor its window.
    assert [(one.cost, one.window) for one in told] == [(None, None)] * 2
    assert whole.state.usage == Usage(input=250, output=25)
    assert (whole.seq, whole.running) == (listener.events[-1].seq, None)


async def test_a_transcript_has_the_turn_under_way_as_far_as_it_is_written_down(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    call = calling(wants("work", name="it", seconds=60.0))
    async with open_house(call, answer("Ok."), tools=bench.tools()) as house:
        ref, listener = await attached(house)
        await ref.ask(prompt("do"))
        await wait_all_tasks_blocked(0.01)
        during = await ref.ask(GetTranscript())
        await listener.ended()
        after = await ref.ask(GetTranscript())

    [past] = during.state.turns
    assert (during.running, past.stop, past.asked.text) == (1, "", "do")
    assert [one.call.id for one in past.intended] == ["c1"]
    [past] = after.state.turns
    assert [result.content for result in past.results] == ["it is done"]
    assert (past.intended, past.stop) == ((), "end_turn")
    assert after.state.title == "do"


async def test_a_reader_gets_the_tools_between_the_texts(autojump_clock: MockClock) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"), text="I will. ")
    async with open_house(call, answer("Done."), tools=bench.tools()) as house:
        session = await house.handle()
        async with session.prompt("do it") as reading:
            events = [event async for event in reading]
        assert kinds(list(events)) == ["TextAdded", "ToolCalled", "ToolEnded", "TextAdded"]
