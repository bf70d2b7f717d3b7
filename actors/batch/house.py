"""What carrying batches on needs of the application that does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from ...runtime import Ref
from ..catalog.facts import ModelRef
from ..chat import ChatRequest, Completion
from ..config import AppConfig
from ..gate.budget import Budgets
from ..provider.knowledge import Knowledge
from ..store.ledger import Closing
from ..store.operations import Operation
from ..store.writer import WriterMessage, write
from .rows import BatchRow

__all__ = ["TEMPO", "Ask", "Fit", "House", "Tempo"]

R = TypeVar("R")


class Ask(Protocol):
    """Asks a configured model, with all retries and fallbacks. Raises ProviderError."""

    async def __call__(self, request: ChatRequest, batch: BatchRow) -> Completion: ...


class Fit(Protocol):
    """A request with what its model is configured with. Raises ProviderError."""

    def __call__(self, request: ChatRequest) -> ChatRequest: ...


@attrs.frozen(kw_only=True)
class Tempo:
    """How often is looked for news, in seconds.

    A batch of a provider is looked at after `first_look`, and then in growing
    steps up to `most`, as is what a fault has kept from going on. `settle` is how
    long a provider may take until its list has a batch that it has begun.
    """

    inbox: float = 1.0
    # Small batches are answered within seconds, large ones take hours.
    first_look: float = 2.0
    most: float = 60.0
    settle: float = 5.0
    growth: float = 1.5


TEMPO = Tempo()
"""That of every program."""


OnSettled = Callable[[ModelRef, Closing], None]


def _nobody(_ref: ModelRef, _closing: Closing) -> None:
    pass


@attrs.frozen(kw_only=True)
class House:
    """The application, as a batch sees it. `path` is the file of its store.

    `settled` is told of each request whose cost a provider's results have said.

    Not `one_by_one`: it stays for a moment only, in which nothing is asked that
    would be broken off.
    """

    config: AppConfig
    path: Path
    writer: Ref[WriterMessage]
    knowledge: Knowledge
    budgets: Budgets
    ask: Ask
    fit: Fit
    settled: OnSettled = _nobody
    one_by_one: bool = True
    tempo: Tempo = attrs.field(factory=lambda: TEMPO)

    async def write(self, operation: Operation[R]) -> R:
        """Write it, and wait until it is durable. Raises StoreError."""
        return await write(self.writer, operation)
