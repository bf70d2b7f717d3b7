"""The sessions of a principal, page by page: those in a journal, and those that are only open."""

from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.fakes.house import open_house
from tests.fakes.journals import JOURNALS, NOON, new
from trouper.actors.session.directory import Directory


async def pages(directory: Directory, limit: int) -> list[list[str]]:
    told: list[list[str]] = []
    after: tuple[float, str] | None = None
    while page := await directory.page(owner="me", limit=limit, after=after):
        told.append([one.sid for one in page])
        after = (page[-1].touched, page[-1].sid)
    return told


@pytest.mark.parametrize("kind", list(JOURNALS))
async def test_stored_sessions_are_told_the_last_used_first_and_each_once(
    kind: str, tmp_path: Path
) -> None:
    async with JOURNALS[kind](tmp_path) as journal:
        for number in range(7):
            # Some of them in the same moment.
            create = new("me", at=NOON + number // 3)
            await journal.open(f"s{number}", "before", create=create)
            await journal.release(f"s{number}", 1)
        await journal.open("other", "before", create=new("bob"))
        async with open_house(journal=journal) as house:
            told = await pages(house.directory, 2)

    assert told == [["s6", "s5"], ["s4", "s3"], ["s2", "s1"], ["s0"]]


async def test_a_session_that_was_used_since_a_page_was_told_hides_none_of_the_next(
    autojump_clock: MockClock,
) -> None:
    async with JOURNALS["dicts"](Path()) as journal:
        for number in range(3):
            await journal.open(f"s{number}", "before", create=new("me", at=NOON + number))
        async with open_house(journal=journal) as house:
            page = await house.directory.page(owner="me", limit=9, after=(NOON + 1, "gone"))

    assert [one.sid for one in page] == ["s1", "s0"]


async def test_without_a_journal_those_that_are_open_are_told(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        for id in ("c", "a", "b"):
            await house.open(id=id)
        told = await pages(house.directory, 2)
        others = await house.directory.page(owner="bob", limit=2)

    assert told == [["a", "b"], ["c"]]
    assert others == []
