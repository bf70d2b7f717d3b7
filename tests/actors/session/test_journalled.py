"""A conversation that is kept: what was acknowledged is there after whatever happens. In virtual
time, with a journal that outlives the house."""

from itertools import pairwise

import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.house import House, Listener, open_house, said
from tests.fakes.journals import Failing, all_sessions
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.chat import TextPart, Usage
from trouper.actors.errors import EventsGone, NotKept
from trouper.actors.session.events import SessionEvent, StopReason, TextAdded, TurnEnded
from trouper.actors.session.export import stored_state
from trouper.actors.session.messages import Attach, CancelTurn, Detach, Prompt, Retitle
from trouper.actors.session.record import MOST_IN_A_TURN
from trouper.actors.session.state import State
from trouper.actors.store.errors import StoreUnusable, WriteFailed
from trouper.runtime import ActorCrashed

CUT = httpx.ReadError("reset by peer")
USAGE = b'data: {"id":"r1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
SLOW = (ROLE, delta("once "), delta("upon "), 60.0, delta("a time"), FINISH, DONE)


def prompt(text: str = "hello") -> Prompt:
    return Prompt((TextPart(text),))


async def turn(house: House, text: str = "hello", id: str = "s") -> Listener:
    """One turn of session `id`, to its end."""
    ref, listener = await house.directory.reach(id, owner="me"), Listener()
    await ref.ask(Attach(listener))
    number = await ref.ask(prompt(text))
    await listener.ended(number)
    ref.tell(Detach(listener))
    return listener


async def state_of(journal: MemoryJournal, id: str = "s") -> State:
    return stored_state(id, None, await journal.read(id, limit=10_000))


class Dying(MemoryJournal):
    """A journal of a program that dies: from then on nothing is written any more."""

    dead = False

    async def append(self, *args: object, **more: object) -> int:
        if self.dead:
            raise StoreUnusable("f", "the program is dead")
        return await super().append(*args, **more)  # type: ignore[arg-type]


# What is written down.


