"""Faults in a session: who is told what of a turn that a crash ends, or that a listener fails in."""

from itertools import pairwise

import orjson
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.acting import Bench, answer, calling, wants
from tests.fakes.house import House, Listener, open_house
from tests.fakes.journals import Failing
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.chat import TextPart
from trouper.actors.errors import TurnFailed
from trouper.actors.session import turn
from trouper.actors.session.events import SessionEvent, StopReason, ToolEnded, TurnEnded
from trouper.actors.session.export import stored_state
from trouper.actors.session.messages import (
    Attach,
    CancelTurn,
    GetTranscript,
    Prompt,
    Retitle,
    SessionMessage,
)
from trouper.actors.session.state import PastTurn
from trouper.runtime import ActorCrashed, ActorDown, Ref

LONG = (ROLE, delta("once "), delta("upon "), 60.0, delta("a time"), FINISH, DONE)
INTERRUPTED = "the session was interrupted during this turn; ask again"


async def talking(house: House) -> tuple[Ref[SessionMessage], Listener]:
    """A session in the middle of a turn."""
    ref, listener = await house.open(id="s"), Listener()
    await ref.ask(Attach(listener))
    await ref.ask(Prompt((TextPart("tell"),)))
    await listener.hears(2)
    return ref, listener


async def crash(ref: Ref[SessionMessage]) -> None:
    """A handler that has nothing to do with the turn crashes."""
    with pytest.raises(ActorCrashed):
        await ref.ask(Retitle(None))  # type: ignore[arg-type]


async def past(journal: MemoryJournal) -> PastTurn:
    return stored_state("s", None, await journal.read("s", limit=1_000)).turns[0]


def how(end: TurnEnded) -> tuple[StopReason, str, bool]:
    return end.stop, end.error, end.retryable


async def test_a_crash_elsewhere_in_the_session_is_told_as_an_error_and_not_as_a_cancel(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, listener = await talking(house)
        await crash(ref)
        end = await listener.ended()

        assert how(end) == (StopReason.ERROR, INTERRUPTED, True)
        with pytest.raises(ActorDown):
            await ref.ask(GetTranscript())
    assert trio.current_time() < 1


async def test_half_an_answer_is_no_success_to_who_asked_for_it(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        session = await house.handle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_crash_soon, house)
            with pytest.raises(TurnFailed, match=INTERRUPTED) as caught:
                await session.ask("tell")
    assert caught.value.retryable
    assert trio.current_time() < 2


async def _crash_soon(house: House) -> None:
    await trio.sleep(1)
    await crash(house.directory.find("s", owner="me"))


async def test_the_journal_blames_nobody_for_a_crash_and_the_model_reads_what_it_had_said(
    autojump_clock: MockClock,
) -> None:
    journal = MemoryJournal()
    async with open_house(Body(*LONG), sse("fine"), journal=journal) as house:
        ref, listener = await talking(house)
        await crash(ref)
        await listener.ended()
        assert await ref.ask(Prompt((TextPart("go on"),))) == 2
        await listener.ended(2)
        sent = orjson.loads(house.answers.requests[-1].content)["messages"]

    ends = [event for event in listener.events if isinstance(event, TurnEnded)]
    assert [how(end) for end in ends] == [
        (StopReason.ERROR, INTERRUPTED, True),
        (StopReason.END_TURN, "", False),
    ]
    kept = await past(journal)
    assert (kept.stop, kept.error) == ("error", INTERRUPTED)
    assert [one["content"] for one in sent[1:]] == ["tell", "once upon ", "go on"]


async def test_a_tool_that_a_crash_breaks_off_is_told_so(autojump_clock: MockClock) -> None:
    bench, journal = Bench(), MemoryJournal()
    calls = calling(wants("work", name="a", seconds=60))
    async with open_house(calls, answer("Well."), tools=bench.tools(), journal=journal) as house:
        ref, listener = await talking(house)
        await bench.begun.wait()
        await crash(ref)
        await listener.ended()
        await ref.ask(Prompt((TextPart("and?"),)))
        await listener.ended(2)
        sent = orjson.loads(house.answers.requests[-1].content)["messages"]

    [result] = [event.result for event in listener.events if isinstance(event, ToolEnded)]
    assert result.startswith("work was broken off (the session was interrupted); whether it has")
    assert [one["content"] for one in sent if one["role"] == "tool"] == [result]


async def test_a_turn_that_somebody_has_cancelled_is_told_so_whatever_else_happens(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG)) as house:
        ref, listener = await talking(house)
        ref.tell(CancelTurn())
        await crash(ref)
        assert (await listener.ended()).stop is StopReason.CANCELLED


async def test_a_session_that_is_ended_in_order_has_its_turn_cancelled(
    autojump_clock: MockClock,
) -> None:
    journal = MemoryJournal()
    async with open_house(Body(*LONG), journal=journal) as house:
        _, listener = await talking(house)
        await house.stop("s")
        assert (await listener.ended()).stop is StopReason.CANCELLED
    assert (await past(journal)).stop == "cancelled"


async def test_a_faulty_listener_ends_no_reader_of_the_same_session(
    autojump_clock: MockClock,
) -> None:
    class Bug(Listener):
        def deliver(self, event: SessionEvent) -> None:
            if isinstance(event, TurnEnded):
                raise KeyError("a bug in a listener, where it would hang who is told behind it")

    async with open_house(sse("fine")) as house:
        session = await house.handle()
        await house.directory.find("s", owner="me").ask(Attach(Bug()))
        with trio.fail_after(1):
            assert await session.ask("tell") == "fine"


async def test_an_end_that_cannot_be_put_together_is_told_all_the_same(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("a bug in what is written down")

    monkeypatch.setattr(turn, "answer_record", faulty)
    async with open_house(sse("fine")) as house:
        session = await house.handle()
        with trio.fail_after(1), pytest.raises(TurnFailed, match="a fault in the session"):
            await session.ask("tell")


async def test_a_fault_while_the_end_is_written_is_told_once_and_the_next_life_goes_on(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, None, None, None, KeyError("a bug in the journal"))
    bench = Bench()
    calls = calling(wants("work", name="a", seconds=60))
    async with open_house(calls, answer("Well."), tools=bench.tools(), journal=journal) as house:
        ref, listener = await talking(house)
        await bench.begun.wait()
        ref.tell(CancelTurn())
        with trio.fail_after(1):
            end = await listener.ended()
        assert await ref.ask(Prompt((TextPart("and?"),))) == 2
        await listener.ended(2)

    assert end.error == "a fault in the session; the server's log has it"
    tools = [event.call_id for event in listener.events if isinstance(event, ToolEnded)]
    assert tools[0] == "c1"
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(listener.events))
