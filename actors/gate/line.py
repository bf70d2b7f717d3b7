"""The line before a limiter: first come, first served within a priority.

It keeps sums of what waits, so that the place of a newcomer costs the same
however long the line is.
"""

from collections import OrderedDict
from collections.abc import Iterator

import attrs
import trio

from ..errors import ProviderError
from ..policy.bucket import NOTHING, Demand
from .limiter_messages import Acquire, Priority

__all__ = ["Line", "Waiter"]


@attrs.define(eq=False)
class Waiter:
    """One who waits. The answer stands here before `decided` is set."""

    acquire: Acquire
    since: float
    decided: trio.Event = attrs.field(factory=trio.Event)
    granted: bool = False
    refused: ProviderError | None = None


class Line:
    """Who waits, in the order in which they go."""

    def __init__(self) -> None:
        # Not plain dicts: their first entry is slow to find once many have left.
        self._lanes = {priority: OrderedDict[Acquire, Waiter]() for priority in Priority}
        self._sums = dict.fromkeys(Priority, NOTHING)

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __contains__(self, acquire: Acquire) -> bool:
        return acquire in self._lanes[acquire.priority]

    def __iter__(self) -> Iterator[Waiter]:
        for lane in self._lanes.values():
            yield from lane.values()

    @property
    def head(self) -> Waiter | None:
        """Who goes next. Nobody overtakes it: what is large would wait for ever."""
        return next(iter(self), None)

    def ahead_of(self, priority: Priority) -> Demand:
        """What those take who go before a newcomer of that priority."""
        ahead = NOTHING
        for other in Priority:
            if other <= priority and self._lanes[other]:
                ahead += self._sums[other]
        return ahead

    def add(self, waiter: Waiter) -> None:
        """Let one stand in line, behind the others of its priority."""
        acquire = waiter.acquire
        self._lanes[acquire.priority][acquire] = waiter
        self._sums[acquire.priority] += acquire.cost

    def remove(self, acquire: Acquire) -> Waiter | None:
        """Let one go; None where it stands there no longer."""
        waiter = self._lanes[acquire.priority].pop(acquire, None)
        if waiter is not None:
            self._sums[acquire.priority] -= acquire.cost
        return waiter
