"""Reading a store's sessions without a part in their writing, also while a server runs.

    with JournalReader(Path("trouper.db")) as reader:
        for session in reader.sessions(): ...
        told = reader.read("sess_0123")

All of it blocks. What is read of one session is of one moment.
"""

import sqlite3
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import attrs

from .errors import said_of_file
from .journal import Snapshot, StoredEvent, StoredSession
from .journal_operations import Sessions, events_of, find_session, snapshot_of
from .reading import open_to_read

__all__ = ["JournalReader", "WholeSession"]

R = TypeVar("R")

_PAGE = 500
# Events of a session: more than there can be in its bound of 4,000,000 characters.
_ALL = 2**40


@attrs.frozen
class WholeSession:
    """All that the journal has of a session: a snapshot, if there is one, and what came after."""

    session: StoredSession
    snapshot: Snapshot | None
    events: tuple[StoredEvent, ...]


class JournalReader:
    """The sessions in the file `path`, to be read. A context manager.

    Opening raises StoreUnusable where there is no such file, StoreCorrupt,
    StoreTooNew, and StoreTooOld where a server has to bring it up to date first.
    Reading raises StoreError.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = str(path)
        self._connection = open_to_read(Path(path))

    def sessions(self, owner: str | None = None) -> Iterator[StoredSession]:
        """All sessions, or those of an owner, the one that was used last first."""
        after = (inf, 0)
        while found := self._read(Sessions(owner, after, _PAGE).apply):
            for _, session in found:
                yield session
            number, last = found[-1]
            after = (last.touched, number)

    def read(self, sid: str) -> WholeSession | None:
        """All that there is of a session; None where there is no such session."""
        return self._read(lambda connection: _whole(connection, sid))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, read: Callable[[sqlite3.Connection], R]) -> R:
        try:
            # A snapshot may take the place of events meanwhile.
            self._connection.execute("BEGIN")
            try:
                return read(self._connection)
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise said_of_file(error, self._file) from error


def _whole(connection: sqlite3.Connection, sid: str) -> WholeSession | None:
    found = find_session(connection, sid)
    if found is None:
        return None
    n, session = found
    events = tuple(events_of(connection, n, 1, _ALL))
    return WholeSession(session, snapshot_of(connection, n), events)
