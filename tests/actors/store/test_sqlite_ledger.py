"""What the ledger in a file promises beyond the contract: dead programs, lost attempts, full disks."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio

from tests.fakes.attempts import DAY, MONTH, NOON, all_rows, attempt, cost, limit
from trouper.actors.chat import Usage
from trouper.actors.store import sqlite_ledger
from trouper.actors.store.backlog import Backlog
from trouper.actors.store.errors import StoreFull, StoreInUse, StoreUnusable
from trouper.actors.store.ledger import LOST, Closing, Denied, Selection, Totals
from trouper.actors.store.sqlite_ledger import LOST_AFTER, SqliteLedger
from trouper.actors.store.store import Store, open_ledger
from trouper.actors.store.writer import Writer
from trouper.runtime import ActorUnavailable, StartFailed, System


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def in_file(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def sums_agree(path: Path) -> None:
    """Each sum is that of its rows, worked out by SQL that is not the ledger's."""
    for scope, window, spent, reserved in in_file(path, "SELECT * FROM budget"):
        kind, _, name = str(scope).partition(":")
        column = "provider || '/' || model" if kind == "model" else kind
        whose = "1" if kind == "all" else f"{column} = '{name}'"
        when = "1" if window == "total" else f"date(at, 'unixepoch') LIKE '{window}%'"
        expected = in_file(
            path,
            "SELECT coalesce(sum(CASE state WHEN 'reserved' THEN 0 WHEN 'released' THEN 0 "
            "ELSE coalesce(cost_nano, reserved_nano) END), 0), "
            "coalesce(sum(CASE state WHEN 'reserved' THEN reserved_nano ELSE 0 END), 0) "
            f"FROM usage_ledger WHERE {whose} AND {when}",
        )
        assert [(spent, reserved)] == expected, (scope, window)


# From one program to the next.


async def test_what_was_acknowledged_is_there_in_the_next_program(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 100), [limit(1_000)])
        ledger.settle("a", cost(60))

    async with open_ledger(path) as ledger:
        (row,) = await all_rows(ledger)
        assert (row.opening, row.closing) == (attempt("a", 100), cost(60))
        assert await ledger.spent("all", DAY) == Totals(spent=60, reserved=0)


async def test_what_a_dead_program_left_open_is_lost_and_counts_in_full(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("open", 100), [limit(150)])
        await ledger.reserve(attempt("closed", 20), [limit(150)])
        ledger.settle("closed", cost(5))

    async with open_ledger(path) as ledger:
        rows = {row.opening.op_id: row for row in await all_rows(ledger)}
        assert rows["open"].state == "unknown"
        assert rows["open"].closing == LOST
        assert await ledger.spent("all", DAY) == Totals(spent=105, reserved=0)
        assert await ledger.reserve(attempt("new", 46), [limit(150)]) == Denied(limit(150), 45)
    sums_agree(path)


async def test_what_was_lost_may_be_settled_by_who_knows_better_once(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 100), [limit(150)])

    async with open_ledger(path) as ledger:
        ledger.settle("a", cost(30))
        ledger.settle("a", cost(40))
        assert await ledger.spent("all", DAY) == Totals(spent=30, reserved=0)
    sums_agree(path)


async def test_a_limit_with_no_sum_yet_begins_with_what_a_dead_program_lost(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 100))

    async with open_ledger(path) as ledger:
        assert await ledger.reserve(attempt("b", 1), [limit(100)]) == Denied(limit(100), 0)


async def test_sums_of_windows_that_are_long_over_are_forgotten_and_made_again(
    path: Path,
) -> None:
    old = attempt("old", 10, at=NOON - 400 * 86_400)
    async with open_ledger(path) as ledger:
        await ledger.reserve(old, [limit(100, window=window) for window in old.windows])
        ledger.settle("old", cost(7))

    async with open_ledger(path) as ledger:
        kept = in_file(path, "SELECT scope, window FROM budget")
        again = await ledger.reserve(attempt("b", 94, at=old.at), [limit(100, window="2025-10")])

    assert kept == [("all", "total")]
    assert again == Denied(limit(100, window="2025-10"), 93)
    sums_agree(path)


async def test_two_programs_do_not_share_a_file(path: Path) -> None:
    async with open_ledger(path):
        with pytest.raises(StartFailed) as e:
            async with open_ledger(path):
                pass

    assert isinstance(e.value.__cause__, StoreInUse)


# Within one program.


async def test_attempts_that_are_open_for_days_are_lost(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("stuck", 100, at=NOON), [limit(1_000, window=MONTH)])
        await ledger.reserve(attempt("young", 100, at=NOON + 3600))
        await ledger.reserve(attempt("now", 100, at=NOON + LOST_AFTER + 1))
        await ledger.spent("all", "total")

        states = {row.opening.op_id: row.state for row in await all_rows(ledger)}
        assert states == {"stuck": "unknown", "young": "reserved", "now": "reserved"}
        assert await ledger.spent("all", MONTH) == Totals(spent=100, reserved=200)

        ledger.settle("stuck", cost(30))
        assert await ledger.spent("all", MONTH) == Totals(spent=30, reserved=200)
    sums_agree(path)


async def test_a_restarted_writer_leaves_open_what_is_under_way(path: Path) -> None:
    store = Store(path)
    async with System(store.spec(), signals=False) as system:
        ledger = store.ledger(system.ref(Store.writer_path(), Writer))
        await ledger.reserve(attempt("a", 100), [limit(150)])
        await fail_a_commit(store, ledger)

        with trio.fail_after(5):
            totals = await when_back(lambda: ledger.spent("all", DAY))

        assert totals == Totals(spent=0, reserved=100)
        ledger.settle("a", cost(60))
        assert await ledger.spent("all", DAY) == Totals(spent=60, reserved=0)
    sums_agree(path)


