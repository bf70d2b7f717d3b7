"""What a session writes is there when it is opened again, whatever happened meanwhile."""

import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from tests.fakes.journals import JOURNALS, Failing, event
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import TextPart
from trouper.actors.errors import NotKept, SessionUnreadable
from trouper.actors.session import session_journal as module
from trouper.actors.session.events import TurnEnded
from trouper.actors.session.record import MOST_IN_A_TURN, Titled, TurnAccepted
from trouper.actors.session.session_journal import SessionJournal
from trouper.actors.session.state import State, conversation
from trouper.actors.store.errors import Fenced, StoreUnusable, WriteFailed
from trouper.actors.store.journal import Journal, Snapshot, StoredEvent


@pytest.fixture(params=["dicts", "sqlite file"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Journal]:
    async with JOURNALS[request.param](tmp_path) as opened:
        yield opened


def session_journal(journal: Journal, node: str = "here") -> SessionJournal:
    return SessionJournal(journal, node, "s", owner="alice", assistant="poet")


async def turn(kept: SessionJournal, number: int, seq: int, text: str = "hi") -> None:
    await kept.write(accepted(number, seq), patience=1)
    await kept.write(answered(number, seq + 1, text), over(number, seq + 2), patience=1)


async def read_back(journal: Journal) -> State:
    again = session_journal(journal)
    await again.open()
    return again.state


async def test_a_session_knows_after_its_opening_what_it_knew_before(journal: Journal) -> None:
    first = session_journal(journal)
    opened = await first.open()
    await turn(first, 1, 1)
    await first.write(Titled(title="Greetings"), patience=1, title="Greetings")
    await first.close()

    state = await read_back(journal)

    assert (opened.told, opened.seq, opened.news) == ((), 0, ())
    assert state == first.state
    assert (state.owner, state.assistant, state.seq) == ("alice", "poet", 3)
    stored = await journal.find("s")
    assert stored is not None
    assert (stored.title, stored.node) == ("Greetings", "here")


async def test_a_turn_under_way_is_marked_as_interrupted_once(journal: Journal) -> None:
    first = session_journal(journal)
    await first.open()
    await turn(first, 1, 1)
    await first.write(accepted(2, 4, "and?"), patience=1)

    second = session_journal(journal)
    with structlog.testing.capture_logs() as logs:
        opened = await second.open()
    third = session_journal(journal)
    again = await third.open()

    end = 4 + MOST_IN_A_TURN
    [news] = opened.news
    assert isinstance(news, TurnEnded)
    assert (news.first, news.seq, news.turn) == (5, end, 2)
    assert "interrupted during this turn" in news.error
    assert news.retryable
    assert second.state.turns[-1].stop == "interrupted"
    assert [line["turn"] for line in logs] == [2]
    assert again.news == ()
    assert again.told[-1] == news
    assert again.seq == end


async def test_a_short_trouble_of_the_store_is_waited_for(autojump_clock: MockClock) -> None:
    journal = Failing(None, WriteFailed("f", "full"), WriteFailed("f", "full"))
    one = session_journal(journal)
    await one.open()
    await turn(one, 1, 1)

    assert one.is_open
    assert (await read_back(journal)).number == 1


async def test_a_store_that_stays_down_is_not_waited_for_for_ever(
    autojump_clock: MockClock,
) -> None:
    journal = Failing(None, *[WriteFailed("f", "full")] * 50)
    one = session_journal(journal)
    await one.open()
    began = trio.current_time()

    with structlog.testing.capture_logs() as logs, pytest.raises(NotKept, match="f: full"):
        await one.write(accepted(), patience=5)

    assert trio.current_time() - began == pytest.approx(5)
    assert not one.is_open
    assert [line["log_level"] for line in logs] == ["error"]


@pytest.mark.parametrize("error", [Fenced("f", "s", 1, 2), StoreUnusable("f", "gone")])
async def test_what_waiting_cannot_mend_is_told_at_once(
    autojump_clock: MockClock, error: Exception
) -> None:
    journal = Failing(None, error)
    one = session_journal(journal)
    await one.open()
    began = trio.current_time()

    with pytest.raises(NotKept):
        await one.write(accepted(), patience=30)

    assert trio.current_time() == began


@pytest.mark.parametrize("late", [False, True])
async def test_after_a_write_that_failed_the_journal_says_what_is_there(
    autojump_clock: MockClock, late: bool
) -> None:
    journal = Failing(None, StoreUnusable("f", "gone"), late=late)
    one = session_journal(journal)
    await one.open()
    with pytest.raises(NotKept):
        await one.write(accepted(1, 1, "was I heard?"), patience=1)

    opened = await one.open()
    await turn(one, one.state.number + 1, one.state.seq + 1)

    # It was written although the answer was an error: then it is a turn without an answer.
    assert [past.stop for past in one.state.turns] == ["interrupted"] * late + ["end_turn"]
    assert len(opened.news) == late
    assert (await read_back(journal)) == one.state


async def test_a_write_that_is_cancelled_is_made_all_the_same() -> None:
    journal = MemoryJournal()
    one = session_journal(journal)
    await one.open()
    with trio.CancelScope() as scope:
        scope.cancel()
        await one.write(accepted(), patience=1)

    assert one.is_open
    assert (await read_back(journal)).number == 1


@pytest.mark.parametrize("at", [0.0, 0.5, 20.0])
async def test_a_write_that_is_cancelled_tries_on_for_less_time_than_a_stop_has(
    autojump_clock: MockClock, at: float
) -> None:
    journal = Failing(None, *[WriteFailed("f", "full")] * 1_000)
    one = session_journal(journal)
    await one.open()
    began = trio.current_time()

    with trio.move_on_after(at), pytest.raises(NotKept):
        await one.write(accepted(), patience=30)

    assert at + 1.4 < trio.current_time() - began < at + 1.8
    assert not one.is_open


async def test_a_session_that_another_has_claimed_cannot_be_opened() -> None:
    journal = MemoryJournal()
    await session_journal(journal, "there").open()

    one = session_journal(journal)
    with pytest.raises(NotKept, match="there has it"):
        await one.open()
    assert not one.is_open
    await one.close()


async def test_a_session_whose_events_cannot_be_read_is_not_opened() -> None:
    journal = MemoryJournal()
    first = session_journal(journal)
    await first.open()
    claim = await journal.open("s", "here")
    await journal.append("s", claim.fence, 2, [event(kind="dream")])

    with pytest.raises(SessionUnreadable, match="event 2: it is 'dream' of version 1"):
        await session_journal(journal).open()


async def test_events_that_are_missing_are_not_passed_over() -> None:
    class Losing(MemoryJournal):
        async def read(self, sid: str, from_seq: int = 1, limit: int = 500) -> list[StoredEvent]:
            return []

    journal = Losing()
    await session_journal(journal).open()
    with pytest.raises(NotKept, match="its events behind 0 are not there"):
        await session_journal(journal).open()


# Many turns.


async def test_old_records_give_way_to_a_snapshot_and_nothing_is_lost(journal: Journal) -> None:
    one = session_journal(journal)
    await one.open()
    for number in range(1, 401):
        await turn(one, number, 3 * number - 2, f"answer {number}")
        await one.tidy()

    events = await journal.read("s", limit=10_000)
    again = session_journal(journal)
    opened = await again.open()

    assert again.state == one.state
    assert len(conversation(again.state)) == 800
    assert len(events) < 1_000
    # The last turn can still be told event by event.
    assert opened.told[-1].seq == 1_200
    assert opened.told[0].first <= 1_198


@pytest.mark.parametrize(("words", "aside"), [(10, False), (20_000, True)])
async def test_others_go_on_while_a_long_conversation_is_written_and_read(
    words: int, aside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    for name in ("write_state", "read_state"):
        function = getattr(module, name)

        def noted(*args: Any, function: Any = function) -> Any:
            threads.append(threading.get_ident())
            return function(*args)

        monkeypatch.setattr(module, name, noted)
    one = session_journal(journal := MemoryJournal())
    await one.open()
    threads.clear()
    parts = tuple(TextPart("word ") for _ in range(words))
    await one.write(TurnAccepted(turn=1, seq=1, parts=parts), over(1, 2), patience=1)
    for number in range(2, 200):
        await turn(one, number, 3 * number)
    await one.tidy()
    again = session_journal(journal)
    await again.open()

    assert again.state == one.state
    assert [thread != threading.get_ident() for thread in threads] == [aside, aside]


async def test_a_snapshot_that_fails_is_tried_again(autojump_clock: MockClock) -> None:
    class Full(MemoryJournal):
        tries = 0

        async def snapshot(self, sid: str, fence: int, snapshot: Snapshot) -> None:
            self.tries += 1
            raise WriteFailed("f", "full")

    journal = Full()
    one = session_journal(journal)
    await one.open()
    with structlog.testing.capture_logs() as logs:
        for number in range(1, 172):
            await turn(one, number, 3 * number - 2)
            await one.tidy()

    assert journal.tries == len(logs) > 1
    assert one.is_open


async def test_to_give_back_what_the_store_cannot_write_says_nothing() -> None:
    class Down(MemoryJournal):
        async def release(self, sid: str, fence: int) -> None:
            raise WriteFailed("f", "full")

    one = session_journal(Down())
    await one.open()
    await one.close()

    assert not one.is_open
