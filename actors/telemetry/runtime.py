"""Counts what the runtime reports: crashes, restarts, dead letters."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from ...runtime import DeadReason
from ...runtime.events import ChildCrashed, ChildRestarting, DeadLetter, GaveUp, RuntimeEvent
from .labels import MOST_KINDS, FirstOnes
from .names import FAMILIES

__all__ = ["RuntimeMetrics"]


class RuntimeMetrics:
    """Counts into `registry`; `observe` is an Observer of a System.

    `kind_of` gives the class of the actor at a path (`System.kind_of`).
    """

    def __init__(self, registry: CollectorRegistry, kind_of: Callable[[str], str]) -> None:
        def counter(name: str) -> Counter:
            family = FAMILIES[name]
            return Counter(family.name, family.help, family.labels, registry=registry)

        self._kind_of = kind_of
        self._kind = FirstOnes(MOST_KINDS)
        self._crashes = counter("trouper_crashes")
        self._restarts = counter("trouper_restarts")
        self._giveups = counter("trouper_supervisor_giveups")
        letters = counter("trouper_dead_letters")
        self._letters = {reason: letters.labels(reason.value) for reason in DeadReason}

    def observe(self, event: RuntimeEvent) -> None:
        """Count one event."""
        match event:
            case DeadLetter(reason=reason):
                self._letters[reason].inc()
            case ChildCrashed(path=path):
                self._crashes.labels(self._kind(self._kind_of(path))).inc()
            case ChildRestarting(path=path):
                self._restarts.labels(self._kind(self._kind_of(path))).inc()
            case GaveUp():
                self._giveups.inc()
            case _:
                pass  # the state of actors is read at each scrape
