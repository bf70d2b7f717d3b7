"""A session that acts and is kept: no tool is run twice, and whoever comes back after a restart
gets the rest of what it has seen. In virtual time, with a journal that outlives the house."""

from itertools import pairwise

import orjson
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.acting import Bench, answer, calling, wants
from tests.fakes.history import history_of
from tests.fakes.house import House, Listener, open_house
from tests.fakes.journals import Failing
from tests.fakes.memory_journal import MemoryJournal
from trouper.actors.chat import TextPart
from trouper.actors.session.events import (
    PermissionAsked,
    SessionEvent,
    StopReason,
    TextAdded,
    ToolEnded,
    TurnEnded,
)
from trouper.actors.session.export import stored_state
from trouper.actors.session.messages import (
    Attach,
    CancelTurn,
    Permit,
    Prompt,
    SessionMessage,
)
from trouper.actors.session.record import MOST_IN_A_TURN
from trouper.actors.session.state import State
from trouper.actors.store.errors import StoreUnusable, WriteFailed
from trouper.runtime import Ref


def prompt(text: str = "do it") -> Prompt:
    return Prompt((TextPart(text),))


async def begun(house: House, after: int | None = None) -> Listener:
    """A turn of session "s"."""
    ref, listener = await house.open(id="s"), Listener()
    await ref.ask(Attach(listener, after=after))
    await ref.ask(prompt())
    return listener


async def back(house: House, after: int) -> Listener:
    """Somebody who has seen all events up to that number."""
    ref, listener = await house.directory.reach("s", owner="me"), Listener()
    await ref.ask(Attach(listener, after=after))
    return listener


async def state_of(journal: MemoryJournal) -> State:
    return stored_state("s", None, await journal.read("s", limit=10_000))


async def kinds_of(journal: MemoryJournal) -> list[str]:
    return [event.kind for event in await journal.read("s", limit=10_000)]


def gapless(events: list[SessionEvent]) -> bool:
    return all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


class Dying(MemoryJournal):
    """A journal of a program that dies: from then on nothing is written any more."""

    dead = False

    async def append(self, *args: object, **more: object) -> int:
        if self.dead:
            raise StoreUnusable("f", "the program is dead")
        return await super().append(*args, **more)  # type: ignore[arg-type]


# What is written down, and when.


async def test_what_a_tool_was_told_and_gave_is_written_down(autojump_clock: MockClock) -> None:
    journal, bench = MemoryJournal(), Bench()
    call = calling(wants("work", name="it"), tokens=(10, 2))
    async with open_house(call, answer("Done."), tools=bench.tools(), journal=journal) as house:
        await (await begun(house)).ended()

    assert await kinds_of(journal) == [
        "opened",
        "turn",
        "answer",
        "tool",
        "result",
        "answer",
        "end",
    ]
    [past] = (await state_of(journal)).turns
    assert [result.content for result in past.results] == ["it is done"]
    assert len(past.said) == 2
    assert (past.stop, past.intended) == ("end_turn", ())


async def test_a_tool_runs_when_its_intent_is_durable_and_its_end_is_told_when_that_is(
    autojump_clock: MockClock,
) -> None:
    class Slow(MemoryJournal):
        async def append(self, *args: object, **more: object) -> int:
            await trio.sleep(1)
            return await super().append(*args, **more)  # type: ignore[arg-type]

    journal, bench = Slow(), Bench()
    call = calling(wants("work", name="it"))
    async with open_house(call, answer("Done."), tools=bench.tools(), journal=journal) as house:
        listener = await begun(house)
        await bench.begun.wait()
        before_run = await kinds_of(journal)
        await wait_all_tasks_blocked()
        told_before = [event for event in listener.events if isinstance(event, ToolEnded)]
        await listener.ended()

    assert before_run == ["opened", "turn", "answer", "tool"]
    assert bench.ended == ["it"]
    assert told_before == []
    assert gapless(listener.events)


async def test_tools_of_one_answer_are_written_down_together(autojump_clock: MockClock) -> None:
    class Counting(MemoryJournal):
        appends = 0

        async def append(self, *args: object, **more: object) -> int:
            self.appends += 1
            await trio.sleep(0.01)
            return await super().append(*args, **more)  # type: ignore[arg-type]

    journal, bench = Counting(), Bench()
    call = calling(*(wants("work", id=f"c{n}", name=f"w{n}") for n in range(40)))
    async with open_house(call, answer("Done."), tools=bench.tools(), journal=journal) as house:
        await (await begun(house)).ended()

    assert (await kinds_of(journal)).count("result") == 40
    assert journal.appends < 12


async def test_a_tool_whose_intent_cannot_be_written_down_is_not_run(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, None, None, *[WriteFailed("f", "full")] * 100)
    bench = Bench()
    call = calling(wants("work", name="it"))
    async with open_house(call, answer("fine"), tools=bench.tools(), journal=journal) as house:
        listener = await begun(house)
        end = await listener.ended()
        journal.errors.clear()
        ref = await house.directory.reach("s", owner="me")
        await ref.ask(prompt("again"))
        await listener.ended(2)

    assert bench.ran == []
    assert (end.stop, end.retryable) == (StopReason.ERROR, True)
    assert "not kept" in end.error
    state = await state_of(journal)
    assert [past.stop for past in state.turns] == ["interrupted", "end_turn"]
    assert gapless(listener.events)


