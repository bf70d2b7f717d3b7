"""Reading a store's file beside the program that writes it."""

import sqlite3
import tracemalloc
from pathlib import Path

import pytest
import trio

from tests.fakes.attempts import NOON, all_rows, attempt, cost, limit
from trouper.actors.chat import Usage
from trouper.actors.store.database import Database
from trouper.actors.store.errors import StoreCorrupt, StoreTooNew, StoreTooOld, StoreUnusable
from trouper.actors.store.ledger import Selection
from trouper.actors.store.ledger_operations import Page
from trouper.actors.store.reading import GroupBy, LedgerReader, UsageSum, read_page
from trouper.actors.store.schema import MIGRATIONS, VERSION
from trouper.actors.store.store import open_ledger

EVERYTHING = Selection()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def fill(path: Path) -> None:
    day = 86_400
    async with open_ledger(path) as ledger:
        for op_id, at, user, state in [
            ("a", NOON, "alice", "settled"),
            ("b", NOON + 1, "bob", "settled"),
            ("c", NOON + 2, "bob", "unknown"),
            ("d", NOON + day, "bob", "released"),
            ("e", NOON + day, "", "settled"),
        ]:
            model = "gpt-x" if op_id != "e" else "gpt-y"
            await ledger.reserve(attempt(op_id, 100, at=at, user=user, model=model))
            nano = {"a": 1, "b": 20, "e": 300}.get(op_id)
            usage = Usage(input=7, output=5, cache_read=3, estimated=op_id == "b")
            ledger.settle(op_id, cost(nano, state=state, usage=usage if nano else None))
        await ledger.spent("all", "total")


async def test_it_reads_what_a_running_program_has_written(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await ledger.reserve(attempt("a", 100), [limit(1_000)])
        ledger.settle("a", cost(60))
        rows = await all_rows(ledger)

        with LedgerReader(path) as reader:
            assert list(reader.rows(EVERYTHING)) == rows

            await ledger.reserve(attempt("b", 70))
            (total,) = reader.sums(EVERYTHING, by="provider")
            assert (total.attempts, total.cost, total.reserved) == (2, 60, 70)


async def test_it_reads_when_nothing_runs_and_is_in_nobodys_way(path: Path) -> None:
    await fill(path)

    with LedgerReader(path) as reader:
        assert [row.opening.op_id for row in reader.rows(EVERYTHING)] == ["a", "b", "c", "d", "e"]
        assert [row.opening.op_id for row in reader.rows(Selection(user="bob"))] == ["b", "c", "d"]

        async with open_ledger(path) as ledger:
            assert len(await all_rows(ledger)) == 5
    # What SQLite needs beside the file while it is read goes with the next program.
    async with open_ledger(path):
        pass
    assert sorted(p.name for p in path.parent.iterdir()) == ["ledger.db", "ledger.db.lock"]


async def test_it_does_not_write(path: Path) -> None:
    await fill(path)

    with LedgerReader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM usage_ledger")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("user", {"": (1, 300, 0), "alice": (1, 1, 0), "bob": (3, 20, 100)}),
        ("model", {"openai/gpt-x": (4, 21, 100), "openai/gpt-y": (1, 300, 0)}),
        ("provider", {"openai": (5, 321, 100)}),
        ("session", {"": (5, 321, 100)}),
        ("day", {"2026-11-21": (3, 21, 100), "2026-11-22": (2, 300, 0)}),
    ],
)
async def test_sums_are_those_of_the_rows(
    path: Path, by: GroupBy, expected: dict[str, tuple[int, int, int]]
) -> None:
    await fill(path)

    with LedgerReader(path) as reader:
        sums = list(reader.sums(EVERYTHING, by=by))

    assert {s.key: (s.attempts, s.cost, s.unknown) for s in sums} == expected
    assert [s.key for s in sums] == sorted(expected)


async def test_a_sum_has_the_tokens_and_says_where_any_are_estimated(path: Path) -> None:
    await fill(path)

    with LedgerReader(path) as reader:
        (bob,) = reader.sums(Selection(user="bob"), by="provider")

    assert bob == UsageSum(
        key="openai",
        attempts=3,
        usage=Usage(input=7, output=5, cache_read=3, estimated=True),
        cost=20,
        unknown=100,
        reserved=0,
    )


async def test_sums_are_of_what_is_selected(path: Path) -> None:
    await fill(path)
    selection = Selection(since=NOON + 1, until=NOON + 2, provider="openai", model="gpt-x")

    with LedgerReader(path) as reader:
        assert [s.attempts for s in reader.sums(selection, by="day")] == [1]
        assert list(reader.sums(Selection(user="nobody"), by="day")) == []


async def test_by_is_one_of_five(path: Path) -> None:
    await fill(path)

    with LedgerReader(path) as reader, pytest.raises(ValueError, match="by is one of model, "):
        list(reader.sums(EVERYTHING, by="weekday"))  # type: ignore[arg-type]


async def test_rows_are_never_all_in_memory(path: Path) -> None:
    async with open_ledger(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO usage_ledger (op_id, request_id, attempt, at, provider, model, session, "
            "user, key_id, price_id, reserved_nano, state, weight_nano) "
            "SELECT i, 'r', 1, i, 'p', 'm', '', '', '', '', 0, 'reserved', 0 FROM n"
        )
    connection.close()

    with LedgerReader(path) as reader:
        tracemalloc.start()
        count = sum(1 for _ in reader.rows(EVERYTHING))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert count == 20_000
    assert peak < 2_000_000  # all of them are more than 20 MB


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"ledger\.db: there is no such file"):
        LedgerReader(path)
    assert not path.exists()


def test_an_older_file_is_said_to_be_older(path: Path) -> None:
    database = Database(path)
    database.open()
    database.connection.execute("PRAGMA user_version = 0")
    database.close()

    with pytest.raises(StoreTooOld, match=r"of version 0 .* start `trouper serve` on it once"):
        LedgerReader(path)


def test_a_later_file_is_said_to_be_later(path: Path) -> None:
    database = Database(path, migrations=(*MIGRATIONS, "CREATE TABLE later (a)"))
    database.open()
    database.close()

    with pytest.raises(StoreTooNew, match=f"of version {VERSION + 1}"):
        LedgerReader(path)


def test_what_is_no_store_is_said_to_be_none(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(StoreCorrupt, match="no store of trouper"):
        LedgerReader(path)

    path.write_bytes(b"my diary " * 500)
    with pytest.raises(StoreCorrupt, match="damaged, or no database"):
        LedgerReader(path)


def test_damage_that_is_found_while_reading_is_said(path: Path) -> None:
    trio.run(fill, path)
    data = bytearray(path.read_bytes())
    # All but the first page, which has the schema.
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)

    with LedgerReader(path) as reader, pytest.raises(StoreCorrupt, match="malformed"):
        list(reader.rows(EVERYTHING))
    with pytest.raises(StoreCorrupt, match="malformed"):
        read_page(path, Page(EVERYTHING, (0.0, 0), 10))
