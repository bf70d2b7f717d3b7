"""A request under way, as the watchdog sees it: its client may leave, stop to read, or be told to go.

No task and no timer belongs to it. What it finds cancels `scope`, in which the
request is answered; `verdict` says what was found.
"""

from enum import Enum

import trio

from .limits import Limits
from .stream import ClientStream

__all__ = ["CancelReason", "Exchange"]

# Seconds of the grace that are left for saying that it is over.
_LAST_WORDS = 1.0


class CancelReason(Enum):
    """Why an exchange was cancelled."""

    LEFT = "the client has hung up"
    STALLED = "the client has stopped reading"
    STOPPED = "the server stops"
    FAILED = "a look at it failed"


class Exchange:
    """One request and its answer, on one connection."""

    def __init__(self, stream: ClientStream, limits: Limits) -> None:
        self.scope = trio.CancelScope()
        self.verdict: CancelReason | None = None
        self._stream = stream
        self._limits = limits
        self._stop_at: float | None = None

    def sweep(self, now: float) -> None:
        """Look whether somebody still waits for the answer."""
        stream = self._stream
        if stream.left:
            self._end(CancelReason.LEFT)
        elif stream.sending and now - stream.progress > self._limits.stall_seconds:
            self._end(CancelReason.STALLED)
        elif self._stop_at is not None and now >= self._stop_at:
            self._end(CancelReason.STOPPED)

    def stop(self) -> None:
        """The server stops: the answer has its grace to come to its end."""
        if self._stop_at is None:
            self._stop_at = trio.current_time() + self._limits.close_seconds - _LAST_WORDS

    def fail(self) -> None:
        """A look at it has failed: it ends at once."""
        self._end(CancelReason.FAILED)

    def _end(self, verdict: CancelReason) -> None:
        self.verdict = verdict
        if self._stream.sending:
            # A send that is cancelled leaves half a piece behind, and no last word fits there.
            self._stream.abort()
        self.scope.cancel()
