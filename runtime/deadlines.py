"""The deadlines of all asks of a system, in one task.

A cancel scope an ask costs 5 us. Most asks have the same timeout, so their
deadlines come in the order they were asked: a queue for each timeout, in which
an ask costs an append. Entries of answered asks leave when they come to the
head, or when they are the majority.
"""

from collections import deque
from math import inf, isnan
from typing import NoReturn

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, wait_task_rescheduled

from .errors import AskTimeout
from .replies import Promise

__all__ = ["Deadlines"]

# Below this many entries tidying costs more than it frees.
_TIDY_FROM = 256
# Programs have a few timeouts; more than this are remainders of time, each used once.
_KEEP_LANES = 64


class _Lane:
    """The asks of one timeout, soonest first."""

    __slots__ = ("entries", "settled")

    def __init__(self) -> None:
        self.entries: deque[tuple[float, Promise, str]] = deque()
        self.settled = 0


class Deadlines:
    """Expires promises at their time."""

    __slots__ = ("_lanes", "_sleeper", "_wakes_at")

    def __init__(self) -> None:
        self._lanes: dict[float, _Lane] = {}
        self._sleeper: Task | None = None
        self._wakes_at = -inf

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())

    def add(self, promise: Promise, path: str, asked: float, timeout: float) -> None:
        """Expire an ask of `path` `timeout` seconds after `asked` on trio's clock.

        Raises ValueError where the timeout is no number.
        """
        at = asked + timeout
        lane = self._lanes.get(timeout)
        if lane is None:
            if isnan(timeout):
                promise.expire(AskTimeout(path, timeout))
                raise ValueError(f"ask {path}: the timeout is not a number")
            lane = self._lanes[timeout] = _Lane()
        lane.entries.append((at, promise, path))
        if at < self._wakes_at and self._sleeper is not None:
            self._wakes_at = at
            trio.lowlevel.reschedule(self._sleeper)
            self._sleeper = None

    def settled(self, timeout: float) -> None:
        """An ask of this timeout needs its deadline no more."""
        lane = self._lanes.get(timeout)
        if lane is None:
            return
        entries = lane.entries
        while entries and not entries[0][1].pending:
            entries.popleft()
        if not entries:
            # It stays until `_expire`: the next ask is likely to need it.
            if len(self._lanes) > _KEEP_LANES:
                del self._lanes[timeout]
        elif len(entries) > _TIDY_FROM:
            lane.settled += 1
            if lane.settled * 2 > len(entries):
                lane.entries = deque(entry for entry in entries if entry[1].pending)
                lane.settled = 0

    async def run(self) -> NoReturn:
        """Serve until cancelled."""
        while True:
            now = trio.current_time()
            soonest = self._expire(now)
            # Not later than it was woken for, though that ask may have its answer by
            # now: the next one like it would only wake it again.
            self._wakes_at = min(soonest, self._wakes_at) if self._wakes_at > now else soonest
            with trio.CancelScope(deadline=self._wakes_at):
                self._sleeper = trio.lowlevel.current_task()
                await wait_task_rescheduled(self._abort)

    def _expire(self, now: float) -> float:
        """Expire what is due; when the next is."""
        soonest = inf
        for timeout, lane in list(self._lanes.items()):
            entries = lane.entries
            while entries and (entries[0][0] <= now or not entries[0][1].pending):
                _, promise, path = entries.popleft()
                promise.expire(AskTimeout(path, timeout))
            if entries:
                soonest = min(soonest, entries[0][0])
            else:
                del self._lanes[timeout]
        return soonest

    def _abort(self, _raise_cancel: RaiseCancelT) -> Abort:
        self._sleeper = None
        return Abort.SUCCEEDED
