"""The tick at which busy streams read: looks at the loop, and lets readers go.

One for all streams of a program, because they share one loop. While nothing
streams it sleeps without a timer. A reader waits its tick from when it comes, so
that those of a long tick do not all go at once and keep everybody else waiting.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import trio

from ..policy.pacing import SAMPLE, TICKS, Pacing

__all__ = ["Pace"]

# Streams. What fewer of them read is not what keeps a loop busy.
_MANY = 16


class Pace:
    """`wait` between two reads of a stream; `run` must be running somewhere.

    `cpu` gives the processor time of the thread that calls it, in seconds.
    """

    def __init__(self, cpu: Callable[[], float] = time.thread_time) -> None:
        self.pacing = Pacing()
        self._cpu = cpu
        self._streams = 0
        self._awake = trio.Event()
        # Who goes at the next look, who at the one after it, and so on.
        self._waiting = deque(trio.lowlevel.ParkingLot() for _ in range(_looks(TICKS[-1])))

    def begin(self) -> None:
        """A stream has begun."""
        self._streams += 1
        self._awake.set()

    def end(self) -> None:
        """A stream has ended."""
        self._streams -= 1
        if not self._streams:
            self._awake = trio.Event()

    @property
    def paced(self) -> bool:
        """Whether `wait` would wait. Ask before: waiting costs even where there is no tick."""
        return self.pacing.level > 0

    async def wait(self) -> None:
        """Wait for the length of a tick."""
        await self._waiting[_looks(self.pacing.tick) - 1].park()

    async def run(self) -> NoReturn:
        """Look at the loop and let readers go, for ever."""
        try:
            while True:
                await self._awake.wait()
                await self._measure()
        finally:
            # Nobody would ever let them go again.
            self._let_all_go()

    async def _measure(self) -> None:
        looked, spent = trio.current_time(), self._cpu()
        while self._streams:
            await trio.sleep_until(looked + SAMPLE)
            now, cpu = trio.current_time(), self._cpu()
            busy = (cpu - spent) / (now - looked) if self._streams >= _MANY else 0.0
            self.pacing = self.pacing.after(now - looked - SAMPLE, busy)
            looked, spent = now, cpu
            first = self._waiting.popleft()
            self._waiting.append(first)
            first.unpark_all()
        self._let_all_go()

    def _let_all_go(self) -> None:
        self.pacing = Pacing()
        for waiting in self._waiting:
            waiting.unpark_all()


def _looks(tick: float) -> int:
    """How many looks make a tick."""
    return max(1, round(tick / SAMPLE))
