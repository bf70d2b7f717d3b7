"""Deadlines of the requests under way: stamps that one task looks at, no timer each.

A cancel scope around every read costs half of what a read costs. So a request
notes since when it waits and for how long it may, and a watch sweeps over all
of them: a deadline is kept to within a quarter of itself, or a second.
"""

from collections.abc import Generator
from contextlib import contextmanager
from math import inf
from typing import NoReturn

import attrs
import trio

from ..errors import ErrorKind, ProviderError

__all__ = ["Deadlines", "Exchange", "Watch"]

# Seconds between two sweeps, at most.
_SWEEP = 1.0


@attrs.frozen(kw_only=True)
class Deadlines:
    """Seconds that each phase of a request may take."""

    first_event: float
    idle: float
    total: float


@attrs.define(eq=False)
class Exchange:
    """One request under way. `waiting_since` is infinity while the reader is the slow one."""

    deadlines: Deadlines
    began: float
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    waiting_since: float = inf
    answered: bool = False
    expired: str = ""

    def overdue(self, now: float) -> str:
        """What has taken too long by `now`, in words; empty if nothing has."""
        limits = self.deadlines
        if now - self.began >= limits.total:
            return f"the answer was not whole after {limits.total:g} s (total)"
        phase = limits.idle if self.answered else limits.first_event
        if now - self.waiting_since >= phase:
            if self.answered:
                return f"nothing came for {phase:g} s in the middle of the answer (idle)"
            return f"nothing came for {phase:g} s (first_event)"
        return ""

    def error(self) -> ProviderError:
        """The error of an exchange that has expired."""
        return ProviderError(
            kind=ErrorKind.TIMEOUT,
            message=self.expired,
            phase="stream" if self.answered else "headers",
            in_stream=self.answered,
            billed="maybe",
        )


class Watch:
    """Sweeps over the exchanges of one connection."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        shortest = min(deadlines.first_event, deadlines.idle, deadlines.total)
        self._pause = min(_SWEEP, shortest / 4)
        self._under_way: set[Exchange] = set()
        self._some = trio.Event()

    def __len__(self) -> int:
        return len(self._under_way)

    @contextmanager
    def exchange(self) -> Generator[Exchange]:
        """An exchange whose block is cancelled when it is overdue.

        Raises ProviderError (TIMEOUT) where it was.
        """
        exchange = Exchange(self._deadlines, trio.current_time())
        self._under_way.add(exchange)
        self._some.set()
        try:
            with exchange.scope:
                yield exchange
        finally:
            self._under_way.discard(exchange)
        if exchange.scope.cancelled_caught:
            raise exchange.error()

    async def run(self) -> NoReturn:
        """Sweep for ever; sleeps without a timer while nothing is under way."""
        while True:
            if not self._under_way:
                self._some = trio.Event()
                await self._some.wait()
            await trio.sleep(self._pause)
            now = trio.current_time()
            for exchange in self._under_way:
                exchange.expired = exchange.expired or exchange.overdue(now)
                if exchange.expired:
                    exchange.scope.cancel(reason=exchange.expired)
