"""Streams in asyncio: bounds, batches, both ends leaving."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.portals import add, program, run_asyncio
from trouper.runtime import Actor, Sink, Streams, System, child, on
from trouper.runtime.portal import AsyncioPortal, PortalError


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


def test_a_fast_source_waits_for_a_slow_reader() -> None:
    made = 0

    async def source() -> AsyncGenerator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    async def main() -> None:
        async with AsyncioPortal(program(), buffer=10) as portal, portal.stream(source) as items:
            read = 0
            async for item in items:
                read += 1
                await asyncio.sleep(0.001)
                assert item == read
                # The buffer, and the one that it is given while it waits for room.
                assert made <= read + 11
                if read == 100:
                    break

    run_asyncio(main)


def test_the_host_is_woken_for_a_batch_and_not_for_an_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wake_ups = 0

    async def main() -> None:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(callback: Callable[..., object], *args: Any, **kwargs: Any) -> asyncio.Handle:
            nonlocal wake_ups
            wake_ups += 1
            return wake(callback, *args, **kwargs)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        async with AsyncioPortal(program()) as portal, portal.stream(numbers, 20_000) as items:
            assert [item async for item in items] == list(range(20_000))

    run_asyncio(main)

    assert wake_ups < 20_000 / 10


def test_leaving_a_stream_cancels_its_source_and_waits_for_its_clean_up() -> None:
    seen: list[str] = []

    async def source() -> AsyncGenerator[int]:
        try:
            for number in range(1_000_000):
                yield number
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.03)
            seen.append("cleaned up")

    async def main() -> None:
        async with AsyncioPortal(program(), buffer=4) as portal:
            async with portal.stream(source) as items:
                assert await anext(items) == 0
            assert seen == ["cleaned up"]
            task = asyncio.create_task(hold(portal))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert seen == ["cleaned up", "cleaned up"]

    async def hold(portal: AsyncioPortal[str]) -> None:
        async with portal.stream(source):
            await asyncio.sleep(60)

    run_asyncio(main)


def test_a_source_that_does_not_clean_up_well_is_heard_of() -> None:
    async def source() -> AsyncGenerator[int]:
        try:
            yield 1
            await trio.sleep_forever()
        finally:
            raise ValueError("unclean")

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            with pytest.raises(ValueError, match="unclean"):
                async with portal.stream(source) as items:
                    await anext(items)

    run_asyncio(main)


def test_a_storm_of_streams_that_are_left_leaves_no_task() -> None:
    async def ticks() -> AsyncGenerator[int]:
        while True:
            yield 1
            await trio.sleep(0.0005)

    async def read(portal: AsyncioPortal[str], count: int) -> None:
        async with portal.stream(ticks) as items:
            async for _ in items:
                count -= 1
                if count <= 0:
                    break

    async def main() -> None:
        async with AsyncioPortal(program(), buffer=3) as portal:
            before = await portal.call_sync(lambda: trio.lowlevel.current_statistics().tasks_living)
            tasks = [asyncio.create_task(read(portal, number % 9)) for number in range(200)]
            for task in tasks[::3]:
                await asyncio.sleep(0.0005)
                task.cancel()
            await asyncio.wait(tasks)
            after = await portal.call_sync(lambda: trio.lowlevel.current_statistics().tasks_living)
            assert after == before
            assert portal._thread._pending == set()

    run_asyncio(main)


@attrs.frozen
class Count(Streams[int]):
    to: int


class Counter(Actor[Count]):
    @on(Count)
    async def count(self, message: Count, sink: Sink[int]) -> None:
        for number in range(message.to):
            await sink.send(number)


def test_a_stream_of_an_actor_is_read_like_any_other() -> None:
    async def main() -> None:
        async with AsyncioPortal(System(child("counter", Counter))) as portal:
            counter = portal.value.ref("counter", Counter)
            async with portal.stream(counter.stream, Count(500), buffer=8) as items:
                assert [item async for item in items] == list(range(500))

    run_asyncio(main)


class Plain:
    """An async iterator that has nothing to close."""

    def __init__(self) -> None:
        self.left = 3

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await trio.lowlevel.checkpoint()
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        return self.left


def test_an_iterator_or_a_block_that_gives_one_will_do() -> None:
    @asynccontextmanager
    async def block() -> AsyncGenerator[AsyncIterator[int]]:
        yield Plain()

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            async with portal.stream(Plain) as items:
                assert [item async for item in items] == [2, 1, 0]
            async with portal.stream(block) as items:
                assert [item async for item in items] == [2, 1, 0]

    run_asyncio(main)


def test_a_stream_is_read_inside_its_block_once_and_by_one_task() -> None:
    async def silent() -> AsyncGenerator[int]:
        await trio.sleep_forever()
        yield 1

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            stream = portal.stream(silent)
            with pytest.raises(PortalError, match="inside its `with`"):
                aiter(stream)
            async with stream:
                other = asyncio.create_task(anext(stream))
                await asyncio.sleep(0.01)
                with pytest.raises(PortalError, match="another task"):
                    await anext(stream)
                other.cancel()
            with pytest.raises(PortalError, match="once"):
                await stream.__aenter__()

    run_asyncio(main)


def test_a_trio_side_that_computes_does_not_stop_the_host() -> None:
    """Thread mode's reason: in guest mode the host stood still for all of it."""

    async def main() -> None:
        async with AsyncioPortal(program()) as portal:
            await portal.call(add, 1)
            computing = asyncio.create_task(portal.call_sync(spin, 0.3))
            worst = 0.0
            while not computing.done():
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - began)
            assert worst < 0.25

    run_asyncio(main)


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_quick_stream_leaves_both_loops_to_others() -> None:
    """Items that are always there need no wait, and nobody else had a turn."""

    async def main() -> None:
        beats = 0
        over = False

        async def beat() -> None:
            nonlocal beats
            while not over:
                beats += 1
                await asyncio.sleep(0)

        async def trio_beat() -> int:
            count = 0
            while not over:
                count += 1
                await trio.lowlevel.checkpoint()
            return count

        async with AsyncioPortal(program(), buffer=10) as portal:
            beating = asyncio.create_task(beat())
            trio_beating = asyncio.create_task(portal.call(trio_beat))
            async with portal.stream(numbers, 2_000) as items:
                async for _ in items:
                    pass
            over = True
            await beating
            assert beats >= 180
            assert await trio_beating >= 180

    run_asyncio(main)