async def test_a_turn_is_written_down_as_it_was(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    answer = Body(ROLE, delta("hel"), delta("lo"), FINISH, USAGE, DONE)
    async with open_house(answer, journal=journal) as house:
        await house.open(id="s")
        await turn(house, "  what is\nthis?  ")

    kinds = [event.kind for event in await journal.read("s")]
    assert kinds == ["opened", "turn", "answer", "end"]
    state = await state_of(journal)
    [past] = state.turns
    assert (state.owner, state.assistant) == ("me", "default")
    assert (past.asked.text, past.said[0].text, past.stop) == (
        "  what is\nthis?  ",
        "hello",
        "end_turn",
    )
    assert (past.target, past.usage) == ("fake/fake-1", Usage(input=7, output=2))
    [stored] = await all_sessions(journal)
    assert (stored.title, stored.node) == ("what is this?", "")


async def test_a_turn_is_told_as_accepted_when_it_is_written_and_ended_when_that_is(
    autojump_clock: MockClock,
) -> None:
    class Slow(MemoryJournal):
        async def append(self, *args: object, **more: object) -> int:
            await trio.sleep(1)
            return await super().append(*args, **more)  # type: ignore[arg-type]

    async with open_house(sse("hi"), journal=Slow()) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        began = trio.current_time()
        await ref.ask(prompt())
        accepted = trio.current_time() - began
        await wait_all_tasks_blocked()
        streamed = listener.text
        await listener.ended()

    assert accepted == pytest.approx(1)
    assert streamed == "hi"
    assert trio.current_time() - began >= 2


async def test_a_turn_that_fails_or_is_cancelled_is_written_down_with_its_end(
    autojump_clock: MockClock,
) -> None:
    journal = MemoryJournal()
    async with open_house(Body(ROLE, delta("once "), CUT), Body(*SLOW), journal=journal) as house:
        ref = await house.open(id="s")
        await turn(house, "one")
        await ref.ask(prompt("two"))
        await wait_all_tasks_blocked()
        ref.tell(CancelTurn())
        await wait_all_tasks_blocked()
        history = await said(ref)

    state = await state_of(journal)
    assert [past.stop for past in state.turns] == ["error", "cancelled"]
    assert "what you have seen of the answer is kept" in state.turns[0].error
    assert [past.said[0].text for past in state.turns] == ["once ", "once upon "]
    assert [text for _, text in history] == ["one", "once ", "two", "once upon "]


# The next run of the program.


async def test_a_conversation_goes_on_in_the_next_run(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with open_house(sse("one"), journal=journal) as house:
        await house.open(id="s")
        first = await turn(house, "1")
    async with open_house(sse("two"), journal=journal) as house:
        second = await turn(house, "2")
        history = await said(await house.directory.reach("s", owner="me"))
        body = orjson.loads(house.answers.requests[0].content)

    assert [text for _, text in history] == ["1", "one", "2", "two"]
    assert [message["content"] for message in body["messages"]] == ["be kind", "1", "one", "2"]
    assert [event.turn for event in second.events] == [2] * len(second.events)
    # No number is used twice, and none is left out.
    events = [*first.events, *second.events]
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


async def test_a_turn_that_was_cut_off_by_a_crash_is_marked_and_no_number_comes_again(
    autojump_clock: MockClock,
) -> None:
    journal = Dying()
    async with open_house(sse("one"), Body(*SLOW), journal=journal) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        await ref.ask(prompt("1"))
        await listener.ended()
        await ref.ask(prompt("2"))
        await listener.hears(6)
        seen = listener.events[-1].seq
        journal.dead = True
    journal.dead = False

    async with open_house(sse("three"), journal=journal) as house:
        ref, back = await house.directory.reach("s", owner="me"), Listener()
        await ref.ask(Attach(back, after=seen))
        await ref.ask(prompt("3"))
        await back.ended(3)
        history = await said(ref)

    state = await state_of(journal)
    assert [past.stop for past in state.turns] == ["end_turn", "interrupted", "end_turn"]
    assert state.turns[1].asked.text == "2"
    assert [text for _, text in history] == ["1", "one", "3", "three"]
    end = back.events[0]
    assert isinstance(end, TurnEnded)
    assert (end.first, end.turn, end.stop, end.retryable) == (seen + 1, 2, StopReason.ERROR, True)
    assert end.seq >= seen + MOST_IN_A_TURN - 10
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(back.events))


@pytest.mark.parametrize("seen", range(7))
async def test_who_comes_back_after_a_restart_gets_the_rest_of_what_it_saw(
    autojump_clock: MockClock, seen: int
) -> None:
    journal = MemoryJournal()
    answer = Body(ROLE, delta("a"), 1.0, delta("bc"), 1.0, delta("def"), FINISH, USAGE, DONE)
    async with open_house(answer, journal=journal) as house:
        await house.open(id="s")
        before = (await turn(house)).events
    async with open_house(journal=journal) as house:
        ref, back = await house.directory.reach("s", owner="me"), Listener()
        await ref.ask(Attach(back, after=seen))

    assert [event.seq for event in before] == [1, 2, 3, 4, 5, 6]
    assert whole(back.events) == whole(before[seen:])


def whole(events: list[SessionEvent]) -> tuple[str, list[SessionEvent]]:
    """The text, and what is no text."""
    text = "".join(event.text for event in events if isinstance(event, TextAdded))
    return text, [event for event in events if not isinstance(event, TextAdded)]


async def test_who_saw_what_is_not_at_hand_any_more_is_told_to_load(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("a"), journal=MemoryJournal()) as house:
        ref = await house.open(id="s")
        await turn(house)
        with pytest.raises(EventsGone, match="load the session"):
            await ref.ask(Attach(Listener(), after=99))


async def test_who_comes_back_while_the_turn_streams_gets_the_rest_and_then_what_comes(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*SLOW)) as house:
        ref, first, second = await house.open(id="s"), Listener(), Listener()
        await ref.ask(Attach(first))
        await ref.ask(prompt())
        await first.hears(2)
        ref.tell(Detach(first))
        await trio.sleep(1)
        await ref.ask(Attach(second, after=first.events[-1].seq))
        await second.ended()

    events = [*first.events, *second.events]
    assert whole(events)[0] == "once upon a time"
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))


