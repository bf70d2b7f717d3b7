"""A reading of the program's state, as metrics. Costs nothing but at a scrape.

Actors are shown by class and never by path, keys of a provider as one: ten
thousand conversations have as many series as ten.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from ...runtime.tallies import BOUNDS, Done
from ..gate.circuit_messages import CircuitPhase
from ..gate.limiter_messages import Level, LimiterLevel
from .labels import MOST_KINDS, FirstOnes
from .names import FAMILIES, LABELS
from .reading import Reading

__all__ = ["Snapshots"]

_NANO = 1_000_000_000

_CIRCUIT: tuple[CircuitPhase, ...] = ("closed", "open", "half_open")


class Snapshots:
    """A collector for a registry; set `reading` just before it is scraped."""

    def __init__(self) -> None:
        self.reading = Reading()
        self._kind = FirstOnes(MOST_KINDS)

    def collect(self) -> Iterator[Metric]:
        """The metrics of `reading`."""
        reading = self.reading
        yield from self._actors(reading)
        yield from self._messages(reading.done)
        yield from _limiters(reading.limiters)
        yield _family(
            "trouper_breaker_state",
            (
                ((*deployment, state), float(circuit.state == state))
                for deployment, circuit in reading.circuits.items()
                for state in _CIRCUIT
            ),
        )
        yield _counted(
            "trouper_breaker_transitions",
            (
                ((*deployment, state), circuit.transitions.get(state, 0))
                for deployment, circuit in reading.circuits.items()
                for state in _CIRCUIT
            ),
        )
        budgets = reading.budgets
        for what in ("limit", "spent", "reserved"):
            yield _family(
                f"trouper_budget_{what}_usd",
                (((budget.name,), getattr(budget, what) / _NANO) for budget in budgets),
            )
        yield _family("trouper_sessions", [((), reading.sessions)])
        plain = reading.connections - reading.websockets
        yield _family(
            "trouper_connections", [(("http",), plain), (("websocket",), reading.websockets)]
        )
        yield _family("trouper_console_clients", reading.clients.items())
        yield _counted("trouper_console_actions", reading.actions.items())
        yield _family("trouper_loop_lag_seconds", [((), reading.lag)])
        stalls = FAMILIES["trouper_loop_stalls"]
        yield CounterMetricFamily(stalls.name, stalls.help, value=reading.stalls)

    def _actors(self, reading: Reading) -> Iterator[Metric]:
        actors: dict[tuple[str, str], int] = {}
        waiting: dict[str, int] = {}
        fullest: dict[str, float] = {}
        oldest: dict[str, float] = {}
        for actor in reading.actors:
            kind = self._kind(actor.kind)
            actors[kind, actor.state] = actors.get((kind, actor.state), 0) + 1
            waiting[kind] = waiting.get(kind, 0) + actor.depth
            fullest[kind] = max(fullest.get(kind, 0.0), actor.depth / actor.capacity)
            oldest[kind] = max(oldest.get(kind, 0.0), actor.oldest)
        yield _family("trouper_actors", actors.items())
        for name, values in (
            ("trouper_mailbox_messages", waiting),
            ("trouper_mailbox_max_fill_ratio", fullest),
            ("trouper_mailbox_oldest_seconds", oldest),
        ):
            yield _family(name, (((kind,), value) for kind, value in values.items()))

    def _messages(self, done: Iterable[Done]) -> Iterator[Metric]:
        # Classes that share a name here are added up: a series may stand there once.
        counts: dict[tuple[str, str], int] = {}
        waited: dict[str, _Sums] = {}
        took: dict[str, _Sums] = {}
        for each in done:
            kind = self._kind(each.kind)
            for outcome, number in (("ok", each.ok), ("error", each.error)):
                counts[kind, outcome] = counts.get((kind, outcome), 0) + number
            waited.setdefault(kind, _Sums()).add(each.waited, each.waited_sum)
            took.setdefault(kind, _Sums()).add(each.took, each.took_sum)
        yield _counted("trouper_messages", counts.items())
        for name, kinds in (
            ("trouper_message_wait_seconds", waited),
            ("trouper_message_handle_seconds", took),
        ):
            family = FAMILIES[name]
            metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for kind, sums in kinds.items():
                metric.add_metric([kind], sums.buckets, sums.total)
            yield metric


class _Sums:
    """Buckets and sum of several classes together."""

    def __init__(self) -> None:
        self.total = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)

    def add(self, counts: Iterable[int], total: float) -> None:
        self.total += total
        self._counts = [mine + more for mine, more in zip(self._counts, counts, strict=True)]

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: each with all that are before it."""
        ends = (*map(str, BOUNDS), "+Inf")
        return [(end, float(n)) for end, n in zip(ends, accumulate(self._counts), strict=True)]


def _family(name: str, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    family = FAMILIES[name]
    metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values:
        metric.add_metric(labels, value)
    return metric


def _counted(name: str, values: Iterable[tuple[tuple[str, ...], float]]) -> CounterMetricFamily:
    family = FAMILIES[name]
    metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values:
        metric.add_metric(labels, value)
    return metric


def _limiters(limiters: Mapping[tuple[str, int], LimiterLevel]) -> Iterator[Metric]:
    by_provider: dict[str, list[LimiterLevel]] = {}
    for (provider, _key), level in limiters.items():
        by_provider.setdefault(provider, []).append(level)
    yield _family(
        "trouper_limiter_available_ratio",
        (
            ((provider, limit), ratio)
            for provider, levels in by_provider.items()
            for limit in LABELS["limit"]
            if (ratio := _left([getattr(level, limit) for level in levels])) is not None
        ),
    )
    yield _family(
        "trouper_limiter_waiting",
        (((name,), sum(each.waiting for each in levels)) for name, levels in by_provider.items()),
    )
    yield _family(
        "trouper_limiter_paused_seconds",
        (
            ((name,), max(each.paused_for for each in levels))
            for name, levels in by_provider.items()
        ),
    )


def _left(levels: Iterable[Level | None]) -> float | None:
    """What is there of one limit, of all keys together; None where it is not set."""
    there = [level for level in levels if level is not None]
    if not there:
        return None
    return sum(level.level for level in there) / sum(level.capacity for level in there)
