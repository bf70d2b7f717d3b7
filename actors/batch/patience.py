"""Asking a provider until it has said yes or no, however long that takes.

Nobody waits for a batch, so what passes is waited for, and what a person must
mend (a key that is refused, an account without credit) as well: the batch's
note says what it is. Only a request that would be refused each time is given up.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

from ..errors import ErrorKind, ProviderError
from .house import House
from .operations import Note
from .rows import BatchRow

__all__ = ["Patience"]

_log = structlog.get_logger("trouper.batch")

R = TypeVar("R")

# What somebody has to mend, and what another key may not share.
_OF_THE_KEY = frozenset({ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.QUOTA_EXHAUSTED})


class Patience:
    """What a batch remembers of its provider's moods: the key that serves, and the next pause."""

    def __init__(
        self, house: House, batch: BatchRow, keys: tuple[str, ...], key_id: str = ""
    ) -> None:
        self._house = house
        self._batch = batch.id
        self._keys = keys
        self.key_id = key_id if key_id in keys else keys[0]
        self._refused: set[str] = set()
        self._pause = 1.0
        # What an earlier life has noted may be over.
        self._noted = bool(batch.note)

    async def until(self, ask: Callable[[], Awaitable[R]], *, refusals: int = 1) -> R:
        """What `ask` gives in the end.

        Raises ProviderError where asking again is of no use: it was refused for
        good so many times in a row.
        """
        refused = 0
        while True:
            try:
                answer = await ask()
            except ProviderError as error:
                refused = 0 if self.is_passing(error) else refused + 1
                if refused == refusals:
                    raise
                await self.bear(error)
            else:
                await self.well()
                return answer

    @staticmethod
    def is_passing(error: ProviderError) -> bool:
        """Whether it may go well another time."""
        return error.retryable or error.kind in _OF_THE_KEY or (error.status or 0) >= 500

    async def bear(self, error: ProviderError, *, may_change_key: bool = False) -> None:
        """Note it, and wait a while; or go on at once with another key, where that may be."""
        if error.kind in _OF_THE_KEY:
            self._refused.add(self.key_id)
            others = [key for key in self._keys if key not in self._refused]
            if may_change_key and others:
                self.key_id = others[0]
                return
            self._refused.clear()
        wait = max(self._pause, error.retry_after or 0.0)
        _log.warning("batch waits", batch=self._batch, kind=error.kind.value, wait_s=round(wait, 1))
        await self._house.write(Note(self._batch, str(error)))
        self._noted = True
        self._pause = min(2 * self._pause, self._house.tempo.most)
        await trio.sleep(min(wait, 10 * self._house.tempo.most))

    async def well(self) -> None:
        """It goes well again."""
        self._pause = 1.0
        if self._noted:
            self._noted = False
            await self._house.write(Note(self._batch, ""))
