"""Deadlines of the requests under way: stamps that one task looks at, no timer each.

A cancel scope around every read costs half of what a read costs. So a request
notes since when it waits and for how long it may, and a watch sweeps over all
of them: a deadline is never early, and late by at most a quarter of the
shortest one, or a second.
"""

from math import inf
from types import TracebackType
from typing import NoReturn, Self

import attrs
import trio

from ..errors import ErrorKind, Phase, ProviderError

__all__ = ["RequestTimeouts", "TimedRequest", "Watch"]

# Seconds between two sweeps, at most.
_SWEEP = 1.0


@attrs.frozen(kw_only=True)
class RequestTimeouts:
    """Seconds that each phase of a request may take."""

    first_event: float
    idle: float
    total: float


@attrs.define(eq=False)
class TimedRequest:
    """One request under way.

    `waiting_since` is when the provider last gave something; infinity while it
    is not the provider who is waited for. `phase` is pool until the request has
    a connection, headers until the first event, and then stream. It ends at
    `until` at the latest.

    A block of it is cancelled when it is overdue, and then raises ProviderError
    (TIMEOUT). It is a block itself because a generator around it costs as much
    as all that it does. A `scope` that is `given` is one that the block runs in
    already.
    """

    limits: RequestTimeouts
    until: float
    watched: "set[TimedRequest]" = attrs.field(factory=set, repr=False)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    given: bool = False
    waiting_since: float = inf
    phase: Phase = "pool"
    expired: str = ""

    def __enter__(self) -> Self:
        self.watched.add(self)
        if not self.given:
            self.scope.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self.watched.discard(self)
        if self.given:
            if self.expired and isinstance(error, trio.Cancelled):
                raise self.error() from None
            return None
        caught = self.scope.__exit__(kind, error, traceback)
        if self.scope.cancelled_caught:
            raise self.error() from None
        return caught

    @property
    def answered(self) -> bool:
        """Whether the first event has come."""
        return self.phase == "stream"

    def whole(self) -> None:
        """The answer is there: nothing can be too late any more."""
        self.until = self.waiting_since = inf

    def overdue(self, now: float) -> str:
        """What has taken too long by `now`, in words; empty if nothing has."""
        limits = self.limits
        if now >= self.until:
            if self.phase == "pool":
                return (
                    f"no connection was free within {limits.total:g} s (total); "
                    f"all of max_connections are busy"
                )
            return f"the answer was not whole after {limits.total:g} s (total)"
        if now - self.waiting_since >= (limits.idle if self.answered else limits.first_event):
            if self.answered:
                return f"nothing came for {limits.idle:g} s in the middle of the answer (idle)"
            return f"nothing came for {limits.first_event:g} s (first_event)"
        return ""

    def error(self) -> ProviderError:
        """The error of an exchange that has expired."""
        return ProviderError(
            kind=ErrorKind.TIMEOUT,
            message=self.expired,
            phase=self.phase,
            in_stream=self.answered,
            billed="no" if self.phase == "pool" else "maybe",
        )


def _in_one_piece(deadlines: RequestTimeouts) -> RequestTimeouts:
    # An answer that comes in one piece comes when it is whole: no event is the
    # first, and only the total says anything about it.
    return attrs.evolve(deadlines, first_event=inf)


def _pause_for(deadlines: RequestTimeouts) -> float:
    return min(_SWEEP, min(deadlines.first_event, deadlines.idle, deadlines.total) / 4)


class Watch:
    """Sweeps over the exchanges of one connection."""

    def __init__(self, deadlines: RequestTimeouts) -> None:
        self._streamed = deadlines
        self._in_one_piece = _in_one_piece(deadlines)
        self._pause = _pause_for(deadlines)
        self._under_way: set[TimedRequest] = set()
        self._some = trio.Event()

    def __len__(self) -> int:
        return len(self._under_way)

    def exchange(
        self,
        *,
        until: float = inf,
        in_one_piece: bool = False,
        deadlines: RequestTimeouts | None = None,
        scope: trio.CancelScope | None = None,
    ) -> TimedRequest:
        """An exchange whose block is cancelled when it is overdue; at `until`, on trio's
        clock, in any case. `deadlines` are its own, where it has some, and `scope` is the
        one in which its block will run; without it, it has one of its own.

        Raises ProviderError (TIMEOUT) where it was.
        """
        if deadlines is not None:
            limits = _in_one_piece(deadlines) if in_one_piece else deadlines
            self._pause = min(self._pause, _pause_for(deadlines))
        else:
            limits = self._in_one_piece if in_one_piece else self._streamed
        until = min(until, trio.current_time() + limits.total)
        self._some.set()
        if scope is None:
            return TimedRequest(limits, until, self._under_way)
        return TimedRequest(limits, until, self._under_way, scope, given=True)

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