async def test_a_cancelled_turn_writes_down_what_is_not_known(autojump_clock: MockClock) -> None:
    journal, bench = MemoryJournal(), Bench()
    call = calling(wants("work", name="it", seconds=60.0))
    async with open_house(call, tools=bench.tools(), journal=journal) as house:
        listener = await begun(house)
        await wait_all_tasks_blocked(0.01)
        (await house.directory.reach("s", owner="me")).tell(CancelTurn())
        await listener.ended()
    async with open_house(tools=bench.tools(), journal=journal) as house:
        again = await back(house, 0)
        ref = await house.directory.reach("s", owner="me")
        history = await history_of(ref)

    assert again.events == listener.events
    assert [message.role for message in history] == ["user", "assistant", "tool"]
    [result] = history[-1].parts
    assert "whether it has done its work is not known" in result.content  # type: ignore[union-attr]
    assert bench.ran == ["it"]


# The next run of the program.


async def test_a_tool_that_was_under_way_in_a_crash_is_not_run_again_and_told_as_unknown(
    autojump_clock: MockClock,
) -> None:
    journal, bench = Dying(), Bench()
    call = calling(
        wants("work", id="c1", name="a", seconds=60.0),
        wants("look", id="c2", name="b", seconds=60.0),
        wants("work", id="c3", name="c"),
    )
    async with open_house(call, tools=bench.tools(), journal=journal) as house:
        listener = await begun(house)
        await wait_all_tasks_blocked(0.01)
        seen = listener.events[-1].seq
        journal.dead = True
    journal.dead = False
    ran = list(bench.ran)

    async with open_house(answer("Hm."), tools=bench.tools(), journal=journal) as house:
        again = await back(house, seen)
        ref = await house.directory.reach("s", owner="me")
        await ref.ask(prompt("and?"))
        await again.ended(2)
        body = orjson.loads(house.answers.requests[0].content)
    async with open_house(journal=journal) as house:
        third = await back(house, seen)

    assert bench.ran == ran
    told = {e.call_id: e.result for e in again.events if isinstance(e, ToolEnded)}
    assert set(told) == {"c1", "c2"}
    assert "whether it has done its work is not known" in told["c1"]
    assert "may be called again: that does no harm" in told["c2"]
    results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    assert results == [told["c1"], told["c2"], "c is done"]
    ends = [event for event in again.events if isinstance(event, TurnEnded)]
    assert [end.stop for end in ends] == [StopReason.ERROR, StopReason.END_TURN]
    assert ends[0].seq >= seen + MOST_IN_A_TURN - 20
    assert again.events[0].first == seen + 1
    assert gapless(again.events)
    # What is told again in the third run is what was told in the second.
    assert third.events == again.events


def whole(events: list[SessionEvent]) -> list[object]:
    """What was told, however it was cut: texts as one, and the rest without what was only told
    while it lasted."""
    told: list[object] = []
    for event in events:
        name = type(event).__name__
        if name in ("ToolProgressed", "PermissionAsked", "PermissionSettled"):
            continue
        if isinstance(event, TextAdded) and told and isinstance(told[-1], str):
            told[-1] += event.text
        else:
            told.append(event.text if isinstance(event, TextAdded) else (name, event.seq))
    return told


class Agreeing(Listener):
    """An attachment that agrees to everything."""

    ref: Ref[SessionMessage]

    def deliver(self, event: SessionEvent) -> None:
        super().deliver(event)
        if isinstance(event, PermissionAsked):
            self.ref.tell(Permit(event.call_id, True))


@pytest.mark.parametrize("seen", range(17))
async def test_who_comes_back_after_a_restart_gets_the_rest_of_tools_too(
    autojump_clock: MockClock, seen: int
) -> None:
    journal, bench = MemoryJournal(), Bench()
    first = calling(
        wants("work", id="c1", name="a", seconds=3.0),
        wants("report", id="c2"),
        text="I will. ",
        tokens=(10, 2),
    )
    second = calling(wants("work", id="c3", name="b"))
    replies = (first, second, answer("Do", "ne.", tokens=(20, 3)))
    async with open_house(*replies, tools=bench.tools(approval="always"), journal=journal) as house:
        ref, listener = await house.open(id="s"), Agreeing()
        listener.ref = ref
        await ref.ask(Attach(listener))
        await ref.ask(prompt())
        await listener.ended()
    async with open_house(journal=journal) as house:
        again = await back(house, seen)

    before = listener.events
    assert gapless(before)
    assert [type(event).__name__ for event in before].count("ToolProgressed") == 2
    assert len(before) >= 16
    assert again.events[0].first == seen + 1
    assert gapless(again.events)
    assert again.events[-1].seq == before[-1].seq
    assert whole(again.events) == whole(before[seen:])


async def test_who_comes_back_while_a_tool_runs_gets_the_rest_and_then_what_comes(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    call = calling(wants("report", times=4), text="I will. ")
    async with open_house(call, answer("Done."), tools=bench.tools()) as house:
        listener = await begun(house)
        await trio.sleep(1.5)
        again = await back(house, 2)
        await listener.ended()

    assert again.events == listener.events[2:]
