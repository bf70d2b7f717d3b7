"""How many calls there were lately, and how many of them failed. Times are in seconds."""

import attrs

__all__ = ["SPAN", "Window"]

SPAN = 30.0
"""Seconds that a window looks back: some calls of each of a few conversations."""

# Ten steps: what falls out of the window at once is a tenth of it.
_BUCKETS = 10
_WIDTH = SPAN / _BUCKETS
_EMPTY = ((0, 0),) * _BUCKETS


@attrs.frozen
class Window:
    """Calls and failures of each tenth of the last 30 seconds, the newest last.

    It forgets a tenth at a time, so it covers between 27 and 30 seconds. The
    clock is the caller's; one that goes backwards counts as standing still.
    """

    tenth: int = 0
    buckets: tuple[tuple[int, int], ...] = _EMPTY

    @property
    def calls(self) -> int:
        """Calls that have ended, of those that say something."""
        return sum(calls for calls, _ in self.buckets)

    @property
    def failures(self) -> int:
        """Those of them that failed."""
        return sum(failures for _, failures in self.buckets)

    def at(self, now: float) -> "Window":
        """The window as it is at `now`, with what is too old forgotten."""
        tenth = int(now // _WIDTH)
        passed = tenth - self.tenth
        if passed <= 0:
            return self
        return Window(tenth, (self.buckets + _EMPTY[:passed])[-_BUCKETS:])

    def counted(self, now: float, *, failed: bool) -> "Window":
        """The window after one more call has ended at `now`."""
        current = self.at(now)
        *older, (calls, failures) = current.buckets
        return Window(current.tenth, (*older, (calls + 1, failures + failed)))
