"""A trio run in the thread of the asyncio loop that asks for it: trio's guest mode.

For programs that may have no second thread, or whose functions on both sides
share what is not safe for threads. The price is that each side stands still where
the other one computes, and that an asyncio loop which is closed without leaving
the portal leaves the trio side as it is: no clean-up runs any more.
"""

import asyncio
from typing import Any, TypeVar

import outcome
import trio

from .errors import StopTimedOut
from .trio_thread import LAST_WORDS, TrioThread

__all__ = ["TrioGuest"]

T = TypeVar("T")


class TrioGuest(TrioThread[T]):
    """Runs `opened` in the running asyncio loop, a step of trio at a time."""

    def start(self) -> None:
        """Begin the run; `ready` tells when the context has been entered, or the run is over."""
        self._begin_once()
        loop = asyncio.get_running_loop()
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=loop.call_soon,
            done_callback=self._done,
            # asyncio's; signals stay the host's.
            host_uses_signal_set_wakeup_fd=True,
        )

    def join(self) -> None:
        """Nothing is left to wait for: there is no thread."""

    def stuck(self, seconds: float) -> StopTimedOut:
        """The error for a run that does not end."""
        return StopTimedOut(
            f"the guest run {self._name!r} has not ended within {seconds:g} s, nor {LAST_WORDS:g} s "
            "after all in it was cancelled; something in it shields itself"
        )

    def _done(self, ended: "outcome.Outcome[Any]") -> None:
        if isinstance(ended, outcome.Error):
            self.error = ended.error
        self._end()