# A session that crashes.


async def test_a_session_that_crashes_goes_on_before_the_same_audience(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*SLOW), sse("b"), journal=MemoryJournal()) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        await ref.ask(prompt("1"))
        await listener.hears(2)
        with pytest.raises(ActorCrashed):
            await ref.ask(Retitle(None))  # type: ignore[arg-type]
        end = await listener.ended(1)
        number = await ref.ask(prompt("2"))
        last = await listener.ended(2)
        history = await said(ref)

    assert end.error == "the session was interrupted during this turn; ask again"
    assert (number, last.stop) == (2, StopReason.END_TURN)
    assert [text for _, text in history] == ["1", "once upon ", "2", "b"]
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(listener.events))


# A store that is down.


async def test_what_cannot_be_written_down_is_not_begun(autojump_clock: MockClock) -> None:
    journal = Failing(None, *[WriteFailed("f", "full")] * 20)
    async with open_house(sse("fine"), journal=journal) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        began = trio.current_time()
        with pytest.raises(NotKept, match="f: full"):
            await ref.ask(prompt("one"))
        waited = trio.current_time() - began
        journal.errors.clear()
        await ref.ask(prompt("two"))
        await listener.ended()

    assert waited < 5
    assert [past.asked.text for past in (await state_of(journal)).turns] == ["two"]
    assert len(house.answers.requests) == 1


async def test_an_answer_that_cannot_be_written_down_is_told_as_not_kept(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, None, *[WriteFailed("f", "full")] * 1_000)
    async with open_house(sse("lost"), sse("fine"), journal=journal) as house:
        ref, listener = await house.open(id="s"), Listener()
        await ref.ask(Attach(listener))
        await ref.ask(prompt("one"))
        end = await listener.ended()
        journal.errors.clear()
        await ref.ask(prompt("two"))
        await listener.ended(2)
        history = await said(ref)

    assert listener.text == "lostfine"
    assert (end.stop, end.retryable) == (StopReason.ERROR, True)
    assert "the answer is not kept" in end.error
    assert trio.current_time() >= 30
    assert [text for _, text in history] == ["two", "fine"]
    stops = [past.stop for past in (await state_of(journal)).turns]
    assert stops == ["interrupted", "end_turn"]


async def test_a_stop_does_not_wait_for_a_store_that_is_down(autojump_clock: MockClock) -> None:
    # What was being written when the stop came had 30 s left for it.
    journal = Failing(None, None, *[WriteFailed("f", "full")] * 1_000)
    async with open_house(sse("lost"), journal=journal) as house:
        ref = await house.open(id="s")
        await ref.ask(prompt("one"))
        await trio.sleep(3)
        began = trio.current_time()

    assert trio.current_time() - began < 2


async def test_who_leaves_while_its_prompt_is_written_down_leaves_no_turn_behind(
    autojump_clock: MockClock,
) -> None:
    class Slow(MemoryJournal):
        async def append(self, *args: object, **more: object) -> int:
            await trio.sleep(1)
            return await super().append(*args, **more)  # type: ignore[arg-type]

    journal = Slow()
    async with open_house(Body(*SLOW), journal=journal) as house:
        session = await house.handle("s")
        with trio.move_on_after(0.5):
            async with session.prompt("hello"):
                raise AssertionError("it has not begun")
        await trio.sleep(5)

    [past] = (await state_of(journal)).turns
    assert past.stop == "cancelled"
