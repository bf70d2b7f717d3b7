"""What users of a portal write; both type checkers must accept it. Never run."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_type

import attrs

from trouper.runtime import Actor, Request, Sink, Streams, System, child, on
from trouper.runtime.portal import AsyncioPortal, ThreadPortal


@attrs.frozen
class Now(Request[float]):
    pass


@attrs.frozen
class Ticks(Streams[bytes]):
    every: float


@attrs.frozen
class Wind:
    pass


class Clock(Actor[Now | Ticks | Wind]):
    @on(Now)
    async def now(self, message: Now) -> float:
        return 0.0

    @on(Ticks)
    async def ticks(self, message: Ticks, sink: Sink[bytes]) -> None:
        await sink.send(b"tick")

    @on(Wind)
    async def wind(self, message: Wind) -> None:
        pass


async def add(a: int, *, b: str = "") -> str:
    return b * a


async def lines(count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield "line"


@asynccontextmanager
async def opened() -> AsyncGenerator[int]:
    yield 1


async def beside_asyncio() -> None:
    async with AsyncioPortal(System(child("clock", Clock)), buffer=8, name="clocks") as portal:
        assert_type(portal, AsyncioPortal[System])
        assert_type(portal.value, System)
        clock = portal.value.ref("clock", Clock)
        assert_type(await portal.call(clock.ask, Now(), timeout=1.0), float)
        assert_type(await portal.call(add, 1, b="x"), str)
        assert_type(await portal.call_sync(len, "text"), int)
        await portal.call_sync(clock.tell, Wind())
        async with portal.stream(clock.stream, Ticks(1.0), buffer=2) as ticks:
            async for tick in ticks:
                assert_type(tick, bytes)
        async with portal.stream(lines, 3) as items:
            async for item in items:
                assert_type(item, str)
        await asyncio.gather(portal.call(add, 1), portal.wait_ended())
        await portal.stop(timeout=1.0)
    async with AsyncioPortal(opened, mode="guest") as number:
        assert_type(number.value, int)


def beside_threads() -> None:
    with ThreadPortal(opened()) as portal:
        assert_type(portal.value, int)
        assert_type(portal.call(add, 1, b="x"), str)
        assert_type(portal.call_sync(len, "text"), int)
        assert_type(portal.is_running, bool)
        with portal.stream(lines, count=3) as items:
            for item in items:
                assert_type(item, str)
        assert_type(portal.wait_ended(1.0), bool)
        portal.stop(1.0)
