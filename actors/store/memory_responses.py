"""Responses in dicts, for tests and for programs that keep nothing: they end with the process.

It answers at once and never fails, so it is also what the one in SQLite is held
against: both must pass the same tests.
"""

import time
from collections import defaultdict
from collections.abc import Callable

import trio

from .responses import MOST_LINKS, Chain, Retention, StoredResponse

__all__ = ["MemoryResponses"]


class MemoryResponses:
    """Keeps responses within the bounds of `retention`; `clock` gives the seconds since 1970."""

    def __init__(
        self, retention: Retention | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._retention = retention or Retention()
        self._clock = clock
        # Of each owner, in the order in which they came.
        self._kept: dict[str, dict[str, StoredResponse]] = defaultdict(dict)

    async def put(self, response: StoredResponse) -> None:
        """Keep a response; older ones of its owner go where there is no room for them."""
        await trio.lowlevel.checkpoint()
        kept = self._kept[response.owner]
        kept[response.id] = response
        while len(kept) > 1 and not self._fits(kept):
            del kept[next(iter(kept))]

    def _fits(self, kept: dict[str, StoredResponse]) -> bool:
        return (
            len(kept) <= self._retention.most
            and sum(each.size for each in kept.values()) <= self._retention.most_bytes
        )

    async def find(self, id: str, *, owner: str) -> StoredResponse | None:
        """The response of that id; None where `owner` has none, or it was too long ago."""
        await trio.lowlevel.checkpoint()
        return self._find(id, owner)

    def _find(self, id: str, owner: str) -> StoredResponse | None:
        found = self._kept[owner].get(id)
        if found is not None and found.at < self._clock() - self._retention.seconds:
            return None
        return found

    async def chain(self, id: str, *, owner: str, most_bytes: int) -> Chain | None:
        """That response and all before it; None where one of them is not there (any more)."""
        await trio.lowlevel.checkpoint()
        found: list[StoredResponse] = []
        while id:
            response = self._find(id, owner)
            if response is None:
                return None
            most_bytes -= response.size
            if most_bytes < 0 or len(found) == MOST_LINKS:
                return Chain(tuple(reversed(found)), whole=False)
            found.append(response)
            id = response.previous
        return Chain(tuple(reversed(found)))

    async def delete(self, id: str, *, owner: str) -> bool:
        """Forget a response; whether there was one."""
        await trio.lowlevel.checkpoint()
        return self._find(id, owner) is not None and bool(self._kept[owner].pop(id))
