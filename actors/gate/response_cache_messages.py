"""What one asks of the response cache."""

from collections.abc import AsyncIterator, Awaitable, Callable
from math import inf
from typing import Literal, Protocol

import attrs

from ...runtime import Streams
from ..chat import Chunk, Completion

__all__ = ["Found", "Share", "Source", "Upstream"]

Source = Literal["asked", "shared", "kept"]
"""A provider was asked for this; a request that was under way is listened to; it was kept."""


class Upstream(Protocol):
    """An answer as it comes from a provider: batches of chunks, the first one with content."""

    def __aiter__(self) -> AsyncIterator[list[Chunk]]: ...

    def __anext__(self) -> Awaitable[list[Chunk]]: ...

    def aclose(self) -> Awaitable[object]:
        """Leave the answer, also before its end."""
        ...


@attrs.define(eq=False)
class Found:
    """How an answer is come by. Good once its first batch is there.

    Where it is not "asked", no provider was asked on its behalf, and it costs
    nothing. `target` ("provider/model") is who has answered then, and known at
    the end; `age` is that of a kept answer, in seconds.
    """

    source: Source = "asked"
    target: str = ""
    age: float = 0.0


def _always(completion: Completion) -> bool:
    return True


def _nobody() -> str:
    return ""


@attrs.frozen(eq=False, kw_only=True)
class Share(Streams[list[Chunk]]):
    """The answer to the request of this key (wire/canonical.py), from wherever it is to be had.

    `ask` begins to ask the provider. It is called at most once, in a task of
    the cache, which goes on while anybody listens; it raises ProviderError and
    nothing else. `keep_for` is in seconds: no answer that is older is given,
    and a good one is kept for so long. Who has answered is told by
    `answered_by` ("provider/model"), and whether that answer is to be kept,
    besides being good, by `keep`: both are called when it is over. `deadline`
    is on trio's clock. Raises ProviderError.
    """

    key: bytes
    keep_for: float
    ask: Callable[[], Upstream] = attrs.field(repr=False)
    keep: Callable[[Completion], bool] = attrs.field(default=_always, repr=False)
    answered_by: Callable[[], str] = attrs.field(default=_nobody, repr=False)
    deadline: float = inf
    found: Found = attrs.field(factory=Found)
