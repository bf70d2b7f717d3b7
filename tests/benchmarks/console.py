"""What the console costs: nobody attached, a feed at 4 Hz, a trace of one actor, a large tree,
a command."""

import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from tests.fakes.consoles import Opened, open_console
from trouper.actors.console.history import SLICE
from trouper.actors.console.protocol import encode
from trouper.actors.console.survey import Tree
from trouper.runtime import Actor, dynamic, on

from ._uncounted import uncounted
from .harness import Row, at_most, compare, cpu, measure

ACTORS = 1_000
LARGE = 10_000
# Long enough for some frames of a feed: a second and a half.
ROUNDS_OF_MESSAGES = 200


@attrs.frozen
class Note:
    pass


class Listener(Actor[Note]):
    @on(Note)
    async def note(self, message: Note) -> None: ...


@asynccontextmanager
async def company(count: int) -> AsyncGenerator[Opened]:
    async with open_console(dynamic("many", Listener, max_children=count)) as opened:
        children = opened.system.children("many", Listener)
        for number in range(count):
            await children.start(str(number))
        yield opened


async def messages(opened: Opened) -> float:
    """Microseconds of CPU of one message, of those to all of a thousand actors in turn."""
    children = opened.system.children("many", Listener)
    refs = [ref for number in range(ACTORS) if (ref := children.get(str(number))) is not None]
    with cpu() as spent:
        for _ in range(ROUNDS_OF_MESSAGES):
            for ref in refs:
                await ref.send(Note())
    return spent.microseconds / (ROUNDS_OF_MESSAGES * len(refs))


async def alone() -> float:
    async with company(ACTORS) as opened:
        return await messages(opened)


def without_counters() -> float:
    with uncounted():
        return trio.run(alone)


async def attached() -> float:
    async with company(ACTORS) as opened, trio.open_nursery() as nursery:

        async def drain() -> None:
            while True:
                await opened.client.stream.receive_some(1 << 20)

        topics = '["tree","totals","attention","events"]'
        await opened.client.say(f'{{"op":"sub","topics":{topics},"hz":4}}')
        nursery.start_soon(drain)
        await trio.sleep(0.1)  # the whole picture comes once
        figure = await messages(opened)
        nursery.cancel_scope.cancel()
        return figure
    raise AssertionError


async def traced() -> float:
    """Of the one actor that is looked at."""
    async with company(1) as opened:
        assert opened.system.inspector.tap("many/0") is not None
        return await _to_one(opened)


async def untraced() -> float:
    async with company(1) as opened:
        return await _to_one(opened)


async def _to_one(opened: Opened) -> float:
    ref = opened.system.children("many", Listener).get("0")
    assert ref is not None
    with cpu() as spent:
        for _ in range(50_000):
            await ref.send(Note())
    return spent.microseconds / 50_000


async def slices_of_many() -> list[float]:
    """Milliseconds that each slice of the whole picture of 10,000 actors holds the loop, sorted."""
    async with company(LARGE) as opened:
        place = opened.console._service
        assert place is not None
        tree = Tree(place.picture.survey)
        paths, taken = tree.paths(), list[float]()
        for first in range(0, len(paths), SLICE):
            with cpu() as spent:
                new, rows = tree.changes(paths[first : first + SLICE])
                encode({"new": new, "rows": rows})
            taken.append(spent.seconds * 1e3)
        return sorted(taken)


async def median_slice() -> float:
    taken = await slices_of_many()
    return taken[len(taken) // 2]


async def longest_slice() -> float:
    return (await slices_of_many())[-1]


async def ps_of_many() -> float:
    """Seconds on the clock of `trouper ps`, whose user waits."""
    async with company(LARGE) as opened:
        return await waited(*command("ps", opened))


def command(words: str, opened: Opened) -> list[str]:
    return ["-m", "trouper.actors.cli", *words.split(), "--sock", str(opened.console.path)]


async def waited(*arguments: str) -> float:
    """Seconds on the clock of a Python with these arguments."""
    began = time.perf_counter()
    await trio.run_process([sys.executable, *arguments], capture_stdout=True, capture_stderr=True)
    return time.perf_counter() - began


async def answer(words: str) -> float:
    """Milliseconds on the clock that a command's user waits, beyond those of an empty Python."""
    async with company(100) as opened:
        empty = await waited("-c", "pass")
        return (await waited(*command(words, opened)) - empty) * 1e3


def run(side: Callable[[], Awaitable[float]]) -> Callable[[], float]:
    return lambda: trio.run(side)


def rows() -> Iterator[Row]:
    yield compare(
        "a message of 1,000 actors, nobody attached / counters compiled out",
        run(alone),
        without_counters,
        goal=at_most(1.03),
        unit="us",
    )
    yield compare(
        "a message of 1,000 actors, feed at 4 Hz / nobody attached",
        run(attached),
        run(alone),
        goal=at_most(1.05),
        unit="us",
    )
    yield compare(
        "a message, of an actor that is traced / that is not",
        run(traced),
        run(untraced),
        goal=at_most(1.15),
        unit="us",
    )
    for which, side in (("median", median_slice), ("longest", longest_slice)):
        yield measure(
            f"a slice of the picture of 10,000, the {which}",
            run(side),
            goal=at_most(5.0),
            unit="ms",
            rounds=3,
        )
    for words in ("ps", "health", "inspect many/0", "stacks"):
        # What a person does not notice as waiting.
        yield measure(
            f"trouper {words} of 100 actors, beyond python -c pass",
            run(partial(answer, words)),
            goal=at_most(150.0),
            unit="ms",
            rounds=9,
        )
    yield measure(
        "trouper ps of 10,000 actors", run(ps_of_many), goal=at_most(1.0), unit="s", rounds=3
    )
