"""The last minute, second by second: what a page shows that is opened after the incident.

One pass a second over all actors, in slices, reads the depth of each mailbox
and how many messages have been handled: 3 ms for 10,000 actors. It also finds
how late the loop is.
"""

from array import array
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import trio

from ...runtime.inspector import Inspector

__all__ = ["SECONDS", "SLICE", "History"]

SECONDS: Final = 60

SLICE: Final = 250
"""Actors that are looked at between two checkpoints: below 5 ms also where all are told of."""

_MOST: Final = 65_535


class History:
    """The mailbox depth of each actor and the totals of a program, over the last minute.

    `totals` gives what else is to be remembered of each second, by name.
    """

    def __init__(
        self, inspector: Inspector, totals: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        self._inspector = inspector
        self._totals_now = totals
        self._depths: dict[str, array[int]] = {}
        self._seconds = 0
        self._handled = 0
        self.lag = 0.0
        """Seconds that the loop was late when it was last looked at."""
        self.totals: dict[str, deque[float]] = {}
        """The last minute of each total, oldest first; "msgs" are those handled a second."""

    async def run(self) -> NoReturn:
        """Look once a second, for ever."""
        while True:
            due = trio.current_time() + 1.0
            await trio.sleep_until(due)
            self.lag = max(0.0, trio.current_time() - due)
            await self.look()

    async def look(self) -> None:
        """Remember this second."""
        place = self._seconds % SECONDS
        handled = queued = 0
        paths = self._inspector.paths
        for first in range(0, len(paths), SLICE):
            for path, depth, count in self._inspector.depths(paths[first : first + SLICE]):
                depths = self._depths.get(path)
                if depths is None:
                    depths = self._depths[path] = array("H", bytes(2 * SECONDS))
                depths[place] = min(depth, _MOST)
                handled += count
                queued += depth
            await trio.lowlevel.checkpoint()
        if len(self._depths) > len(paths):
            for gone in self._depths.keys() - set(paths):
                del self._depths[gone]
        self._seconds += 1
        # Actors that have gone have taken their counts along.
        self._remember("msgs", max(0, handled - self._handled) if self._seconds > 1 else 0)
        self._handled = handled
        self._remember("queued", queued)
        self._remember("lag_ms", round(self.lag * 1e3, 1))
        for name, value in self._totals_now().items():
            self._remember(name, value)

    def _remember(self, name: str, value: float) -> None:
        self.totals.setdefault(name, deque([0.0] * SECONDS, maxlen=SECONDS)).append(value)

    def of(self, path: str) -> list[int]:
        """The depths of an actor's mailbox, oldest first; empty where it never had any."""
        depths = self._depths.get(path)
        if depths is None or not any(depths):
            return []
        place = self._seconds % SECONDS
        return [*depths[place:], *depths[:place]]
