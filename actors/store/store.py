"""A store: one SQLite file (or a database in memory), its writer, and what is kept in it.

In a tree: `store.spec()` is the child to start before all who write, and
`store.ledger(system.ref(...))` the ledger over it, `store.journal(...)` the
journal, `store.responses(...)` what was answered to clients. Alone:

    async with open_ledger("usage.db") as ledger: ...
    async with open_journal("talks.db") as journal: ...
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from ...runtime import Backoff, ChildSpec, Ref, System, child, supervisor
from .backlog import Backlog
from .database import Database, Durability
from .journal_operations import recover_journal
from .ledger_operations import recover
from .sqlite_journal import SqliteJournal
from .sqlite_ledger import SqliteLedger
from .sqlite_responses import SqliteResponses
from .writer import Writer, WriterMessage

__all__ = ["Store", "open_journal", "open_ledger"]

# A disk that is full for an hour must not end the program: with this backoff
# the writer cannot crash so often in a minute, and it comes back within 5 s.
_BACKOFF = Backoff(initial=0.1, maximum=5.0, reset_after=30.0)
_CRASHES, _PERIOD = 30, 60.0

# Seconds to write what is left, at the end, on a disk that is slow.
_SHUTDOWN = 10.0
# Seconds. To bring a large file up to date takes its time.
_START_TIMEOUT = 60.0

_WRITER = "writer"


class Store:
    """The store in the file `path`, or ":memory:". Good for one run of a program.

    `durability` "full" survives a power failure, "relaxed" the death of the
    process only. When it is opened, attempts that a dead program has left open are
    closed as lost, and the sessions that it has claimed are free.
    """

    def __init__(self, path: str | Path, *, durability: Durability = "full") -> None:
        self.database = Database(path, durability=durability, recover=[recover, recover_journal])
        self.backlog = Backlog()

    def spec(self, id: str = "store") -> ChildSpec:
        """The child that writes; a supervisor, so that others need not fall with it.

        While it is between two lives, who asks of it is refused at once.
        """
        writer = child(
            _WRITER,
            partial(Writer, self.database, self.backlog),
            backoff=_BACKOFF,
            while_down="reject",
            shutdown=_SHUTDOWN,
            start_timeout=_START_TIMEOUT,
            poison=0,
        )
        return supervisor(id, writer, intensity=_CRASHES, period=_PERIOD)

    @staticmethod
    def writer_path(id: str = "store") -> str:
        """Where the writer stands, of a store whose spec has this id, at the top of a tree."""
        return f"{id}/{_WRITER}"

    def ledger(self, writer: Ref[WriterMessage]) -> SqliteLedger:
        """The ledger in it, over its running writer."""
        return SqliteLedger(writer, self.backlog, self.database)

    def journal(self, writer: Ref[WriterMessage]) -> SqliteJournal:
        """The journal in it, over its running writer."""
        return SqliteJournal(writer, self.database)

    def responses(self, writer: Ref[WriterMessage]) -> SqliteResponses:
        """The answered responses in it, over its running writer."""
        return SqliteResponses(writer, self.database)


@asynccontextmanager
async def open_ledger(
    path: str | Path, *, durability: Durability = "full"
) -> AsyncGenerator[SqliteLedger]:
    """The ledger in that file alone, for the length of a block.

    Raises StartFailed, with a StoreError as its cause, where it cannot be opened.
    """
    store = Store(path, durability=durability)
    async with System(store.spec(), signals=False, name="ledger") as system:
        yield store.ledger(system.ref(Store.writer_path(), Writer))


@asynccontextmanager
async def open_journal(
    path: str | Path, *, durability: Durability = "full"
) -> AsyncGenerator[SqliteJournal]:
    """The journal in that file alone, for the length of a block; raises as `open_ledger`."""
    store = Store(path, durability=durability)
    async with System(store.spec(), signals=False, name="journal") as system:
        yield store.journal(system.ref(Store.writer_path(), Writer))
