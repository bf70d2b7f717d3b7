"""A trio run in the thread of the asyncio loop that asks for it: trio's guest mode.

For programs that may have no second thread, or whose functions on both sides
share what is not safe for threads. The price is that each side stands still where
the other one computes, and that a loop can have one guest at a time.

A guest ends with its loop. Where nobody has left the portal, it is stopped when
asyncio closes its async generators, the last thing that `asyncio.run` does before
it closes the loop. Who closes a loop by hand without that
(`loop.shutdown_asyncgens`) leaves the trio side as it is: no clean-up runs any
more, which is told at the interpreter's exit.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import outcome
import trio

from .errors import PortalError, StopTimedOut
from .trio_thread import LAST_WORDS, TrioThread, running

__all__ = ["TrioGuest", "leave_with_the_loop"]

T = TypeVar("T")


class TrioGuest(TrioThread[T]):
    """Runs `opened` in the running asyncio loop, a step of trio at a time."""

    def start(self) -> None:
        """Begin the run; `ready` tells when the context has been entered, or the run is over."""
        self._begin_once()
        loop = asyncio.get_running_loop()
        try:
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=loop.call_soon_threadsafe,
                run_sync_soon_not_threadsafe=loop.call_soon,
                done_callback=self._done,
                # asyncio's; signals stay the host's.
                host_uses_signal_set_wakeup_fd=True,
            )
        except RuntimeError as error:
            self.error = PortalError(
                f"the guest run {self._name!r} was not begun: another one goes on in this thread; "
                "run one of them in a thread of its own, which is the default"
            )
            self.error.__cause__ = error
            self._end()
        else:
            running.add(self)

    def join(self) -> None:
        """Nothing is left to wait for: there is no thread."""

    def leave_forgotten(self) -> None:
        """At the interpreter's exit nothing can be done any more: its loop is over."""
        self.warn_of("its loop was closed before it, so it has not cleaned up")

    def join_forgotten(self, seconds: float) -> None:
        """See `leave_forgotten`."""

    def stuck(self, seconds: float) -> StopTimedOut:
        """The error for a run that does not end."""
        return StopTimedOut(
            f"the guest run {self._name!r} has not ended within {seconds:g} s, nor {LAST_WORDS:g} s "
            "after all in it was cancelled; something in it shields itself"
        )

    def _done(self, ended: "outcome.Outcome[Any]") -> None:
        if isinstance(ended, outcome.Error):
            self.error = _ctrl_c(ended.error) or ended.error
        self._end()


def _ctrl_c(error: BaseException) -> KeyboardInterrupt | None:
    """Ctrl-C as itself. Under a loop that does not handle SIGINT trio does, and groups it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, KeyboardInterrupt) else None


async def leave_with_the_loop(
    guest: TrioThread[Any], stop: Callable[[], Awaitable[None]]
) -> AsyncGenerator[None]:
    """Where asyncio closes its generators and `guest` still runs, `stop` it."""
    try:
        yield
    finally:
        if not guest.over.done():
            guest.warn_of("it is stopped with its loop")
            await stop()
