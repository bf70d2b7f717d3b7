"""What GET /metrics answers: everything that is counted, and the state at this moment.

Importing prometheus-client takes 40 ms and a dozen modules of the standard
library, so nothing imports this before a program serves metrics.
"""

from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from ...runtime.events import RuntimeEvent
from ..catalog.facts import ModelRef
from ..store.ledger import Closing
from .collector import Snapshots
from .metrics import Metrics
from .names import Conventions
from .observer import RequestObserver
from .reading import Deployment, Reading
from .runtime import RuntimeMetrics
from .step_metrics import StepMetrics
from .steps import StepObserver

__all__ = ["Scrapes"]


class Scrapes:
    """All metrics of one program, in a registry of its own.

    `read` gives the state at this moment, and `kind_of` the class of the actor
    at a path. `deployments` and `models` are those of the configuration; what
    is asked of others is counted as "other".
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Reading]],
        kind_of: Callable[[str], str],
        deployments: Iterable[Deployment] = (),
        models: Iterable[str] = (),
        conventions: Conventions = "2026-05",
    ) -> None:
        self._read = read
        self._registry = CollectorRegistry()
        self._snapshots = Snapshots()
        self._registry.register(self._snapshots)
        self._runtime = RuntimeMetrics(self._registry, kind_of)
        # Memory, CPU and open files of the process, where there is /proc.
        ProcessCollector(registry=self._registry)
        self._metrics = Metrics(self._registry, deployments, models, conventions=conventions)
        self.requests: RequestObserver = self._metrics
        """To be told of all requests."""
        self.steps: StepObserver = StepMetrics(self._registry)
        """To be told of all turns and tools."""

    def observe(self, event: RuntimeEvent) -> None:
        """Take an event of the runtime: an Observer of a System."""
        self._runtime.observe(event)

    def settled(self, ref: ModelRef, closing: Closing) -> None:
        """Count what a request of a batch has cost, which nobody waited for."""
        calls = self._metrics.calls(ref.provider, ref.model)
        calls.charge(closing.usage, closing.cost, may_cost=closing.cost is None)

    async def scrape(self, accept: str = "") -> tuple[str, bytes]:
        """The type and the text of an answer to who sends this Accept header."""
        reading = await self._read()
        encode, content_type = choose_encoder(accept)
        # Nothing is awaited from here on: two scrapes at once have a reading each.
        self._snapshots.reading = reading
        return content_type, encode(self._registry)
