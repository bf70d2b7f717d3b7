"""What an application tells of itself: the metrics that it serves, and the spans of its calls."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from ..runtime import ActorError, ChildSpec, System, child
from ..runtime.events import Observer, RuntimeEvent
from .catalog.facts import ModelRef
from .config import AppConfig
from .console.console import Console
from .gate.budget import Budgets
from .gate.circuit import Circuit
from .gate.circuit_messages import GetState
from .gate.limiter import Limiter
from .gate.limiter_messages import GetLevel
from .provider.target import key_ids
from .store.ledger import Closing
from .telemetry.lag import LoopLag
from .telemetry.observer import RequestObserver, together
from .telemetry.reading import BudgetReading, Deployment, Reading, ask_each
from .telemetry.steps import StepObserver, Steps
from .telemetry.traces import open_traces
from .tree import breaker_path, limiter_path

__all__ = ["HasConnections", "Scrape", "Watching"]

Scrape = Callable[[str], Awaitable[tuple[str, bytes]]]
"""What GET /metrics answers, by what its client accepts."""


class HasConnections(Protocol):
    """What counts those who are connected: the gateway itself is imported only to serve."""

    @property
    def connections(self) -> int:
        """The connections that are open."""
        ...

    @property
    def websockets(self) -> int:
        """Those of them that are websockets."""
        ...


class Watching:
    """Metrics where `serve` says that somebody can read them, and spans where configured.

    `observer` is the embedding program's own. Raises ConfigError where spans
    are wanted and OpenTelemetry is not installed.
    """

    def __init__(self, config: AppConfig, observer: Observer | None, *, serve: bool) -> None:
        self._config = config
        self._lag = LoopLag()
        self._system: System | None = None
        self._budgets: Callable[[], Budgets] | None = None
        self.gateway: HasConnections | None = None
        """Whose connections are counted; set it when there is one."""
        self.scrape: Scrape | None = None
        """What GET /metrics answers."""
        self.settled: Callable[[ModelRef, Closing], None] = _unseen
        """To be told what the requests of batches have cost."""
        self.console = Console(config, watchdog=serve)
        """Who looks into it while it runs."""
        self.observer = _both(self.console.observe, observer)
        """To be told what the runtime reports."""
        requests: list[RequestObserver] = [self.console.book]
        steps: list[StepObserver] = []
        if serve:
            # 40 ms, for those only who serve metrics.
            from .telemetry.scrape import Scrapes  # noqa: PLC0415

            scrapes = Scrapes(
                self._read,
                self._kind_of,
                _deployments(config),
                config.models,
                config.telemetry.conventions,
            )
            requests.append(scrapes.requests)
            steps.append(scrapes.steps)
            self.scrape = scrapes.scrape
            self.settled = scrapes.settled
            self.observer = _both(scrapes.observe, self.observer)
        if config.telemetry.traces:
            of_requests, of_steps = open_traces(
                content=config.telemetry.content, told=lambda: self._running.is_told
            )
            requests.append(of_requests)
            steps.append(of_steps)
        self.requests = together(*requests)
        """To be told of every request."""
        self.steps = Steps(*steps)
        """To be told of every turn and every tool."""

    def children(self) -> tuple[ChildSpec, ...]:
        """What must run beside the others."""
        lag = () if self.scrape is None else (child("loop-lag", self._lag.run),)
        return (*self.console.children(), *lag)

    def begin(self, system: System, budgets: Callable[[], Budgets]) -> None:
        """This is whom to read; `budgets` is asked for when it runs."""
        self._system, self._budgets = system, budgets
        self.console.begin(system, lambda: budgets().standings())

    def _kind_of(self, path: str) -> str:
        return self._running.kind_of(path)

    @property
    def _running(self) -> System:
        assert self._system is not None
        return self._system

    async def _read(self) -> Reading:
        system, config = self._running, self._config
        limiters = {
            (provider.name, number): system.ref(limiter_path(provider.name, key), Limiter)
            for provider in config.providers.values()
            for number, key in enumerate(key_ids(provider) or ("",))
        }
        circuits = {
            (each.provider, each.model): system.ref(
                breaker_path(each.provider, each.model), Circuit
            )
            for each in _deployments(config)
        }
        levels = await ask_each(limiters, GetLevel())
        states = await ask_each(circuits, GetState())
        budgets = await self._read_budgets()
        actors = system.snapshot()
        gateway = self.gateway
        return Reading(
            actors=actors,
            done=system.inspector.done(),
            limiters=levels,
            circuits=states,
            budgets=budgets,
            sessions=sum(actor.path.startswith("sessions/") for actor in actors),
            connections=0 if gateway is None else gateway.connections,
            websockets=0 if gateway is None else gateway.websockets,
            clients=self.console.use.clients,
            actions=self.console.use.actions,
            lag=self._lag.worst,
            stalls=self._lag.stalls,
        )

    async def _read_budgets(self) -> tuple[BudgetReading, ...]:
        assert self._budgets is not None
        try:
            standings = await self._budgets().standings()
        except ActorError:
            return ()  # the ledger is down, and trouper_actors says so
        return tuple(
            BudgetReading(
                name=standing.budget.name,
                limit=standing.limit.most,
                spent=standing.totals.spent,
                reserved=standing.totals.reserved,
            )
            for standing in standings
        )


def _unseen(_ref: ModelRef, _closing: Closing) -> None:
    pass


def _deployments(config: AppConfig) -> list[Deployment]:
    """All targets of all models, each once."""

    def each() -> Iterator[Deployment]:
        for model in config.models.values():
            for target in model.targets:
                provider = config.providers[target.provider]
                yield Deployment(provider.name, target.model, provider.kind, provider.base_url)

    return list(dict.fromkeys(each()))


def _both(first: Observer, second: Observer | None) -> Observer:
    if second is None:
        return first

    def observe(event: RuntimeEvent) -> None:
        first(event)
        second(event)

    return observe
