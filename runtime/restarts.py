"""When a child comes back, after how long, and when its supervisor gives up.

Values and arithmetic only: time is an argument, in seconds of any monotonic
clock, and chance is a number from 0 to 1.
"""

from collections import deque
from collections.abc import Hashable
from enum import Enum

import attrs
from attrs.validators import ge, gt, le

__all__ = [
    "Backoff",
    "BackoffState",
    "Intensity",
    "PoisonWatch",
    "Restart",
    "RestartHistory",
    "comes_back",
]


class Restart(Enum):
    """Which ends of a child bring it back."""

    PERMANENT = "permanent"
    """Any end. For what must always be there."""
    TRANSIENT = "transient"
    """A crash only. For work that may finish."""
    TEMPORARY = "temporary"
    """None. For what its client opens again."""


def comes_back(restart: Restart, crashed: bool) -> bool:
    """Whether a child that ended gets another life."""
    return restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and crashed)


@attrs.frozen
class Intensity:
    """How many `restarts` within `period` seconds a supervisor takes before it gives up.

    The default is Elixir's, 3 in 5 s: OTP's 1 in 5 s gives up on the second
    crash, and a lone crash that repeats once is what supervisors are for. In a
    tree the numbers multiply over the levels.
    """

    restarts: int = attrs.field(default=3, validator=ge(0))
    period: float = attrs.field(default=5.0, validator=gt(0))


class RestartHistory:
    """The restarts of one supervisor within its period."""

    __slots__ = ("_intensity", "_times")

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        # One more than allowed is enough to know.
        self._times: deque[float] = deque(maxlen=intensity.restarts + 1)

    def record(self, now: float) -> bool:
        """Count a restart at `now`, no sooner than the one before; whether it is one too many."""
        self._times.append(now)
        return (
            len(self._times) > self._intensity.restarts
            and now - self._times[0] <= self._intensity.period
        )

    def used(self, now: float) -> int:
        """How many restarts there were within the period that ends at `now`."""
        return sum(now - at <= self._intensity.period for at in self._times)


@attrs.frozen
class Backoff:
    """Seconds between a crash and the next life.

    The first restart after a quiet time waits `first` (at once: a lone crash
    is mostly gone at once), the second `initial`, and each further one
    `factor` times more up to `maximum`. `jitter` takes up to that share off,
    so that many children do not come back together. After `reset_after`
    seconds of life the count begins anew.
    """

    initial: float = attrs.field(default=0.1, validator=ge(0))
    maximum: float = attrs.field(default=30.0, validator=ge(0))
    factor: float = attrs.field(default=2.0, validator=ge(1))
    jitter: float = attrs.field(default=0.2, validator=[ge(0), le(1)])
    reset_after: float = attrs.field(default=30.0, validator=ge(0))
    first: float = attrs.field(default=0.0, validator=ge(0))

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds before restart number `attempt`, counted from 0.

        `chance`, from 0 to 1, is what share of the jitter is taken off.
        """
        if attempt == 0:
            return self.first * (1 - self.jitter * chance)
        try:
            grown = self.initial * self.factor ** (attempt - 1)
        except OverflowError:
            grown = self.maximum
        return min(grown, self.maximum) * (1 - self.jitter * chance)


class BackoffState:
    """How often one child has been restarted without a quiet time between."""

    __slots__ = ("_attempt", "_backoff")

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._attempt = 0

    def next(self, lived: float, chance: float) -> float:
        """Seconds to wait after a life of `lived` seconds."""
        if lived >= self._backoff.reset_after:
            self._attempt = 0
        delay = self._backoff.delay(self._attempt, chance)
        self._attempt += 1
        return delay


class PoisonWatch:
    """Tells a message that crashes its actor every time from other trouble.

    The same signature (type of the message, line of the crash) `limit` times
    in a row, each within `period` seconds of the one before, is poison:
    restarting does not help, and would use up what the supervisor allows to
    all its children.
    """

    __slots__ = ("_count", "_last", "_limit", "_period", "_signature")

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._signature: Hashable = None
        self._count = 0
        self._last = 0.0

    def record(self, signature: Hashable, now: float) -> bool:
        """Count a crash at `now`; None is a crash with no message in hand."""
        if signature is None or self._limit == 0:
            self._signature = None
            return False
        again = signature == self._signature and now - self._last <= self._period
        self._signature = signature
        self._count = self._count + 1 if again else 1
        self._last = now
        return self._count >= self._limit
