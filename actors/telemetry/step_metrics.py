"""Times turns and tools, for Prometheus."""

from collections.abc import Callable

import trio
from prometheus_client import CollectorRegistry, Histogram

from .labels import MOST_KINDS, FirstOnes
from .names import FAMILIES, TOOL, TURN
from .steps import Outcome, StepBegan, TurnBegan

__all__ = ["StepMetrics"]


class StepMetrics:
    """Times turns by assistant and tools by name into `registry`. A StepObserver.

    Servers of tools bring what they like: the first hundred have series of their own.
    """

    def __init__(
        self, registry: CollectorRegistry, now: Callable[[], float] = trio.current_time
    ) -> None:
        self._now = now
        self._turns, self._tools = (_histogram(registry, name) for name in (TURN, TOOL))
        self._assistant, self._tool = FirstOnes(MOST_KINDS), FirstOnes(MOST_KINDS)

    def step(self, began: StepBegan) -> Callable[[Outcome], None]:
        """Begin to time a turn or a tool; what is returned counts it at its end."""
        since = self._now()

        def end(outcome: Outcome) -> None:
            seconds = self._now() - since
            if isinstance(began, TurnBegan):
                series = self._turns.labels(self._assistant(began.assistant), outcome.error)
            else:
                series = self._tools.labels(self._tool(began.name), outcome.error)
            series.observe(seconds)

        return end


def _histogram(registry: CollectorRegistry, name: str) -> Histogram:
    family = FAMILIES[name]
    return Histogram(
        family.name, family.help, family.labels, registry=registry, buckets=family.buckets
    )
