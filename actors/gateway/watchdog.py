"""One timer for all connections: it looks at each, usually once a second.

A fault in a look ends the one that was looked at. It would else end the nursery that
holds all connections.
"""

from collections.abc import Generator
from contextlib import contextmanager
from math import inf
from typing import Protocol

import structlog
import trio

__all__ = ["Watchdog", "Watched"]

log = structlog.get_logger("trouper.gateway")

# Seconds. Times here are told in seconds and tens of seconds; a firing timer costs 60 us.
_INTERVAL = 1.0


class Watched(Protocol):
    """What the watchdog looks after."""

    def sweep(self, now: float) -> None:
        """Look whether anything has taken too long; `now` is trio's time."""
        ...

    def stop(self) -> None:
        """The server stops: begin to say goodbye."""
        ...

    def fail(self) -> None:
        """A look at it has failed: end it at once."""
        ...


class Watchdog:
    """Knows all of one kind that are under way, and looks at each every `interval` seconds."""

    def __init__(self, interval: float = _INTERVAL) -> None:
        self._interval = interval
        self._watched: set[Watched] = set()
        self._none_left = trio.Event()
        self.looked = inf
        """When it looked last, on trio's clock: as long ago as the event loop has stood still."""

    def __len__(self) -> int:
        return len(self._watched)

    @contextmanager
    def watching(self, one: Watched) -> Generator[None]:
        """Look after `one` in this block."""
        self._watched.add(one)
        try:
            yield
        finally:
            self._watched.discard(one)
            if not self._watched:
                self._none_left.set()

    async def run(self) -> None:
        """Sweep all, for ever."""
        self.looked = trio.current_time()
        while True:
            await trio.sleep(self._interval)
            self.looked = now = trio.current_time()
            for one in tuple(self._watched):
                with _alone():
                    try:
                        one.sweep(now)
                    except Exception:
                        one.fail()
                        raise

    async def stop_all(self) -> None:
        """Say goodbye to all, and wait until none is left. `run` must be running."""
        for one in tuple(self._watched):
            with _alone():
                one.stop()
        self._none_left = trio.Event()
        if self._watched:
            await self._none_left.wait()


@contextmanager
def _alone() -> Generator[None]:
    """Whatever goes wrong in here is nothing to those who are looked at next."""
    try:
        yield
    except Exception:
        log.exception("a look at a connection failed")
