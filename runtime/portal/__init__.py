"""A trio program inside a program whose loop is asyncio, or that has plain threads.

    async with AsyncioPortal(System(child("clock", Clock))) as portal:
        clock = portal.value.ref("clock", Clock)
        now = await portal.call(clock.ask, Now())
        async with portal.stream(clock.stream, Ticks()) as ticks:
            async for tick in ticks:
                ...

`ThreadPortal` has the same names without `async` and `await`. The trio program
runs in a thread of its own, so neither side stops where the other one computes;
`AsyncioPortal(..., mode="guest")` runs it in the asyncio loop, where that is wanted.

Read in this order: errors, letters, calls, flow, trio_thread, trio_guest, base, and then one
of asyncio_stream with asyncio_portal, and thread_portal.
"""

from .asyncio_portal import AsyncioPortal
from .asyncio_stream import AsyncioStream
from .errors import PortalClosed, PortalError, StopTimedOut, UsedAfterFork, WouldBlock
from .thread_portal import ThreadPortal, ThreadStream

__all__ = [
    "AsyncioPortal",
    "AsyncioStream",
    "PortalClosed",
    "PortalError",
    "StopTimedOut",
    "ThreadPortal",
    "ThreadStream",
    "UsedAfterFork",
    "WouldBlock",
]
