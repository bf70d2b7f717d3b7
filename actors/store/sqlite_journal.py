"""The journal in SQLite, over the one writer of its file.

Many appends share a commit, with each other and with the ledger's. Reading a
file is done on connections of its own, so that nobody's append waits for it.
"""

from collections.abc import AsyncGenerator, Sequence
from math import inf
from typing import TypeVar

from ...runtime import Ref
from .database import Database
from .journal import Claim, NewEvent, NewSession, Snapshot, StoredEvent, StoredSession
from .journal_operations import (
    Append,
    Delete,
    Events,
    Find,
    JournalRefusal,
    KeepSnapshot,
    OpenSession,
    Release,
    Sessions,
)
from .operations import Operation
from .store_reader import read_once
from .threads import in_thread
from .writer import WriterMessage, write

__all__ = ["SqliteJournal"]

R = TypeVar("R")

# Sessions read at a time: a millisecond of work.
_PAGE = 200
# Above the number of any session: SQLite's largest.
_LAST = 2**63 - 1


class SqliteJournal:
    """The journal of one store. Made by `Store.journal`."""

    def __init__(self, writer: Ref[WriterMessage], database: Database) -> None:
        self._writer = writer
        self._database = database

    async def open(
        self,
        sid: str,
        node: str,
        *,
        create: NewSession | None = None,
        steal_from: int | None = None,
    ) -> Claim:
        """Claim a session for `node`; make it where there is none and `create` says how."""
        return await self._write(OpenSession(sid, node, create, steal_from))

    async def append(
        self,
        sid: str,
        fence: int,
        first_seq: int,
        events: Sequence[NewEvent],
        *,
        title: str | None = None,
    ) -> int:
        """Add events, of which the first has the number `first_seq`; the session's head."""
        return await self._write(Append(sid, fence, first_seq, tuple(events), title))

    async def read(self, sid: str, from_seq: int = 1, limit: int = 500) -> list[StoredEvent]:
        """Up to `limit` events from that number on, in order; those that are kept."""
        return await self._read(Events(sid, from_seq, limit))

    async def snapshot(self, sid: str, fence: int, snapshot: Snapshot) -> None:
        """Keep what the events up to its `seq` come to, and forget those events."""
        await self._write(KeepSnapshot(sid, fence, snapshot))

    async def release(self, sid: str, fence: int) -> None:
        """Give a claim back; one that is no longer worth anything says nothing."""
        await write(self._writer, Release(sid, fence))

    async def find(self, sid: str) -> StoredSession | None:
        """That session, or None."""
        return await write(self._writer, Find(sid))

    async def sessions(
        self, owner: str | None = None, *, until: float = inf
    ) -> AsyncGenerator[StoredSession]:
        """All sessions, or those of an owner, the one that was used last first."""
        after = (until, _LAST)
        while True:
            found = await self._read(Sessions(owner, after, _PAGE))
            for _, session in found:
                yield session
            if len(found) < _PAGE:
                return
            number, last = found[-1]
            after = (last.touched, number)

    async def delete(self, sid: str, node: str = "") -> bool:
        """Forget a session and all its events; whether there was one."""
        return await self._write(Delete(sid, node))

    async def _write(self, operation: Operation[R | JournalRefusal]) -> R:
        answer = await write(self._writer, operation)
        if isinstance(answer, JournalRefusal):
            raise answer.error(str(self._database))
        return answer

    async def _read(self, operation: Operation[R]) -> R:
        if self._database.is_file:
            return await in_thread(read_once, self._database.path, operation.apply)
        return await write(self._writer, operation)
