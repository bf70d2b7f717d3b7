"""Counts what requests tell, for Prometheus.

Before you edit: the series of a deployment are looked up once and kept, so that
a request costs some additions and nothing is done per chunk. Only deployments
and models that were named when this was made have series of their own; all
others share those of "other", so a scrape is no longer after a million
requests than after ten.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import trio
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from ..chat import Usage
from .labels import OTHER, outcome, provider_name
from .names import (
    CHAT,
    FAMILIES,
    FIRST_CHUNK,
    LABELS,
    OPERATION,
    OUTPUT_CHUNK,
    TOKEN_USAGE,
    Conventions,
    spelled,
)
from .observer import AttemptBegan, AttemptEnded, RequestBegan, RequestEnded
from .reading import Deployment

__all__ = ["Metrics"]

_NANO = 1_000_000_000

Phase = Literal["gates", "model", "answer"]


_ANY = Deployment(OTHER, OTHER, OTHER)


class Metrics:
    """Counts requests and tries into `registry`. A RequestObserver.

    `models` are the configured names that users ask for. `now` gives seconds.
    """

    content = False

    def __init__(
        self,
        registry: CollectorRegistry,
        deployments: Iterable[Deployment] = (),
        models: Iterable[str] = (),
        now: Callable[[], float] = trio.current_time,
        conventions: Conventions = "2026-05",
    ) -> None:
        self.now = now
        self._families = _Families(registry, conventions)
        self._models = {model: _Requests(self._families, model) for model in (*models, OTHER)}
        self._deployments = {
            (each.provider, each.model): _Calls(self._families, each)
            for each in (*deployments, _ANY)
        }
        registry.register(_Sums(self._deployments.values()))

    def began(self, began: RequestBegan) -> "_Asked":
        """A request of one of the models."""
        return _Asked(self, self._models.get(began.model) or self._models[OTHER])

    def calls(self, provider: str, model: str) -> "_Calls":
        """The series of a deployment, or those that all unknown ones share."""
        return self._deployments.get((provider, model)) or self._deployments[OTHER, OTHER]


class _Asked:
    __slots__ = ("_metrics", "_requests")

    def __init__(self, metrics: Metrics, requests: "_Requests") -> None:
        self._metrics = metrics
        self._requests = requests

    def attempted(self, began: AttemptBegan) -> "_Tried":
        metrics = self._metrics
        return _Tried(metrics.calls(began.provider, began.model), metrics.now)

    def ended(self, ended: RequestEnded) -> None:
        self._requests.ended(outcome(ended))


class _Tried:
    __slots__ = ("_calls", "_first", "_now", "_phase", "_sent")

    def __init__(self, calls: "_Calls", now: Callable[[], float]) -> None:
        self._calls = calls
        self._now = now
        self._sent: float | None = None
        self._first: float | None = None
        self._phase: Phase = "gates"
        calls.phases["gates"] += 1

    def sent(self, waited: float = 0.0) -> None:
        self._sent = self._now()
        self._enter("model")
        self._calls.waits.observe(waited)

    def first_token(self) -> None:
        if self._sent is not None:
            self._enter("answer")
            self._first = self._now()
            self._calls.first_chunk.observe(self._first - self._sent)

    def ended(self, ended: AttemptEnded) -> None:
        self._calls.phases[self._phase] -= 1
        now = self._now()
        self._calls.ended(ended, None if self._sent is None else now - self._sent)
        if self._first is not None and ended.chunks:
            self._calls.output_chunk.observe((now - self._first) / ended.chunks)

    def _enter(self, phase: Phase) -> None:
        phases = self._calls.phases
        phases[self._phase] -= 1
        phases[phase] += 1
        self._phase = phase


class _Families:
    """The families that are counted here."""

    def __init__(self, registry: CollectorRegistry, conventions: Conventions) -> None:
        def counter(name: str) -> Counter:
            family = FAMILIES[name]
            return Counter(family.name, family.help, family.labels, registry=registry)

        def histogram(name: str) -> Histogram:
            family = FAMILIES[name]
            return Histogram(
                spelled(family.name, conventions),
                family.help,
                family.labels,
                registry=registry,
                buckets=family.buckets,
            )

        self.requests = counter("trouper_requests")
        self.attempts = counter("trouper_attempts")
        self.operation = histogram(OPERATION)
        self.first_chunk = histogram(FIRST_CHUNK)
        self.output_chunk = histogram(OUTPUT_CHUNK)
        self.token_usage = histogram(TOKEN_USAGE)
        self.waits = histogram("trouper_limiter_wait_seconds")


class _Requests:
    """The series of one configured model."""

    __slots__ = ("_by_outcome", "_families", "_model")

    def __init__(self, families: _Families, model: str) -> None:
        self._families = families
        self._model = model
        self._by_outcome = {"ok": families.requests.labels(model, "ok")}

    def ended(self, outcome: str) -> None:
        child = self._by_outcome.get(outcome)
        if child is None:
            child = self._families.requests.labels(self._model, outcome)
            self._by_outcome[outcome] = child
        child.inc()


class _Calls:
    """The series of one deployment. Sums that a scrape reads are plain numbers."""

    def __init__(self, families: _Families, deployment: Deployment) -> None:
        name = provider_name(deployment.kind, deployment.base_url)
        self._families = families
        self._labels = (CHAT, name, deployment.model, deployment.provider)
        self._outcomes: dict[str, tuple[Counter, Histogram]] = {}
        self._input, self._output = (
            families.token_usage.labels(*self._labels, kind) for kind in LABELS["gen_ai_token_type"]
        )
        self.deployment = deployment
        self.first_chunk = families.first_chunk.labels(*self._labels)
        self.output_chunk = families.output_chunk.labels(*self._labels)
        self.waits = families.waits.labels(deployment.provider)
        self.phases: dict[Phase, int] = {"gates": 0, "model": 0, "answer": 0}
        self.tokens = dict.fromkeys(LABELS["type"], 0)
        self.nano_dollars = 0
        self.of_unknown_cost = 0
        self._of("ok")

    def ended(self, ended: AttemptEnded, seconds: float | None) -> None:
        """Count a try that has ended, `seconds` after it was sent; None: it never was."""
        attempts, operation = self._of(outcome(ended))
        attempts.inc()
        if seconds is None:
            return
        operation.observe(seconds)
        self.charge(ended.usage, ended.cost, may_cost=ended.may_cost)

    def charge(self, usage: Usage | None, cost: int | None, *, may_cost: bool) -> None:
        """Count tokens and money."""
        if cost is not None:
            self.nano_dollars += cost
        elif may_cost:
            self.of_unknown_cost += 1
        if usage is None or usage.estimated:
            return
        self._input.observe(usage.input)
        self._output.observe(usage.output)
        tokens = self.tokens
        tokens["input"] += usage.input
        tokens["output"] += usage.output
        tokens["cache_read"] += usage.cache_read
        tokens["cache_write"] += usage.cache_write
        tokens["reasoning"] += usage.reasoning

    def _of(self, outcome: str) -> tuple[Counter, Histogram]:
        children = self._outcomes.get(outcome)
        if children is None:
            families, deployment = self._families, self.deployment
            children = self._outcomes[outcome] = (
                families.attempts.labels(deployment.provider, deployment.model, outcome),
                families.operation.labels(*self._labels, "" if outcome == "ok" else outcome),
            )
        return children


class _Sums:
    """Shows the plain numbers of all deployments to a scrape."""

    def __init__(self, calls: Iterable[_Calls]) -> None:
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        tokens, cost, unknown = (
            _counter(name)
            for name in ("trouper_tokens", "trouper_cost_usd", "trouper_cost_unknown")
        )
        phases: dict[tuple[str, Phase], int] = {}
        for calls in self._calls:
            where = (calls.deployment.provider, calls.deployment.model)
            for kind, number in calls.tokens.items():
                tokens.add_metric((*where, kind), number)
            cost.add_metric(where, calls.nano_dollars / _NANO)
            unknown.add_metric(where, calls.of_unknown_cost)
            for phase, number in calls.phases.items():
                key = (calls.deployment.provider, phase)
                phases[key] = phases.get(key, 0) + number
        yield from (tokens, cost, unknown)
        family = FAMILIES["trouper_requests_in_flight"]
        in_flight = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for labels, number in phases.items():
            in_flight.add_metric(labels, number)
        yield in_flight


def _counter(name: str) -> CounterMetricFamily:
    family = FAMILIES[name]
    return CounterMetricFamily(family.name, family.help, labels=family.labels)
