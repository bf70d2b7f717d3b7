"""What the way from asyncio into trio and back costs: calls, streams, and stalls of either side.

The reference of a call is the least that can be written by hand: an async
function in a task of a trio thread, started by `run_sync_soon`, whose result
comes back by `asyncio.wrap_future`. It cannot be cancelled, carries no context
and waits for ever where the run ends. Wall time, because what is waited for is
a switch of threads: the two sides of a ratio are measured in turns.
"""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio

from trouper.runtime.portal import AsyncioPortal, ThreadPortal

from .harness import Row, at_least, at_most, compare, measure

__all__ = ["rows"]

CALLS = 3_000
TOGETHER = 100
ITEMS = 200_000
STALL = 0.3


@asynccontextmanager
async def program() -> AsyncGenerator[None]:
    yield


async def answer(value: int) -> int:
    await trio.lowlevel.checkpoint()
    return value


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


class Bare:
    """A trio thread by hand."""

    def __enter__(self) -> "Bare":
        ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main, ready))
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._token.run_sync_soon(self._leave.set)
        self._thread.join()

    async def _main(self, ready: threading.Event) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._leave = trio.Event()
        async with trio.open_nursery() as self._nursery:
            ready.set()
            await self._leave.wait()

    async def call(self, function: Callable[[int], Awaitable[int]], value: int) -> int:
        future: Future[int] = Future()

        async def task() -> None:
            try:
                result = await function(value)
            except Exception as error:  # noqa: BLE001 - raised in the other thread
                future.set_exception(error)
            else:
                future.set_result(result)

        self._token.run_sync_soon(self._nursery.start_soon, task)
        return await asyncio.wrap_future(future)

    async def call_sync(self, function: Callable[[int], int], value: int) -> int:
        future: Future[int] = Future()
        self._token.run_sync_soon(lambda: future.set_result(function(value)))
        return await asyncio.wrap_future(future)


Call = Callable[..., Awaitable[Any]]


async def median_call(call: Call) -> float:
    for _ in range(200):
        await call(answer, 1)
    took: list[float] = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call(answer, 1)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def median_sync_call(
    call_sync: Callable[..., Awaitable[Any]],
) -> float:
    took: list[float] = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call_sync(abs, 1)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def sync_by_portal() -> float:
    async def main() -> float:
        async with AsyncioPortal(program()) as portal:
            return await median_sync_call(portal.call_sync)

    return asyncio.run(main())


def sync_by_hand() -> float:
    async def main() -> float:
        with Bare() as bare:
            return await median_sync_call(bare.call_sync)

    return asyncio.run(main())


async def calls_together(call: Call) -> float:
    """Microseconds a call, where so many are under way at a time."""
    began = time.perf_counter()
    for _ in range(CALLS // TOGETHER):
        await asyncio.gather(*(call(answer, 1) for _ in range(TOGETHER)))
    return (time.perf_counter() - began) / CALLS * 1e6


def by_portal(side: Callable[[Call], Awaitable[float]]) -> Callable[[], float]:
    async def main() -> float:
        async with AsyncioPortal(program()) as portal:
            return await side(portal.call)

    return lambda: asyncio.run(main())


def by_hand(side: Callable[[Call], Awaitable[float]]) -> Callable[[], float]:
    async def main() -> float:
        with Bare() as bare:
            return await side(bare.call)

    return lambda: asyncio.run(main())


def thread_call() -> float:
    with ThreadPortal(program()) as portal:
        took: list[float] = []
        for _ in range(CALLS):
            began = time.perf_counter()
            portal.call(answer, 1)
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1e6


def asyncio_stream() -> float:
    async def main() -> float:
        async with AsyncioPortal(program()) as portal:
            began = time.perf_counter()
            async with portal.stream(numbers, ITEMS) as items:
                async for _ in items:
                    pass
            return ITEMS / (time.perf_counter() - began)

    return asyncio.run(main())


def thread_stream() -> float:
    with ThreadPortal(program()) as portal:
        began = time.perf_counter()
        with portal.stream(numbers, ITEMS) as items:
            for _ in items:
                pass
        return ITEMS / (time.perf_counter() - began)


def spin() -> None:
    end = time.perf_counter() + STALL
    while time.perf_counter() < end:
        pass


def trio_stalls() -> float:
    """Milliseconds by which a millisecond's sleep of asyncio is late while trio computes."""

    async def main() -> float:
        async with AsyncioPortal(program()) as portal:
            stall = asyncio.create_task(portal.call_sync(spin))
            worst = 0.0
            while not stall.done():
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - began - 0.001)
            return worst * 1e3

    return asyncio.run(main())


def asyncio_stalls() -> float:
    """The same of trio's sleep, while asyncio computes."""
    worst = 0.0
    over = False

    async def watch() -> None:
        nonlocal worst
        while not over:
            began = time.perf_counter()
            await trio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began - 0.001)

    async def main() -> float:
        nonlocal over
        async with AsyncioPortal(program()) as portal:
            watching = asyncio.create_task(portal.call(watch))
            await asyncio.sleep(0.02)
            spin()
            over = True
            await watching
            return worst * 1e3

    return asyncio.run(main())


@contextmanager
def unpinned() -> Generator[None]:
    """On all cores: the runner pins to one, where a switch of threads needs no other core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def rows() -> Iterator[Row]:
    yield compare(
        "a call, p50", by_portal(median_call), by_hand(median_call), goal=at_most(1.5), unit="us"
    )
    with unpinned():
        yield compare(
            "a call, p50, on two cores",
            by_portal(median_call),
            by_hand(median_call),
            goal=at_most(1.5),
            unit="us",
        )
    yield compare(
        "a call of a plain function, p50",
        sync_by_portal,
        sync_by_hand,
        goal=at_most(1.5),
        unit="us",
    )
    yield compare(
        "a call, 100 at a time",
        by_portal(calls_together),
        by_hand(calls_together),
        goal=at_most(1.5),
        unit="us",
    )
    yield compare(
        "a call from a thread, p50",
        thread_call,
        by_hand(median_call),
        goal=at_most(1.5),
        unit="us",
    )
    yield measure("stream into asyncio", asyncio_stream, goal=at_least(200_000), unit="items/s")
    yield measure("stream into a thread", thread_stream, goal=at_least(200_000), unit="items/s")
    with unpinned():
        yield measure("trio stalls: asyncio late by", trio_stalls, goal=at_most(30), unit="ms")
        yield measure("asyncio stalls: trio late by", asyncio_stalls, goal=at_most(30), unit="ms")
