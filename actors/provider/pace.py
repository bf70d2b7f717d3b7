"""The shared tick at which busy streams read: measures the loop's lag, lets readers go.

One for all streams of a program, because they share one loop. While nothing
streams it sleeps without a timer.
"""

from typing import NoReturn

import trio

from ..policy.pacing import SAMPLE, Pacing

__all__ = ["Pace"]


class Pace:
    """`wait` between two reads of a stream; `run` must be running somewhere."""

    def __init__(self) -> None:
        self.pacing = Pacing()
        self._streams = 0
        self._awake = trio.Event()
        self._waiting = trio.lowlevel.ParkingLot()

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
        """Wait for the next tick."""
        await self._waiting.park()

    async def run(self) -> NoReturn:
        """Look at the lag of the loop and let readers go, for ever."""
        try:
            while True:
                await self._awake.wait()
                await self._measure()
        finally:
            # Nobody would ever let them go again.
            self.pacing = Pacing()
            self._waiting.unpark_all()

    async def _measure(self) -> None:
        last_tick = trio.current_time()
        while self._streams:
            due = trio.current_time() + SAMPLE
            await trio.sleep_until(due)
            now = trio.current_time()
            self.pacing = self.pacing.after(now - due)
            # A hair early rather than a sample late.
            if now - last_tick >= self.pacing.tick - SAMPLE / 2:
                last_tick = now
                self._waiting.unpark_all()
        self.pacing = Pacing()
        self._waiting.unpark_all()
