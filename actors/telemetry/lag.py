"""How late the event loop is: one task that sleeps, and looks when it wakes up.

Provider.pace measures the lag too, but only while answers stream.
"""

from collections import deque
from typing import NoReturn

import trio

__all__ = ["LoopLag"]

# Seconds between two looks: ten wakes a second cost nothing.
_EVERY = 0.1
# Looks that are remembered: a minute, the longest that people leave between two scrapes.
_REMEMBERED = 600
# Seconds since the last look from which it is a stall: everybody has noticed. The console's
# watchdog counts from the last sign of life as well.
_STALL = 0.5


class LoopLag:
    """`run` must be running somewhere."""

    def __init__(self) -> None:
        self.stalls = 0
        """How often the loop was stuck for half a second or more."""
        self._late: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def worst(self) -> float:
        """Seconds: the latest that it was in the last minute."""
        return max(self._late, default=0.0)

    async def run(self) -> NoReturn:
        """Measure ten times a second how late the loop is; until cancelled."""
        while True:
            due = trio.current_time() + _EVERY
            await trio.sleep_until(due)
            late = trio.current_time() - due
            self._late.append(late)
            if late + _EVERY >= _STALL:
                self.stalls += 1
