"""Trio programs behind a portal, and an asyncio to run beside them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

__all__ = ["Main", "add", "crashing", "fail", "in_time", "program", "run_asyncio", "threads"]

Main = Callable[[], Awaitable[None]]


async def in_time(main: Main) -> None:
    """A hang is a failure, and not a hang of the suite."""
    async with asyncio.timeout(20):
        await main()


def run_asyncio(main: Main) -> None:
    asyncio.run(in_time(main))


@asynccontextmanager
async def program() -> AsyncGenerator[str]:
    yield "value"


@asynccontextmanager
async def crashing() -> AsyncGenerator[trio.Nursery]:
    """Whatever is started in what it gives can make it crash."""
    async with trio.open_nursery() as nursery:
        yield nursery


async def add(a: int, b: int = 0) -> int:
    await trio.lowlevel.checkpoint()
    return a + b


async def fail(error: BaseException) -> None:
    raise error


def threads() -> list[str]:
    """The threads of portals that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name == "portal"]