async def test_what_ends_while_the_disk_is_full_is_noted_once_there_is_room(path: Path) -> None:
    store = Store(path)
    async with System(store.spec(), signals=False) as system:
        ledger = store.ledger(system.ref(Store.writer_path(), Writer))
        for i in range(100):
            await ledger.reserve(attempt(str(i), 10), [limit(10_000)])
        await fail_a_commit(store, ledger)
        for i in range(100):
            ledger.settle(str(i), cost(7))

        with trio.fail_after(5):
            totals = await when_back(lambda: ledger.spent("all", DAY))

    assert totals == Totals(spent=700, reserved=0)
    sums_agree(path)


async def test_while_the_writer_is_between_two_lives_a_reservation_is_refused_at_once(
    path: Path,
) -> None:
    store = Store(path)
    async with System(store.spec(), signals=False) as system:
        ledger = store.ledger(system.ref(Store.writer_path(), Writer))
        await fail_a_commit(store, ledger)

        with pytest.raises(ActorUnavailable, match="it is restarting"):
            await ledger.reserve(attempt("b"))
        with trio.fail_after(5):
            await when_back(lambda: ledger.reserve(attempt("b")))


async def test_where_there_is_no_room_to_note_an_end_it_is_said_once(path: Path) -> None:
    store = Store(path)
    store.backlog = Backlog(capacity=2)
    async with System(store.spec(), signals=False) as system:
        ledger = store.ledger(system.ref(Store.writer_path(), Writer))
        for op_id in "abcd":
            await ledger.reserve(attempt(op_id, 10))
        await ledger.spent("all", DAY)
        with structlog.testing.capture_logs() as logs:
            for op_id in "abcd":
                ledger.settle(op_id, cost(1))

        assert await ledger.spent("all", DAY) == Totals(spent=2, reserved=20)
    assert [log["event"] for log in logs] == ["ledger could not note how attempts ended"]
    async with open_ledger(path) as ledger:
        assert await ledger.spent("all", DAY) == Totals(spent=22, reserved=0)


async def test_a_full_mailbox_does_not_lose_an_end(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 10))

        async def many() -> None:
            async with trio.open_nursery() as nursery:
                for i in range(900):
                    nursery.start_soon(ledger.reserve, attempt(str(i), 0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(many)
            ledger.settle("a", Closing(state="settled", outcome="ok", cost=3))

        assert await ledger.spent("all", DAY) == Totals(spent=3, reserved=0)


async def test_the_limits_of_very_many_users_hold(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few sums are remembered that each is forgotten before it is used again.
    monkeypatch.setattr(sqlite_ledger, "_MOST_SUMS", 2)
    async with open_ledger(path) as ledger:
        for turn in range(2):
            for user in "abcde":
                bound = limit(15, f"user:{user}")
                denied = await ledger.reserve(attempt(f"{user}{turn}", 10, user=user), [bound])
                assert denied == (Denied(bound, 5) if turn else None)
    sums_agree(path)


async def test_memory_does_not_fill_up_and_no_cent_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_ledger, "_KEPT_IN_MEMORY", 50)
    async with open_ledger(":memory:") as ledger:
        await ledger.reserve(attempt("open", 1), [limit(10_000)])
        for i in range(600):
            await ledger.reserve(attempt(str(i), 1), [limit(10_000)])
            ledger.settle(str(i), cost(1))

        rows = await all_rows(ledger)
        assert 50 < len(rows) < 50 + 256
        assert {"open", "599"} <= {row.opening.op_id for row in rows}
        assert await ledger.spent("all", DAY) == Totals(spent=600, reserved=1)


async def test_rows_are_read_while_others_write(path: Path) -> None:
    async with open_ledger(path) as ledger:
        for i in range(30):
            await ledger.reserve(attempt(f"before {i}", at=NOON + i))
        seen = []
        async for row in ledger.rows(Selection()):
            seen.append(row.opening.op_id)
            if len(seen) <= 5:
                await ledger.reserve(attempt(f"during {len(seen)}", at=NOON - 1))

    assert seen == [f"before {i}" for i in range(30)]


async def test_a_file_that_goes_away_while_it_is_read_is_named(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a"))
        path.rename(path.with_name("moved.db"))  # noqa: ASYNC240 - it is quick

        with pytest.raises(StoreUnusable, match="no such file"):
            await all_rows(ledger)


async def fail_a_commit(store: Store, ledger: SqliteLedger) -> None:
    """Have the writer crash for want of room, as a full disk would."""
    connection = store.database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        await ledger.reserve(attempt("large", 1, request_id="x" * 50_000))


async def when_back(call: Callable[[], object]) -> object:
    """What `call` answers once the writer is back."""
    while True:
        try:
            return await call()  # type: ignore[misc]
        except ActorUnavailable as error:
            await trio.sleep_until(error.retry_at)


async def test_a_count_that_sqlite_cannot_keep_closes_its_row_all_the_same(path: Path) -> None:
    """It came of a wire that is not ours; the row stayed open until a program ended."""
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 10))
        ledger.settle(
            "a", Closing(state="settled", outcome="ok", usage=Usage(9, 2**64 - 1), cost=3)
        )

        assert await ledger.spent("all", DAY) == Totals(spent=3, reserved=0)
        (row,) = [row async for row in ledger.rows(Selection())]
        assert row.closing is not None
        assert row.closing.usage == Usage(9, 2**63 - 1)
