"""Who opens sessions, finds them, and ends those that nobody needs. In virtual time."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.history import history_of
from tests.fakes.house import House, Listener, open_house
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.chat import TextPart
from trouper.actors.errors import SessionTaken, TooManySessions, UnknownAssistant, UnknownSession
from trouper.actors.session.assistant import Assistant
from trouper.actors.session.directory import Directory
from trouper.actors.session.messages import Attach, Detach, Prompt
from trouper.actors.session.session import Session
from trouper.runtime import ActorDown, MailboxFull
from trouper.runtime.registry import Registry


async def test_a_session_belongs_to_who_opened_it(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        id, ref = await house.directory.open(owner="alice")

        assert house.directory.find(id, owner="alice") == ref
        for other in ("bob", "", "Alice"):
            with pytest.raises(UnknownSession, match="open a new one"):
                house.directory.find(id, owner=other)
        with pytest.raises(UnknownSession):
            house.directory.find("sess_0", owner="alice")


async def test_ids_cannot_be_guessed(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        ids = {(await house.directory.open(owner="a"))[0] for _ in range(50)}
    assert len(ids) == 50
    assert all(len(id.removeprefix("sess_")) == 32 for id in ids)


async def test_an_id_is_taken_once(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        await house.open(id="mine")
        with pytest.raises(
            SessionTaken, match=r"'mine' is another user's; .* have the user in the id"
        ):
            await house.directory.open(owner="other", id="mine")
        with pytest.raises(UnknownSession):
            house.directory.find("mine", owner="other")


async def test_an_assistant_that_is_not_configured_is_named(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        with pytest.raises(UnknownAssistant, match="configured are: default"):
            await house.directory.open(assistant="nobody", owner="a")


async def test_there_are_as_many_sessions_as_the_server_takes(autojump_clock: MockClock) -> None:
    async with open_house(limit=2) as house:
        await house.open(id="a")
        await house.open(id="b")
        with pytest.raises(TooManySessions, match="2 sessions are open"):
            await house.open()
        await house.stop("a")
        await house.open()


async def test_one_owner_has_as_many_as_each_may_and_others_have_theirs(
    autojump_clock: MockClock,
) -> None:
    async with open_house(most_per_owner=2) as house:
        first, _ = await house.directory.open(owner="alice")
        async with trio.open_nursery() as nursery:
            for id in ("b", "c"):
                nursery.start_soon(_opened_or_refused, house, id)
        await house.directory.open(owner="alice", kept=True)
        await house.directory.open(owner="bob")
        with pytest.raises(TooManySessions, match="2 sessions are open, which is max_sessions_per"):
            await house.directory.open(owner="alice")
        await house.stop(first)
        await house.directory.open(owner="alice")
        open_now = [id for id in ("b", "c") if house.directory._is_open(id, "alice")]

    # Two came at once for the one place.
    assert len(open_now) == 1


async def _opened_or_refused(house: House, id: str) -> None:
    with suppress(TooManySessions):
        await house.directory.open(owner="alice", id=id)


async def test_a_session_that_has_ended_is_found_no_more(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        await house.open(id="a")
        await house.stop("a")
        with pytest.raises(UnknownSession):
            house.directory.find("a", owner="me")
        await house.open(id="a")


async def gone(house: House, id: str, seconds: float) -> bool:
    """Whether a session has been retired after so many seconds."""
    with trio.move_on_after(seconds):
        await house.directory.retire_idle()
    await wait_all_tasks_blocked()
    try:
        house.directory.find(id, owner="me")
    except UnknownSession:
        return True
    return False


async def test_a_session_that_nobody_listens_to_is_ended_in_time(
    autojump_clock: MockClock,
) -> None:
    async with open_house(idle=100) as house:
        ref = await house.open(id="a")
        assert not await gone(house, "a", 95)
        assert await gone(house, "a", 25)
        with pytest.raises(ActorDown):
            await history_of(ref)


async def test_who_is_listened_to_stays_and_its_time_begins_when_the_last_one_leaves(
    autojump_clock: MockClock,
) -> None:
    async with open_house(idle=100) as house:
        ref, listener = await house.open(id="a"), Listener()
        await ref.ask(Attach(listener))
        assert not await gone(house, "a", 1000)
        ref.tell(Detach(listener))
        assert not await gone(house, "a", 95)
        assert await gone(house, "a", 25)


async def test_a_turn_is_finished_although_nobody_listens(autojump_clock: MockClock) -> None:
    answer = Body(ROLE, 110.0, delta("a"), FINISH, DONE)
    async with open_house(answer, idle=100) as house:
        ref = await house.open(id="a")
        await ref.ask(Prompt((TextPart("hi"),)))
        assert not await gone(house, "a", 205)
        assert len(await history_of(ref)) == 2
        assert await gone(house, "a", 30)


async def test_a_short_time_is_looked_at_each_second(autojump_clock: MockClock) -> None:
    async with open_house(sse("a"), idle=0.01) as house:
        await house.open(id="a")
        assert not await gone(house, "a", 0.9)
        assert await gone(house, "a", 1.1)


async def test_many_sessions_are_looked_at_without_holding_up_others(
    autojump_clock: MockClock,
) -> None:
    async with open_house(idle=1, limit=1000) as house:
        for number in range(350):
            await house.open(id=str(number))
        assert await gone(house, "349", 3)
        assert len(house.system.children("sessions", Session)) == 0


class Busy:
    """Children with one session whose mailbox is full, one that has just ended, and one more."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(["full", "ended", "idle"])

    def get(self, id: str) -> object:
        told = self.told

        class Ref:
            def tell(self, message: object) -> None:
                if id == "full":
                    raise MailboxFull(id, 1024)
                told.append(id)

        return None if id == "ended" else Ref()


def _nobody(name: str) -> Assistant:
    raise UnknownAssistant(name, [])


async def test_a_session_that_is_busy_or_gone_is_passed_over(autojump_clock: MockClock) -> None:
    busy = Busy()
    directory = Directory(lambda: busy, Registry(), _nobody, 10)  # type: ignore[arg-type,return-value]
    with trio.move_on_after(2.5):
        await directory.retire_idle()
    assert busy.told == ["idle", "idle"]
