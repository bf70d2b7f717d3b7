"""What durability costs: the ledger and the writer under it, on this disk."""

import sqlite3
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from tests.fakes.attempts import attempt, cost, limit
from tests.fakes.memory_ledger import MemoryLedger
from trouper.actors.store.database import Database
from trouper.actors.store.ledger import Ledger
from trouper.actors.store.store import open_ledger
from trouper.actors.store.writer import Writer, write
from trouper.runtime import System, child

from .harness import Row, at_least, at_most, compare, cpu, measure

# Some tenths of a second each.
LONE = 500
MANY = 12_800
CALLERS = 64
IN_FLIGHT = 32
CALLS = 3_200

BODY = "x" * 300
SCHEMA = ("CREATE TABLE event (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",)
BUDGETS = (
    limit(10**15),
    limit(10**15, "model:openai/gpt-x", "2026-11"),
    limit(10**15, "user:alice", "total"),
)


@attrs.frozen
class Append:
    """One event of a conversation."""

    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO event (body) VALUES (?)", (BODY,))


Appending = Callable[[], Awaitable[None]]


async def appends_a_second(one: Appending, callers: int, count: int) -> float:
    async def caller() -> None:
        for _ in range(count // callers):
            await one()

    await one()
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(caller)
    return count / (time.perf_counter() - began)


async def by_the_writer(callers: int, count: int) -> float:
    """Thousands a second, by group commit."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "a.db"), migrations=SCHEMA)
        async with System(child("writer", partial(Writer, database)), signals=False) as system:
            writer = system.ref("writer", Writer)
            return await appends_a_second(partial(write, writer, Append()), callers, count) / 1e3


async def one_by_one(callers: int, count: int) -> float:
    """The same with a transaction for each, in a thread, as one would write it first."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "a.db"), migrations=SCHEMA)
        database.open()
        limiter = trio.CapacityLimiter(1)

        def append() -> None:
            database.connection.execute("BEGIN IMMEDIATE")
            Append().apply(database.connection)
            database.connection.execute("COMMIT")

        try:
            one = partial(trio.to_thread.run_sync, append, limiter=limiter)
            return await appends_a_second(one, callers, count) / 1e3
        finally:
            database.close()


@asynccontextmanager
async def ledger_in(name: str) -> AsyncGenerator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger(":memory:" if name == ":memory:" else Path(folder, name)) as ledger:
            yield ledger


async def lone_reservation(name: str) -> float:
    """The median milliseconds of one reservation that waits for its disk."""
    async with ledger_in(name) as ledger:
        took: list[float] = []
        for i in range(LONE):
            began = time.perf_counter()
            await ledger.reserve(attempt(str(i)), BUDGETS)
            took.append(time.perf_counter() - began)
            ledger.settle(str(i), cost(60))
            # Else the next one would wait for this end's commit, too.
            await ledger.spent("all", "total")
        return sorted(took)[LONE // 2] * 1e3


async def in_sqlite(name: str) -> float:
    async with ledger_in(name) as ledger:
        return await calls(ledger)


async def in_dicts() -> float:
    return await calls(MemoryLedger())


async def calls(ledger: Ledger) -> float:
    """The CPU of one reservation with three budgets and its end."""

    async def caller(number: int) -> None:
        for i in range(CALLS // IN_FLIGHT):
            op_id = f"{number}-{i}"
            await ledger.reserve(attempt(op_id), BUDGETS)
            ledger.settle(op_id, cost(60))

    await ledger.reserve(attempt("first"), BUDGETS)
    with cpu() as spent:
        async with trio.open_nursery() as nursery:
            for number in range(IN_FLIGHT):
                nursery.start_soon(caller, number)
        await ledger.spent("all", "total")
    return spent.microseconds / CALLS


def run(side: Callable[..., Awaitable[float]], *args: object) -> Callable[[], float]:
    return lambda: trio.run(side, *args)


def rows() -> Iterator[Row]:
    yield compare(
        "appends, 1 caller",
        run(by_the_writer, 1, LONE),
        run(one_by_one, 1, LONE),
        goal=at_least(0.5),
        unit="k/s",
    )
    yield compare(
        f"appends, {CALLERS} callers, by group commit",
        run(by_the_writer, CALLERS, MANY),
        run(one_by_one, CALLERS, MANY // 8),
        goal=at_least(5),
        unit="k/s",
    )
    # All gates of a call together may add 0.3 ms to it.
    yield measure(
        "reserve, p50, in memory", run(lone_reservation, ":memory:"), goal=at_most(0.15), unit="ms"
    )
    yield measure(
        "reserve, p50, on this disk", run(lone_reservation, "a.db"), goal=at_most(1), unit="ms"
    )
    yield compare(
        f"reserve and settle, {IN_FLIGHT} in flight, file",
        run(in_sqlite, "a.db"),
        run(in_dicts),
        goal=at_most(8),
        unit="us",
    )
    yield compare(
        f"reserve and settle, {IN_FLIGHT} in flight, memory",
        run(in_sqlite, ":memory:"),
        run(in_dicts),
        goal=at_most(8),
        unit="us",
    )
