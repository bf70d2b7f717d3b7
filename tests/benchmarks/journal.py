"""What it costs to write conversations down: turns of many sessions in one journal, on this disk.

A turn is two writes that are waited for: what was said, and the answer with the
turn's end. They go through the keeper, as those of sessions do.
"""

import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import Usage
from trouper.actors.session.keeper import Keeper
from trouper.actors.store.journal import Journal
from trouper.actors.store.memory_journal import MemoryJournal
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
async def keepers(journal: Journal, count: int) -> AsyncGenerator[list[Keeper]]:
    made = [Keeper(journal, "bench", f"sess_{number:032}", owner="me") for number in range(count)]
    async with trio.open_nursery() as nursery:
        for keeper in made:
            nursery.start_soon(keeper.open)
    yield made


@asynccontextmanager
async def journal_in_a_file() -> AsyncGenerator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_journal(Path(folder, "journal.db")) as journal:
            yield journal


async def turn(keeper: Keeper, number: int) -> float:
    """One turn; the milliseconds until it was acknowledged."""
    seq, began = 30 * number, time.perf_counter()
    await keeper.write(accepted(number, seq, ASKED), patience=10)
    took = time.perf_counter() - began
    cuts = (len(ANSWER) // 24,) * 23
    answer = answered(number, seq + 1, ANSWER, cuts=cuts, usage=USAGE, cost=70_000)
    await keeper.write(answer, over(number, seq + 26), patience=10)
    return took * 1e3


async def turns_a_second() -> float:
    """Thousands, of many sessions at once."""
    async with journal_in_a_file() as journal, keepers(journal, SESSIONS) as made:

        async def session(keeper: Keeper) -> None:
            for number in range(1, TURNS // SESSIONS + 1):
                await turn(keeper, number)

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for keeper in made:
                nursery.start_soon(session, keeper)
        return TURNS / (time.perf_counter() - began) / 1e3


async def acknowledged_late() -> float:
    """The 99th percentile of milliseconds, where turns come at a steady rate."""
    async with journal_in_a_file() as journal, keepers(journal, RATE) as made:
        took: list[float] = []

        async def one(keeper: Keeper, number: int) -> None:
            took.append(await turn(keeper, number))

        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            for count in range(RATE * SECONDS):
                await trio.sleep_until(begin + count / RATE)
                nursery.start_soon(one, made[count % RATE], count // RATE + 1)
        return sorted(took)[len(took) * 99 // 100]


async def turns_in(journal: Journal) -> float:
    """The CPU of a turn, in microseconds."""
    async with keepers(journal, 32) as made:

        async def session(keeper: Keeper) -> None:
            for number in range(1, 51):
                await turn(keeper, number)

        with cpu() as spent:
            async with trio.open_nursery() as nursery:
                for keeper in made:
                    nursery.start_soon(session, keeper)
        return spent.microseconds / (32 * 50)


async def in_a_file() -> float:
    async with journal_in_a_file() as journal:
        return await turns_in(journal)


async def in_dicts() -> float:
    return await turns_in(MemoryJournal())


async def opened_again() -> float:
    """Milliseconds until a conversation of many turns can go on."""
    async with journal_in_a_file() as journal, keepers(journal, 1) as [keeper]:
        for number in range(1, REPLAYED // 4):
            await turn(keeper, number)
        again = Keeper(journal, "bench", f"sess_{0:032}")
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
