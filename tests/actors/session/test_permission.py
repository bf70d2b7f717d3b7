"""Tools that are not run before somebody agrees to it. In virtual time."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.acting import Bench, answer, calling, wants
from tests.fakes.house import House, Listener, open_house
from trouper.actors.chat import TextPart
from trouper.actors.session.events import (
    PermissionAsked,
    PermissionSettled,
    SessionEvent,
    ToolEnded,
)
from trouper.actors.session.messages import Attach, CancelTurn, Permit, Prompt, SessionMessage
from trouper.runtime import Ref


def prompt(text: str = "do it") -> Prompt:
    return Prompt((TextPart(text),))


async def attached(house: House) -> tuple[Ref[SessionMessage], Listener]:
    ref, listener = await house.open(), Listener()
    await ref.ask(Attach(listener))
    return ref, listener


def kinds(events: list[SessionEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def ended(listener: Listener) -> list[tuple[str, str, bool]]:
    """The tools that have ended: their calls, results, and whether these are errors."""
    ends = [event for event in listener.events if isinstance(event, ToolEnded)]
    return [(event.call_id, event.result, event.is_error) for event in ends]


async def asked(house: House) -> tuple[Ref[SessionMessage], Listener, PermissionAsked]:
    """A session whose tool waits for leave."""
    ref, listener = await attached(house)
    await ref.ask(prompt())
    await wait_all_tasks_blocked(0.01)
    last = listener.events[-1]
    assert isinstance(last, PermissionAsked)
    return ref, listener, last


@pytest.mark.parametrize("granted", [True, False])
async def test_a_tool_that_needs_leave_waits_for_the_first_who_answers(
    autojump_clock: MockClock, granted: bool
) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"))
    async with open_house(call, answer("Ok."), tools=bench.tools(approval="always")) as house:
        ref, listener, waits = await asked(house)
        other = Listener()
        await ref.ask(Attach(other, after=0))
        assert bench.ran == []
        first = await ref.ask(Permit(waits.call_id, granted))
        second = await ref.ask(Permit(waits.call_id, not granted))
        await listener.ended()
        late = await ref.ask(Permit(waits.call_id, True))

    assert (waits.name, waits.arguments) == ("work", '{"name":"it"}')
    assert (first, second, late) == (True, False, False)
    assert bench.ran == (["it"] if granted else [])
    settled = [event for event in listener.events if isinstance(event, PermissionSettled)]
    assert [event.granted for event in settled] == [granted]
    [(_, text, is_error)] = ended(listener)
    assert is_error is not granted
    assert granted or text == "work was not run: the user did not agree to this call"
    assert other.events == listener.events


async def test_nobody_who_answers_is_no_leave(autojump_clock: MockClock) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"))
    async with open_house(
        call, answer("Ok."), tools=bench.tools(approval="always"), approval_seconds=30.0
    ) as house:
        _, listener, _ = await asked(house)
        await listener.ended()

    assert trio.current_time() == pytest.approx(30.0, abs=0.5)
    assert bench.ran == []
    assert [type(event) for event in listener.events[-4:-2]] == [PermissionSettled, ToolEnded]


async def test_a_cancel_is_no_leave(autojump_clock: MockClock) -> None:
    bench = Bench()
    call = calling(wants("work", name="it"))
    async with open_house(call, tools=bench.tools(approval="always")) as house:
        ref, listener, _ = await asked(house)
        ref.tell(CancelTurn())
        await listener.ended()

    assert bench.ran == []
    assert kinds(listener.events[-3:]) == ["PermissionSettled", "ToolEnded", "TurnEnded"]
    assert ended(listener)[0][1] == "work was not run: the turn was cancelled"
