"""Reading a store's sessions without a part in their writing, also while a server runs.

    with JournalReader(Path("trouper.db")) as reader:
        for session in reader.sessions(): ...
        told = reader.read("sess_0123")

All of it blocks. What is read of one session is of one moment.
"""

import sqlite3
from collections.abc import Iterator
from math import inf
from typing import TypeVar

import attrs

from .journal import Snapshot, StoredEvent, StoredSession
from .journal_operations import Sessions, events_of, find_session, snapshot_of
from .store_reader import StoreReader

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


class JournalReader(StoreReader):
    """The sessions in the file `path`, to be read."""

    def sessions(self, owner: str | None = None) -> Iterator[StoredSession]:
        """All sessions, or those of an owner, the one that was used last first."""
        after = (inf, 0)
        while found := self.of_one_moment(Sessions(owner, after, _PAGE).apply):
            for _, session in found:
                yield session
            number, last = found[-1]
            after = (last.touched, number)

    def read(self, sid: str) -> WholeSession | None:
        """All that there is of a session; None where there is no such session."""
        # A snapshot may take the place of events meanwhile.
        return self.of_one_moment(lambda connection: _whole(connection, sid))


def _whole(connection: sqlite3.Connection, sid: str) -> WholeSession | None:
    found = find_session(connection, sid)
    if found is None:
        return None
    n, session = found
    events = tuple(events_of(connection, n, 1, _ALL))
    return WholeSession(session, snapshot_of(connection, n), events)
