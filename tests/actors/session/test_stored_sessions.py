"""Sessions that nobody needs now are stored, and opened again for who asks. In virtual time."""

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.history import history_of
from tests.fakes.house import House, open_house
from tests.fakes.journals import all_sessions
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.provider import sse
from trouper.actors.errors import NotKept, SessionTaken, UnknownSession
from trouper.actors.session.reader import SessionHandle


async def turn(house: House, text: str = "hello", id: str = "s") -> str:
    return await SessionHandle(id, await house.directory.reach(id, owner="me")).ask(text)


async def test_an_idle_session_is_closed_and_opened_again_when_it_is_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("a"), idle=100, journal=MemoryJournal()) as house:
        await house.open(id="s")
        await turn(house, "1")
        with trio.move_on_after(200):
            await house.directory.retire_idle()
        with pytest.raises(UnknownSession):
            house.directory.find("s", owner="me")

        refs = []

        async def reach() -> None:
            refs.append(await house.directory.reach("s", owner="me"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(reach)

        assert len(set(refs)) == 1
        assert [message.text for message in await history_of(refs[0])] == ["1", "a"]


async def test_a_stored_session_belongs_to_who_opened_it(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with open_house(journal=journal) as house:
        await house.open(id="s")
    async with open_house(journal=journal) as house:
        for call in (house.directory.reach, house.directory.end):
            with pytest.raises(UnknownSession):
                await call("s", owner="bob")
            with pytest.raises(UnknownSession):
                await call("other", owner="me")
        with pytest.raises(SessionTaken):
            await house.directory.open(owner="bob", id="s")
        assert [one.sid for one in await house.directory.page(owner="me", limit=9)] == ["s"]
        assert [one.sid for one in await house.directory.page(owner="bob", limit=9)] == []


async def test_a_session_that_is_ended_is_gone_for_good(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with open_house(sse("a"), journal=journal) as house:
        await house.open(id="open")
        await house.open(id="stored")
        await turn(house, id="open")
        await house.stop("stored")
        for id in ("open", "stored"):
            await house.directory.end(id, owner="me")
            with pytest.raises(UnknownSession):
                await house.directory.reach(id, owner="me")

    assert await all_sessions(journal) == []


async def test_without_a_journal_nothing_is_stored(autojump_clock: MockClock) -> None:
    async with open_house(sse("a")) as house:
        await house.open(id="s")
        await house.stop("s")
        with pytest.raises(UnknownSession):
            await house.directory.reach("s", owner="me")


async def test_why_a_stored_session_cannot_be_opened_is_told(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with open_house(journal=journal) as house:
        await house.open(id="s")
    await journal.open("s", "another run")
    async with open_house(journal=journal) as house:
        with pytest.raises(NotKept, match="another run has it"):
            await house.directory.reach("s", owner="me")
