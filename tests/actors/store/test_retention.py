"""What is old is forgotten a little at a time, and no sum forgets what it weighed."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.fakes.attempts import NOON, all_rows, attempt, cost, limit
from tests.fakes.journals import all_sessions, event, opened
from tests.fakes.players import eventually
from tests.fakes.stored_responses import response
from trouper.actors.store.ledger import Denied, Totals
from trouper.actors.store.retention import (
    Forget,
    Keep,
    PruneBatches,
    PruneResponses,
    PruneSessions,
    PruneUsage,
    Retention,
)
from trouper.actors.store.sqlite_journal import SqliteJournal
from trouper.actors.store.sqlite_ledger import SqliteLedger
from trouper.actors.store.sqlite_responses import SqliteResponses
from trouper.actors.store.store import Store
from trouper.actors.store.writer import Writer, write
from trouper.runtime import Ref, System, child

DAY = 86_400.0
ALL = Keep(usage=62, sessions=30, batches=90, responses=30, sums=frozenset({"session"}))


class Place:
    """A store in a file, and what forgets."""

    def __init__(self, store: Store, system: System) -> None:
        writer = system.ref(store.writer_path(), Writer)
        self.writer = writer
        self.ledger: SqliteLedger = store.ledger(writer)
        self.journal: SqliteJournal = store.journal(writer)
        self.responses: SqliteResponses = store.responses(writer)
        self.retention: Ref[Forget] = system.ref("retention", Retention)

    async def forget(self) -> int:
        return await self.retention.ask(Forget(), timeout=30)

    async def spend(self, *at: float, amount: int = 60, **more: str) -> None:
        for number, when in enumerate(at):
            op_id = f"{when}-{number}-{more}"
            await self.ledger.reserve(attempt(op_id, 100, at=when, **more))
            self.ledger.settle(op_id, cost(amount))


@asynccontextmanager
async def place(
    path: Path, keep: Keep = ALL, *, now: float = NOON, every: float = 3_600.0
) -> AsyncGenerator[Place]:
    store = Store(path / "store.db")
    start = partial(Retention, keep, store.writer_path(), clock=lambda: now, every=every)
    async with System(store.spec(), child("retention", start), signals=False) as system:
        yield Place(store, system)


async def test_old_attempts_are_forgotten_and_stay_in_the_sums(tmp_path: Path) -> None:
    old = NOON - 100 * DAY
    async with place(tmp_path) as here:
        await here.spend(old, old + 1, session="s1")
        await here.spend(NOON - 1, amount=7)
        before = await here.ledger.spent("all", "total")

        assert await here.forget() == 2

        assert [row.opening.at for row in await all_rows(here.ledger)] == [NOON - 1]
        assert before == await here.ledger.spent("all", "total") == Totals(spent=127, reserved=0)
        assert await here.ledger.spent("session:s1", "total") == Totals(spent=120, reserved=0)
        # A limit that nobody has asked for before holds what was forgotten, too.
        denied = await here.ledger.reserve(attempt("more", 10), [limit(130, window="total")])
        assert denied == Denied(limit(130, window="total"), 3)
        assert await here.forget() == 0


async def test_no_sum_is_begun_for_a_session_or_a_user_that_no_budget_counts(
    tmp_path: Path,
) -> None:
    # Each left a row for ever, with its name, when the last of its attempts was forgotten.
    async with place(tmp_path, Keep()) as here:
        for number in range(50):
            await here.spend(NOON - 100 * DAY, session=f"s{number}", user=f"u{number}")
        counted = frozenset({"user:u7"})

        assert await write(here.writer, PruneUsage(NOON, sums=counted)) == 50

        assert await here.ledger.spent("all", "total") == Totals(spent=3_000, reserved=0)
        assert await here.ledger.spent("user:u7", "total") == Totals(spent=60, reserved=0)
    assert _count(tmp_path, "budget") == len({"all", "provider", "model", "u7"})


async def test_what_comes_later_goes_on_top_of_what_was_forgotten(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.spend(NOON - 100 * DAY)
        await here.forget()
        await here.spend(NOON - 5)

        assert await here.ledger.spent("all", "total") == Totals(spent=120, reserved=0)


async def test_an_attempt_that_is_open_is_not_forgotten_however_old_it_is(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.ledger.reserve(attempt("open", 100, at=NOON - 100 * DAY))

        assert await here.forget() == 0
        assert await here.ledger.spent("all", "total") == Totals(spent=0, reserved=100)


async def test_conversations_that_are_not_in_use_are_forgotten_with_all_they_hold(
    tmp_path: Path,
) -> None:
    old = NOON - 31 * DAY
    async with place(tmp_path) as here:
        for sid, at in (("old", old), ("claimed", old), ("new", NOON - 29 * DAY)):
            claim = await opened(here.journal, sid, at=at)
            await here.journal.append(sid, claim.fence, 1, [event(at=at)])
            if sid != "claimed":
                await here.journal.release(sid, claim.fence)

        assert await here.forget() == 1

        assert {each.sid for each in await all_sessions(here.journal)} == {"claimed", "new"}
    assert _count(tmp_path, "session_event") == 2


async def test_batches_that_are_done_are_forgotten_a_piece_at_a_time(tmp_path: Path) -> None:
    old = NOON - 91 * DAY
    async with place(tmp_path, Keep()) as here:
        await _add_batch(here, "old", "done", old, requests=1_200)
        await _add_batch(here, "running", "running", old, requests=1)
        await _add_batch(here, "new", "done", NOON, requests=1)
        counts = []
        while count := await write(here.writer, PruneBatches(NOON - 90 * DAY)):
            counts.append(count)

    assert counts == [500, 500, 201]
    assert _count(tmp_path, "batch") == _count(tmp_path, "batch_request") == 2
    assert _count(tmp_path, "batch_part") == 2


async def test_what_clients_were_answered_leaves_the_file_also_where_nobody_asks_any_more(
    tmp_path: Path,
) -> None:
    # It went with the next one that was kept: with a server that is idle, never.
    async with place(tmp_path, Keep()) as here:
        for number in range(50):
            await here.responses.put(response(f"old {number}", at=NOON - 31 * DAY))
        await here.responses.put(response("new", owner="bob", at=NOON - 29 * DAY))
    assert _count(tmp_path, "response") == 51

    async with place(tmp_path) as here:
        await eventually(lambda: _count(tmp_path, "response") == 1)
        assert await write(here.writer, PruneResponses(NOON, most=1)) == 1


async def test_one_piece_is_small(tmp_path: Path) -> None:
    async with place(tmp_path, Keep()) as here:
        await here.spend(*(NOON - 100 * DAY + number for number in range(7)))
        counts = [await write(here.writer, PruneUsage(NOON - DAY, most=3)) for _ in range(4)]
        assert counts == [3, 3, 1, 0]
        assert await here.ledger.spent("all", "total") == Totals(spent=420, reserved=0)
        for number in range(3):
            claim = await opened(here.journal, f"s{number}", at=NOON - 9)
            await here.journal.release(f"s{number}", claim.fence)
        counts = [await write(here.writer, PruneSessions(NOON, most=2)) for _ in range(3)]
        assert counts == [2, 1, 0]


async def test_what_is_kept_for_good_is_kept(tmp_path: Path) -> None:
    async with place(tmp_path, Keep()) as here:
        await here.spend(0.0)
        await opened(here.journal, "s", at=0.0)

        assert await here.forget() == 0
        assert len(await all_rows(here.ledger)) == len(await all_sessions(here.journal)) == 1


async def test_it_forgets_by_itself_and_says_what(tmp_path: Path) -> None:
    async with place(tmp_path, Keep()) as here:
        await here.spend(0.0)

    with capture_logs() as lines:
        async with place(tmp_path, ALL, every=0.01):
            await eventually(lambda: lines != [])
    assert _count(tmp_path, "usage_ledger") == 0

    assert {
        "event": "old entries are forgotten",
        "log_level": "info",
        "what": "usage",
        "count": 1,
        "older_than_days": 62,
    } in lines


async def test_a_writer_in_trouble_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PruneUsage.apply
    failures = iter([True])

    def apply(operation: PruneUsage, connection: sqlite3.Connection) -> int:
        if next(failures, False):
            raise sqlite3.OperationalError("disk I/O error")
        return whole(operation, connection)

    async with place(tmp_path, Keep()) as here:
        await here.spend(0.0)
    monkeypatch.setattr(PruneUsage, "apply", apply)
    async with place(tmp_path, every=0.05):
        await eventually(lambda: _count(tmp_path, "usage_ledger") == 0)


async def _add_batch(here: Place, id: str, state: str, at: float, requests: int) -> None:
    class Add:
        slow = True

        def apply(self, connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO batch VALUES (?, ?, '', '', 'batch', ?, '')", (id, at, state)
            )
            connection.execute(
                "INSERT INTO batch_part VALUES (?, 0, 'a/m', 'ended', '', '', 0.0, '')", (id,)
            )
            connection.executemany(
                "INSERT INTO batch_request VALUES (?, ?, 0, ?, 'done', 'm', NULL, x'00')",
                [(id, n, str(n)) for n in range(requests)],
            )

    await write(here.writer, Add())


def _count(path: Path, table: str) -> int:
    connection = sqlite3.connect(path / "store.db")
    try:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found
    finally:
        connection.close()
