"""One SQLite file, or a database in memory, as the writer has it.

`open` brings the file to today's version and lets each of `recover` look at
what an earlier process has left; that is once in the life of a Database, which
outlives the crashes of its writer. All of it may block: call it in a thread.
Its connection may be used from several threads, but never at the same time.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from .budget_sums import StoreConnection
from .errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnusable, said_of_file
from .lock import FileLock
from .schema import APPLICATION_ID, MIGRATIONS

__all__ = ["MEMORY", "Database", "Durability", "Recover"]

MEMORY = ":memory:"
"""The path of a database that is nowhere but in memory."""

Durability = Literal["full", "relaxed"]
"""What was acknowledged survives a power failure, or only the death of the process."""

Recover = Callable[[sqlite3.Connection], None]

# Milliseconds that a thread waits for another program's lock.
_BUSY_TIMEOUT = 5_000

_SYNCHRONOUS = {"full": "FULL", "relaxed": "NORMAL"}


class Database:
    """A store's database. Made closed."""

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "full",
        recover: Sequence[Recover] = (),
        migrations: Sequence[str] = MIGRATIONS,
    ) -> None:
        self.is_file = str(path) != MEMORY
        self.path = Path(path).absolute() if self.is_file else Path(MEMORY)
        self.waits_for_disk = self.is_file and durability == "full"
        """Whether a COMMIT waits until the disk has it."""
        self._durability = durability
        self._recover = recover
        self._migrations = migrations
        self._lock = FileLock(self.path) if self.is_file else None
        self._connection: StoreConnection | None = None
        self._recovered = False

    def __str__(self) -> str:
        return str(self.path)

    @property
    def connection(self) -> StoreConnection:
        """The one connection that writes."""
        assert self._connection is not None, f"{self} is not open"
        return self._connection

    def open(self) -> None:
        """Open it, as ready to be written; no matter if it is open.

        Raises StoreUnusable, StoreInUse, StoreTooNew and StoreCorrupt.
        """
        if self._connection is not None:
            return
        if self._lock is not None:
            self._lock.take()
        try:
            if self.is_file:
                _make_private(self.path)
            self._connection = self._connect()
            self._prepare(self._connection)
        except sqlite3.Error as error:
            self.close()
            raise said_of_file(error, str(self)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it for good, with all that was committed in the one file; never raises."""
        if self._connection is not None:
            # The last one to close takes the -wal file's content over, and deletes it.
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.release()

    def give_up(self) -> None:
        """Forget an unfinished transaction, and the connection to a file that may be at fault.

        What is only in memory is not at fault, and would be lost.
        """
        if self._connection is not None and self.is_file:
            self._connection.close()
            self._connection = None
        elif self._connection is not None and self._connection.in_transaction:
            self.roll_back()

    def roll_back(self) -> None:
        """Undo the transaction that is under way."""
        self.connection.execute("ROLLBACK")
        self.connection.sums.forget()

    def begin_waiting(self) -> None:
        """Begin a transaction, waiting some seconds for another program to end its own."""
        connection = self.connection
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def checkpoint(self) -> None:
        """Take the -wal file's content over into the file, unless a reader is in the way.

        Raises StoreError.
        """
        try:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise said_of_file(error, str(self)) from error

    def take_over_log(self) -> None:
        """Take over of the -wal file what can be: for the one whose COMMITs do not see to that."""
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _connect(self) -> StoreConnection:
        connection = sqlite3.connect(
            str(self.path),
            timeout=_BUSY_TIMEOUT / 1000,
            isolation_level=None,
            check_same_thread=False,
            factory=StoreConnection,
        )
        if self.is_file:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                connection.close()
                raise StoreUnusable(
                    str(self), f"SQLite can keep no write-ahead log there (it says {mode})"
                )
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
            if not self.waits_for_disk:
                # It would sync the file, within a COMMIT that is to wait for nothing.
                connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN EXCLUSIVE")
        self._migrate(connection)
        if not self._recovered:
            for recover in self._recover:
                recover(connection)
        connection.execute("COMMIT")
        self._recovered = True
        # The event loop begins the transactions, and does not wait; `begin_waiting` does.
        connection.execute("PRAGMA busy_timeout = 0")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and owner != APPLICATION_ID:
            raise _not_ours(str(self))
        if found > len(self._migrations):
            raise StoreTooNew(str(self), found, len(self._migrations))
        if found == len(self._migrations):
            return
        for script in self._migrations[found:]:
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(self._migrations)}")


def _make_private(path: Path) -> None:
    """Make a new file before SQLite does, for its owner alone: who asks what is private."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not even opened: to close it would end all locks that SQLite has on it here.
        pass
    except OSError as error:
        raise StoreUnusable(
            str(path), f"it cannot be made: {error.strerror}; check its folder and its disk"
        ) from error


def _not_ours(file: str) -> StoreError:
    return StoreCorrupt(
        file, "it is the database of another program; set another path in [store], for a new file"
    )
