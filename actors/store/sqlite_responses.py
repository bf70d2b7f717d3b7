"""Responses in SQLite, over a store's writer.

What is written waits for its commit. What is read of a file is read beside the
writer, on a connection of its own and in a thread.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from ...runtime import Ref
from .database import Database
from .operations import Operation
from .response_operations import DeleteResponse, FindResponse, PutResponse, ReadChain
from .responses import Chain, Retention, StoredResponse
from .store_reader import read_once
from .threads import in_thread
from .writer import WriterMessage, write

__all__ = ["SqliteResponses"]

R = TypeVar("R")

# Where there is no file they lie in memory, where a person's or a test's find room.
_IN_MEMORY = 64 * 1024 * 1024


class SqliteResponses:
    """The responses of one store. Made by `Store.responses`; `clock` gives the seconds since
    1970."""

    def __init__(
        self,
        writer: Ref[WriterMessage],
        database: Database,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._database = database
        usual = Retention() if database.is_file else Retention(most_bytes=_IN_MEMORY)
        self._retention = usual if retention is None else retention
        self._clock = clock

    async def put(self, response: StoredResponse) -> None:
        """Keep a response; older ones of its owner go where there is no room for them."""
        await write(self._writer, PutResponse(response, self._retention))

    async def find(self, id: str, *, owner: str) -> StoredResponse | None:
        """The response of that id; None where `owner` has none, or it was too long ago."""
        return await self._read(FindResponse(id, owner, self._since))

    async def chain(self, id: str, *, owner: str, most_bytes: int) -> Chain | None:
        """That response and all before it; None where one of them is not there (any more)."""
        return await self._read(ReadChain(id, owner, self._since, most_bytes))

    async def delete(self, id: str, *, owner: str) -> bool:
        """Forget a response; whether there was one."""
        return await write(self._writer, DeleteResponse(id, owner, self._since))

    @property
    def _since(self) -> float:
        return self._clock() - self._retention.seconds

    async def _read(self, operation: Operation[R]) -> R:
        if self._database.is_file:
            return await in_thread(read_once, self._database.path, operation.apply)
        return await write(self._writer, operation)
