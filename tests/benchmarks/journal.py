"""What it costs to write conversations down: turns of many sessions in one journal, on this disk.

A turn is two writes that are waited for: what was said, and the answer with the
turn's end. They go through a session's journal, as those of sessions do.
"""

import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import Usage
from trouper.actors.session.session_journal import SessionJournal
from trouper.actors.store.journal import Journal
from trouper.actors.store.store import open_journal

from .harness import Row, at_least, at_most, compare, cpu, measure

ASKED = "What is on today? " * 5
ANSWER = "There is a play at eight, and supper after it. " * 8
USAGE = Usage(input=900, output=110)

SESSIONS = 128
TURNS = 6_400
# Turns a second, and for how many seconds.
RATE, SECONDS = 500, 4
REPLAYED = 2_000


@asynccontextmanager
async def session_journals(journal: Journal, count: int) -> AsyncGenerator[list[SessionJournal]]:
    made = [
        SessionJournal(journal, "bench", f"sess_{number:032}", owner="me")
        for number in range(count)
    ]
    async with trio.open_nursery() as nursery:
        for kept in made:
            nursery.start_soon(kept.open)
    yield made


@asynccontextmanager
async def journal_in_a_file() -> AsyncGenerator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_journal(Path(folder, "journal.db")) as journal:
            yield journal


async def turn(kept: SessionJournal, number: int) -> float:
    """One turn; the milliseconds until it was acknowledged."""
    seq, began = 30 * number, time.perf_counter()
    await kept.write(accepted(number, seq, ASKED), patience=10)
    took = time.perf_counter() - began
    cuts = (len(ANSWER) // 24,) * 23
    answer = answered(number, seq + 1, ANSWER, cuts=cuts, usage=USAGE, cost=70_000)
    await kept.write(answer, over(number, seq + 26), patience=10)
    return took * 1e3


async def turns_a_second() -> float:
    """Thousands, of many sessions at once."""
    async with journal_in_a_file() as journal, session_journals(journal, SESSIONS) as made:

        async def session(kept: SessionJournal) -> None:
            for number in range(1, TURNS // SESSIONS + 1):
                await turn(kept, number)

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for kept in made:
                nursery.start_soon(session, kept)
        return TURNS / (time.perf_counter() - began) / 1e3


async def acknowledged_late() -> float:
    """The 99th percentile of milliseconds, where turns come at a steady rate."""
    async with journal_in_a_file() as journal, session_journals(journal, RATE) as made:
        took: list[float] = []

        async def one(kept: SessionJournal, number: int) -> None:
            took.append(await turn(kept, number))

        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            for count in range(RATE * SECONDS):
                await trio.sleep_until(begin + count / RATE)
                nursery.start_soon(one, made[count % RATE], count // RATE + 1)
        return sorted(took)[len(took) * 99 // 100]


async def turns_in(journal: Journal) -> float:
    """The CPU of a turn, in microseconds."""
    async with session_journals(journal, 32) as made:

        async def session(kept: SessionJournal) -> None:
            for number in range(1, 51):
                await turn(kept, number)

        with cpu() as spent:
            async with trio.open_nursery() as nursery:
                for kept in made:
                    nursery.start_soon(session, kept)
        return spent.microseconds / (32 * 50)


async def in_a_file() -> float:
    async with journal_in_a_file() as journal:
        return await turns_in(journal)


async def in_dicts() -> float:
    return await turns_in(MemoryJournal())


async def opened_again() -> float:
    """Milliseconds until a conversation of many turns can go on."""
    async with journal_in_a_file() as journal, session_journals(journal, 1) as [kept]:
        for number in range(1, REPLAYED // 4):
            await turn(kept, number)
        again = SessionJournal(journal, "bench", f"sess_{0:032}")
        began = time.perf_counter()
        await again.open()
        return (time.perf_counter() - began) * 1e3


def run(side: Callable[..., Awaitable[float]]) -> Callable[[], float]:
    return partial(trio.run, side)


def rows() -> Iterator[Row]:
    yield measure(
        f"turns acknowledged, {SESSIONS} sessions",
        run(turns_a_second),
        goal=at_least(5),
        unit="k/s",
    )
    yield measure(
        f"acknowledged, p99 at {RATE}/s", run(acknowledged_late), goal=at_most(20), unit="ms"
    )
    yield compare("a turn, file", run(in_a_file), run(in_dicts), goal=at_most(3), unit="us")
    yield measure("499 turns read back", run(opened_again), goal=at_most(250), unit="ms")
