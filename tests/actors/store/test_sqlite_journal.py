"""The journal in its file: what is there after a restart, and what becomes of damage."""

import sqlite3
from pathlib import Path

import pytest

from tests.fakes.attempts import attempt, cost
from tests.fakes.journals import all_sessions, event, opened
from trouper.actors.store.errors import StoreError
from trouper.actors.store.journal import Snapshot
from trouper.actors.store.ledger import Selection
from trouper.actors.store.reading import LedgerReader
from trouper.actors.store.store import Store, open_journal
from trouper.actors.store.writer import Writer
from trouper.runtime import ActorDown, System


async def test_a_journal_is_there_again_after_a_restart(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j.db") as journal:
        claim = await opened(journal, owner="alice")
        await journal.append("s", claim.fence, 1, [event("1"), event("2")], title="Cats")
        await journal.snapshot("s", claim.fence, Snapshot(1, 1, b"one"))

    async with open_journal(tmp_path / "j.db") as journal:
        [session] = await all_sessions(journal)
        events = await journal.read("s")

    assert (session.owner, session.title, session.head) == ("alice", "Cats", 2)
    assert [one.body for one in events] == [b"2"]


async def test_what_a_dead_program_has_claimed_is_free_and_its_fence_is_over(
    tmp_path: Path,
) -> None:
    async with open_journal(tmp_path / "j.db") as journal:
        dead = await opened(journal, node="dead")

    async with open_journal(tmp_path / "j.db") as journal:
        [session] = await all_sessions(journal)
        claim = await journal.open("s", "next")

    assert session.node == ""
    assert claim.fence == dead.fence + 1


async def test_ledger_and_journal_share_a_file_and_its_writer(tmp_path: Path) -> None:
    store = Store(tmp_path / "both.db")
    async with System(store.spec(), signals=False) as system:
        writer = system.ref(Store.writer_path(), Writer)
        ledger, journal = store.ledger(writer), store.journal(writer)
        claim = await opened(journal)
        await ledger.reserve(attempt("a"))
        await journal.append("s", claim.fence, 1, [event()])
        spent = await ledger.spent("all", "total")

        assert spent.reserved == 100
        assert len(await journal.read("s")) == 1


async def test_what_a_call_has_cost_is_durable_when_its_answer_is(tmp_path: Path) -> None:
    path = tmp_path / "both.db"
    store = Store(path)
    async with System(store.spec(), signals=False) as system:
        writer = system.ref(Store.writer_path(), Writer)
        ledger, journal = store.ledger(writer), store.journal(writer)
        claim = await opened(journal)
        await ledger.reserve(attempt("a"))
        ledger.settle("a", cost(60))
        await journal.append("s", claim.fence, 1, [event()])

        # As another process sees it, or the next one after a kill.
        with LedgerReader(path) as reader:
            [row] = reader.rows(Selection())

    assert row.state == "settled"


async def test_a_damaged_file_is_said_to_be_one(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j.db") as journal:
        await opened(journal)
        other = sqlite3.connect(tmp_path / "j.db")
        other.execute("PRAGMA foreign_keys = OFF")
        other.execute("DROP TABLE session_event")
        other.commit()
        other.close()

        with pytest.raises(StoreError, match=r"j\.db: "):
            await journal.read("s")


async def test_a_journal_whose_writer_is_gone_says_so() -> None:
    async with open_journal(":memory:") as journal:
        pass
    with pytest.raises(ActorDown, match="store/writer"):
        await journal.find("s")
