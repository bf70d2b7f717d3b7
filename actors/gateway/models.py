"""What the gateway needs of the models that are asked over HTTP; the application gives it."""

from collections.abc import Sequence
from typing import Protocol, Self

from ..chat import ChatRequest, Chunk, Completion
from ..provider.call import Call

__all__ = ["AnswerUnderWay", "Models"]


class AnswerUnderWay(Protocol):
    """An answer as it comes: batches of chunks, the last of which ends with Finished."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Sequence[Chunk]:
        """The next batch. Raises ProviderError, or another ActorError."""
        ...

    async def aclose(self) -> None:
        """Leave it: the provider stops at once."""
        ...


class Models(Protocol):
    """The configured models. A request's `model` is the name of one; "" is the default."""

    @property
    def names(self) -> Sequence[str]:
        """What may be asked for, in the order of the configuration."""
        ...

    async def complete(self, request: ChatRequest, call: Call) -> Completion:
        """The whole answer. Raises ProviderError, or another ActorError."""
        ...

    def stream(self, request: ChatRequest, call: Call) -> AnswerUnderWay:
        """The answer as it comes, without a Reset: what was handed on stands.

        Raises ProviderError for a request that names no model.
        """
        ...
