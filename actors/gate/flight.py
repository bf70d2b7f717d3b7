"""One request under way, and all who listen to it.

Its batches are held from the first on, so that whoever comes later hears all of
it, and a slow listener holds up nobody. So it is as large as its answer, which
the provider's connection bounds, until the last listener has gone.
"""

from collections.abc import Callable

import attrs
import trio

from ..chat import Chunk, Completion
from ..errors import ErrorKind, ProviderError
from ..wire.assembly import Assembly

__all__ = ["Flight"]

# Failures of who has asked, and of nobody else: their money, their time. All
# others would meet the next one, too, and many who ask anew make it worse.
_PERSONAL = frozenset({ErrorKind.BUDGET_EXCEEDED, ErrorKind.LIMITER_TIMEOUT, ErrorKind.TIMEOUT})


class Flight:
    """An answer that comes in, to the request of `key`; `answered_by` tells whose it is."""

    def __init__(self, key: bytes, answered_by: Callable[[], str]) -> None:
        self.key = key
        self.answered_by = answered_by
        self.scope = trio.CancelScope()
        """That of the task that reads it from the provider."""
        self.listeners = 0
        self.over = False
        """Whether nothing more comes; without a `failure` it is whole."""
        self.failure: ProviderError | None = None
        self._batches: list[list[Chunk]] = []
        self._news = trio.Event()

    def add(self, batch: list[Chunk]) -> None:
        """The next batch has come."""
        self._batches.append(batch)
        self._tell()

    def end(self, failure: ProviderError | None = None) -> None:
        """The answer is whole, or ends with that failure; all who listen are told."""
        self.over = True
        self.failure = failure
        self._tell()

    def _tell(self) -> None:
        if self.listeners:
            self._news.set()
            self._news = trio.Event()

    async def after(self, heard: int) -> tuple[list[Chunk], int]:
        """What comes after the first `heard` batches, as one, and how many have come by then.

        Waits for it; once nothing more comes, there is nothing in it.
        """
        while len(self._batches) == heard and not self.over:
            await self._news.wait()
        fresh = self._batches[heard:]
        return [chunk for batch in fresh for chunk in batch], heard + len(fresh)

    @property
    def spares_others(self) -> bool:
        """Whether it failed for a reason that is none for the next one who asks."""
        return self.failure is not None and self.failure.kind in _PERSONAL

    def failed(self) -> ProviderError:
        """The failure, for one more listener: each raises one of its own, with its own way up."""
        assert self.failure is not None
        return attrs.evolve(self.failure)

    def completion(self) -> Completion:
        """The answer as one value; only where it has ended well."""
        assembly = Assembly()
        for batch in self._batches:
            assembly.extend(batch)
        return assembly.completion()
