"""What a portal raises of its own; whatever a call raises comes across as itself.

TrouperError
└── PortalError             a portal is used wrongly, or its trio side is not there
    ├── PortalClosed            nobody answers: not entered yet, being left, ended, crashed
    ├── WouldBlock              the call would stop the loop that it is made in, or wait for itself
    ├── UsedAfterFork           the portal's thread is in the parent process
    └── StopTimedOut            the thread did not end, although all in it was cancelled
"""

from ..errors import TrouperError

__all__ = ["PortalClosed", "PortalError", "StopTimedOut", "UsedAfterFork", "WouldBlock"]


class PortalError(TrouperError):
    """A portal is used wrongly, or its trio side is not there."""


class PortalClosed(PortalError):
    """There is no trio side to answer, now or any more; `__cause__` is its crash, if it had one.

    A call that was under way when the run ended was begun and may have had effects.
    Calls belong into the portal's block, and before its end.
    """


class WouldBlock(PortalError):
    """A call that waits was made in the thread of an event loop, which it would stop.

    In asyncio use AsyncioPortal, or `asyncio.to_thread`; in trio `trio.to_thread.run_sync`.
    """


class UsedAfterFork(PortalError):
    """The process was forked after the portal had been entered; threads do not follow.

    Enter portals after the fork, or start processes by multiprocessing's "spawn".
    """


class StopTimedOut(PortalError):
    """Trio's thread still runs after the orderly stop and a cancellation of everything in it.

    Its text says where the thread is: code that blocks there, or shields itself.
    """
