"""A thread that is not starved: what waits for the disk goes on beside a loop that is busy.

A thread that comes back from the disk needs Python's lock to say so. A loop
that always has something to do gives it up at each pass and mostly takes it
back before the thread has woken up. How long that goes on is chance: on two
cores, with passes of 0.06 to 0.6 ms, commits of 0.3 ms took 0.5 to 300 ms in the
middle, and 1 to 18 s at the worst of forty. So while a thread is at work the
loop sleeps for nothing, once a millisecond, which hands the lock over: then it
was 2 to 5 ms, and 18 ms at the worst.

In virtual time it has a second use: the clock cannot jump over the thread's
work to the next deadline, since it is due each millisecond.
"""

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import outcome
import trio

__all__ = ["EVERY", "MUCH", "aside", "give_way", "in_thread"]

P = ParamSpec("P")
R = TypeVar("R")

EVERY = 0.001
"""Seconds. Most commits on a fast disk are over before the first."""

MUCH: Final = 128 * 1024
"""Bytes of JSON from which others go on while it is read or made: it takes 4 ms."""


async def aside(size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that works on `size` bytes: in a thread, where they are MUCH."""
    if size < MUCH:
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a thread, and wait for it even where this is cancelled."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_way_for_ever)
        # Not what it raises: that would come out of the nursery in a group.
        ended = await trio.to_thread.run_sync(lambda: outcome.capture(function, *args, **kwargs))
        nursery.cancel_scope.cancel(reason="the thread has ended")
    return ended.unwrap()


def give_way() -> None:
    """Let a thread that waits for Python's lock have it: some 60 us."""
    time.sleep(0)


async def _give_way_for_ever() -> None:
    while True:
        await trio.sleep(EVERY)
        give_way()
