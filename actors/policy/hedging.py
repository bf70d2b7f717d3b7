"""When a second attempt is made beside a first one that is slow: after nearly all others had begun.

A deployment that has begun to answer within the 95th percentile of its own
times in 19 of 20 cases has, in the 20th, probably lost the request in a queue.
Asking a second one then costs 5 % more requests and cuts off the slow tail
(Dean and Barroso, "The Tail at Scale", 2013). Where too little is known, or
all of it is old, nothing is hedged.
"""

from collections import deque

from .retry_budget import Allowance

__all__ = ["HEDGES", "LEAST_SAMPLES", "OLDEST", "Latencies"]

LEAST_SAMPLES = 20
"""Times that must be known: of fewer than 20, the 95th percentile is the slowest of all."""

OLDEST = 600.0
"""Seconds after which a time says nothing of today any more."""

HEDGES = Allowance(share=0.05, floor=0.0, most=3.0)
"""At most 5 % of the requests, and never more than three of a burst that is slow as a whole."""

# Times that are kept: enough for a steady percentile, and sorted in some 5 us.
_KEPT = 128

# Seconds: a deployment that is always quick is not doubled over a hiccup of our own loop.
_SHORTEST = 0.05


class Latencies:
    """How long a deployment takes to begin, of its last 128 answers."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._times)

    def add(self, seconds: float, now: float) -> None:
        """One more answer has begun after `seconds`.

        Of an attempt that was left for a quicker one it is how long it had
        taken by then: to leave it out would make the deployment look quick.
        """
        self._times.append((now, seconds))

    def slow(self, now: float) -> float | None:
        """Seconds that only one answer in twenty takes longer to begin; None while too few are known."""
        times = self._times
        while times and times[0][0] < now - OLDEST:
            times.popleft()
        if len(times) < LEAST_SAMPLES:
            return None
        ordered = sorted(seconds for _, seconds in times)
        # The nearest rank: at least 95 % of the times are no longer than it.
        rank = -(-95 * len(ordered) // 100)
        return max(_SHORTEST, ordered[rank - 1])
