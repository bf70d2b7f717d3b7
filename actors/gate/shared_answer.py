"""A request's way through the response cache, as an iterator like any other answer.

    answer = SharedAnswer(cache, Share(key=..., keep_for=3600, ask=lambda: stream(targets, request)))
    async with aclosing(answer):
        async for batch in answer:      # answer.found says where it comes from
            ...

The cache is a help and no need: where it is down or full, the provider is asked
as if there were none.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing

import structlog

from ...runtime import ActorError, Ref, Stream
from ..chat import Chunk, Completion
from ..errors import ProviderError
from ..wire.assembly import Assembly, chunks_of
from .response_cache_messages import Found, Share, Upstream

__all__ = ["InOnePiece", "SharedAnswer", "whole"]

_log = structlog.get_logger("trouper.cache")


class SharedAnswer:
    """The answer to `share`. Iterate once, in one task; close it where it is left early.

    Raises ProviderError, and ActorError where the cache dies while it hands on.
    """

    def __init__(self, cache: Ref[Share], share: Share) -> None:
        self._cache = cache
        self._share = share
        self._opened: AbstractAsyncContextManager[Stream[list[Chunk]]] | None = None
        self._batches: Stream[list[Chunk]] | Upstream | None = None

    @property
    def found(self) -> Found:
        """Where it comes from; good once the first batch is there."""
        return self._share.found

    def __aiter__(self) -> "SharedAnswer":
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._batches is None:
            return await self._begin()
        return await anext(self._batches)

    async def aclose(self) -> None:
        """Leave it. The provider is left with it, unless others listen."""
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)
            self._opened = None
        elif self._batches is not None and not isinstance(self._batches, Stream):
            await self._batches.aclose()

    async def _begin(self) -> list[Chunk]:
        opened = self._cache.stream(self._share)
        try:
            self._batches = stream = await opened.__aenter__()
            self._opened = opened
            return await anext(stream)
        except ProviderError:
            raise
        except ActorError as error:
            _log.warning("response cache is left out", error=str(error))
        await self.aclose()
        self.found.source = "asked"
        self._batches = self._share.ask()
        return await anext(self._batches)


class InOnePiece:
    """An answer that comes as a whole, as an `Upstream`: for `Share.ask` of a plain call."""

    def __init__(self, complete: Callable[[], Awaitable[Completion]]) -> None:
        self._complete = complete
        self.completion: Completion | None = None
        """The answer itself, with all that chunks do not tell."""

    def __aiter__(self) -> "InOnePiece":
        return self

    async def __anext__(self) -> list[Chunk]:
        if self.completion is not None:
            raise StopAsyncIteration
        self.completion = await self._complete()
        return chunks_of(self.completion)

    async def aclose(self) -> None:
        """Nothing is open."""


async def whole(answer: Upstream) -> Completion:
    """All of an answer, which is closed then."""
    assembly = Assembly()
    async with aclosing(answer):
        async for batch in answer:
            assembly.extend(batch)
    return assembly.completion()
