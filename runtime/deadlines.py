"""The deadlines of all asks of a system: one heap and one task.

A cancel scope an ask costs 5 us; a heap entry costs half of one. Entries of
answered asks stay until their time or until they are the majority.
"""

import heapq
from itertools import count
from math import inf
from typing import NoReturn

import trio

from .replies import Promise

__all__ = ["Deadlines"]

# Below this many entries tidying costs more than it frees.
_TIDY_FROM = 256


class Deadlines:
    """Expires promises at their time."""

    __slots__ = ("_heap", "_numbers", "_settled", "_sleeper", "_wakes_at")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Promise]] = []
        self._numbers = count()
        self._settled = 0
        self._sleeper: trio.lowlevel.Task | None = None
        self._wakes_at = -inf

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at: float, promise: Promise) -> None:
        """Expire `promise` at `at` on trio's clock, unless it is settled by then."""
        heapq.heappush(self._heap, (at, next(self._numbers), promise))
        if at < self._wakes_at and self._sleeper is not None:
            trio.lowlevel.reschedule(self._sleeper)
            self._sleeper = None

    def settled(self) -> None:
        """One of the promises needs its deadline no more."""
        self._settled += 1
        if self._settled > _TIDY_FROM and self._settled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._settled = 0

    async def run(self) -> NoReturn:
        """Serve until cancelled."""
        while True:
            now = trio.current_time()
            while self._heap and (self._heap[0][0] <= now or not self._heap[0][2].pending):
                heapq.heappop(self._heap)[2].expire()
            self._wakes_at = self._heap[0][0] if self._heap else inf
            with trio.CancelScope(deadline=self._wakes_at):
                self._sleeper = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._sleeper = None
        return trio.lowlevel.Abort.SUCCEEDED
