"""What is forgotten once it is old: rows of the ledger, conversations, batches, responses.

An actor looks once an hour, and forgets a little at a time, so that no call
waits long behind it. What is in use is never forgotten: attempts that are open,
sessions that a program has claimed, batches that are not done. The sums of
budgets without an end still have in them what a forgotten row weighed. For whom
no budget keeps a sum, none is begun: there are as many sessions and users as come.
"""

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import attrs
import structlog
import trio

from ...runtime import Actor, Request, on
from ...runtime.errors import ActorError
from .ledger import scopes_of
from .ledger_operations import begin_sum
from .writer import Writer, write

__all__ = [
    "Forget",
    "Keep",
    "PruneBatches",
    "PruneResponses",
    "PruneSessions",
    "PruneUsage",
    "Retention",
    "RetentionMessage",
]

_log = structlog.get_logger("trouper.store")

_DAY: Final = 86_400.0

# Seconds between two looks: a row lives by an hour longer than it has to, and nobody minds.
_EVERY = 3_600.0

# Seconds between two pieces of one look, in which others have their turn at the writer.
_PAUSE = 0.05

# What is forgotten in one transaction: each takes some milliseconds.
_ROWS = 500
_SESSIONS = 20
_REQUESTS = 500
_RESPONSES = 20

# Scopes of which a program that runs for years sees ever more.
_UNBOUNDED: Final = frozenset({"session", "user"})


@attrs.frozen(kw_only=True)
class Keep:
    """For how many days things are kept after they were used last; None is for good.

    `sums` are the scopes whose sum without an end has what was forgotten in it:
    "session:s1" is one, and "session" are all sessions. Those of all calls, of
    providers and of models need not be named: they are few.
    """

    usage: int | None = None
    sessions: int | None = None
    batches: int | None = None
    responses: int | None = None
    sums: frozenset[str] = frozenset()


class Prune(Protocol):
    """Forgets some of what is older than `before`; answers how many, 0 where none is left."""

    @property
    def slow(self) -> bool: ...

    def apply(self, connection: sqlite3.Connection) -> int: ...


@attrs.frozen
class PruneUsage:
    """Forget closed attempts that are older than that; `sums` as of `Keep`."""

    before: float
    sums: frozenset[str] = frozenset()
    most: int = _ROWS
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> int:
        found = connection.execute(
            "SELECT rowid, provider, model, session, user FROM usage_ledger "
            "WHERE at < ? AND state <> 'reserved' ORDER BY at LIMIT ?",
            (self.before, self.most),
        ).fetchall()
        # A sum that is not there would be made of the rows that are left.
        scopes = {scope for _, *whose in found for scope in scopes_of(*whose)}
        for scope in filter(self._has_sum, scopes):
            known = connection.execute(
                "SELECT 1 FROM budget WHERE scope = ? AND window = 'total'", (scope,)
            ).fetchone()
            if known is None:
                begin_sum(connection, scope, "total")
        connection.executemany(
            "DELETE FROM usage_ledger WHERE rowid = ?", [(number,) for number, *_ in found]
        )
        return len(found)

    def _has_sum(self, scope: str) -> bool:
        kind = scope.partition(":")[0]
        return kind not in _UNBOUNDED or kind in self.sums or scope in self.sums


@attrs.frozen
class PruneSessions:
    """Forget sessions that nobody has used since then, and that no program has claimed."""

    before: float
    most: int = _SESSIONS
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> int:
        deleted = connection.execute(
            "DELETE FROM session WHERE n IN (SELECT n FROM session "
            "WHERE touched < ? AND node = '' ORDER BY touched LIMIT ?)",
            (self.before, self.most),
        )
        return deleted.rowcount


@attrs.frozen
class PruneBatches:
    """Forget batches that were begun before then and are done, the requests of one piecemeal."""

    before: float
    most: int = _REQUESTS
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> int:
        found = connection.execute(
            "SELECT id FROM batch WHERE state = 'done' AND at < ? ORDER BY at LIMIT 1",
            (self.before,),
        ).fetchone()
        if found is None:
            return 0
        deleted = connection.execute(
            "DELETE FROM batch_request WHERE batch = ? AND n IN "
            "(SELECT n FROM batch_request WHERE batch = ? LIMIT ?)",
            (*found, *found, self.most),
        ).rowcount
        if deleted < self.most:
            connection.execute("DELETE FROM batch WHERE id = ?", found)
            deleted += 1
        return deleted


@attrs.frozen
class PruneResponses:
    """Forget what clients were answered before then, of whomever it is."""

    before: float
    most: int = _RESPONSES
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> int:
        deleted = connection.execute(
            "DELETE FROM response WHERE n IN "
            "(SELECT n FROM response WHERE at < ? ORDER BY at LIMIT ?)",
            (self.before, self.most),
        )
        return deleted.rowcount


class Forget(Request[int]):
    """Forget what is too old now; answers how many rows, sessions, requests and responses
    that were.

    Raises what the writer does.
    """


RetentionMessage = Forget


class Retention(Actor[RetentionMessage], background=True):
    """Forgets once an hour what `keep` says. `writer` is the path of the store's writer."""

    def __init__(
        self,
        keep: Keep,
        writer: str,
        *,
        clock: Callable[[], float] = time.time,
        every: float = _EVERY,
    ) -> None:
        self._keep = keep
        self._writer = writer
        self._clock = clock
        self._every = every

    async def on_start(self) -> None:
        self.start_soon(self._run)

    @on(Forget, task=True, limit=1)
    async def forget(self, message: Forget) -> int:
        return await self._forget()

    async def _run(self) -> None:
        while True:
            try:
                await self._forget()
            except ActorError as error:
                # The disk, or the writer, is in trouble, and says so itself.
                _log.debug("nothing is forgotten now", error=str(error))
            await trio.sleep(self._every)

    async def _forget(self) -> int:
        keep, now = self._keep, self._clock()
        usage = partial(PruneUsage, sums=keep.sums)
        return (
            await self._all("usage", usage, keep.usage, now)
            + await self._all("sessions", PruneSessions, keep.sessions, now)
            + await self._all("batches", PruneBatches, keep.batches, now)
            + await self._all("responses", PruneResponses, keep.responses, now)
        )

    async def _all(
        self, what: str, prune: Callable[[float], Prune], days: int | None, now: float
    ) -> int:
        if days is None:
            return 0
        operation, forgotten = prune(now - days * _DAY), 0
        while count := await write(self.find(self._writer, Writer), operation):
            forgotten += count
            await trio.sleep(_PAUSE)
        if forgotten:
            _log.info("old entries are forgotten", what=what, count=forgotten, older_than_days=days)
        return forgotten
