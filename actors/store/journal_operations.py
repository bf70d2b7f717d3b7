"""What the journal writes, each as one operation of the writer.

A refusal is an operation's answer, not its exception: the writer rolls all of a
commit back for one that raises. `JournalRefusal` says it without the file's name, which
operations do not know.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import attrs

from .errors import EventConflict, Fenced, Gap, JournalError, NoSuchSession, NotOwner
from .journal import (
    Claim,
    NewEvent,
    NewSession,
    Snapshot,
    StoredEvent,
    StoredSession,
    conflict,
)

__all__ = [
    "Append",
    "Delete",
    "Events",
    "Find",
    "JournalRefusal",
    "KeepSnapshot",
    "OpenSession",
    "Release",
    "Sessions",
    "events_of",
    "find_session",
    "recover_journal",
    "snapshot_of",
]

# What `_session_of` reads, in its order.
_SESSION: Final = "sid, owner, assistant, title, node, fence, head, created, touched"
_FIND: Final = f"SELECT n, {_SESSION} FROM session WHERE sid = ?"
_EVENTS: Final = (
    "SELECT seq, kind, v, at, body FROM session_event WHERE session = ? AND seq >= ? "
    "ORDER BY seq LIMIT ?"
)


@attrs.frozen
class JournalRefusal:
    """The kind of a refusal, and what it says behind the file's name."""

    kind: type[JournalError]
    values: tuple[Any, ...]

    def error(self, file: str) -> JournalError:
        """To be raised."""
        return self.kind(file, *self.values)


@attrs.frozen
class OpenSession:
    """Claim a session, or make it."""

    sid: str
    node: str
    create: NewSession | None
    steal_from: int | None
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> Claim | JournalRefusal:
        found = find_session(connection, self.sid)
        if found is None:
            return self._create(connection)
        n, session = found
        if session.node not in ("", self.node) and session.fence != self.steal_from:
            return JournalRefusal(NotOwner, (self.sid, session.node, session.fence))
        session = attrs.evolve(session, node=self.node, fence=session.fence + 1)
        connection.execute(
            "UPDATE session SET node = ?, fence = ? WHERE n = ?", (session.node, session.fence, n)
        )
        return Claim(session, snapshot_of(connection, n))

    def _create(self, connection: sqlite3.Connection) -> Claim | JournalRefusal:
        new = self.create
        if new is None:
            return JournalRefusal(NoSuchSession, (self.sid,))
        session = StoredSession(
            sid=self.sid,
            owner=new.owner,
            assistant=new.assistant,
            title="",
            node=self.node,
            fence=1,
            head=0,
            created=new.at,
            touched=new.at,
        )
        values = attrs.astuple(session, recurse=False)
        connection.execute(
            f"INSERT INTO session ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        return Claim(session, None)


@attrs.frozen
class Append:
    """Add events. Answers with the number of the session's last one."""

    sid: str
    fence: int
    first_seq: int
    events: tuple[NewEvent, ...]
    title: str | None
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> int | JournalRefusal:
        found = connection.execute(
            "SELECT n, fence, head FROM session WHERE sid = ?", (self.sid,)
        ).fetchone()
        if found is None:
            return JournalRefusal(NoSuchSession, (self.sid,))
        n, fence = found[:2]
        head: int = found[2]
        if fence != self.fence:
            return JournalRefusal(Fenced, (self.sid, self.fence, fence))
        if self.first_seq > head + 1:
            return JournalRefusal(Gap, (self.sid, self.first_seq, head))
        known = head + 1 - self.first_seq
        if known:
            kept = events_of(connection, n, self.first_seq, min(known, len(self.events)))
            taken = conflict(kept, self.first_seq, self.events)
            if taken is not None:
                return JournalRefusal(EventConflict, (self.sid, taken))
        new = self.events[known:]
        if new or self.title is not None:
            head = self._write(connection, n, head, new)
        return head

    def _write(
        self, connection: sqlite3.Connection, n: int, head: int, new: Sequence[NewEvent]
    ) -> int:
        connection.executemany(
            "INSERT INTO session_event (session, seq, at, kind, v, body) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (n, seq, event.at, event.kind, event.v, event.body)
                for seq, event in enumerate(new, head + 1)
            ],
        )
        head += len(new)
        connection.execute(
            "UPDATE session SET head = ?, touched = max(touched, ?), title = coalesce(?, title) "
            "WHERE n = ?",
            (head, new[-1].at if new else 0.0, self.title, n),
        )
        return head


@attrs.frozen
class KeepSnapshot:
    """Keep what events come to, in their place."""

    sid: str
    fence: int
    snapshot: Snapshot
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> JournalRefusal | None:
        found = find_session(connection, self.sid)
        if found is None:
            return JournalRefusal(NoSuchSession, (self.sid,))
        n, session = found
        snapshot = self.snapshot
        if session.fence != self.fence:
            return JournalRefusal(Fenced, (self.sid, self.fence, session.fence))
        if snapshot.seq > session.head:
            return JournalRefusal(Gap, (self.sid, snapshot.seq, session.head))
        earlier = snapshot_of(connection, n)
        if earlier is None or earlier.seq < snapshot.seq:
            connection.execute(
                "INSERT OR REPLACE INTO session_snapshot VALUES (?, ?, ?, ?)",
                (n, snapshot.seq, snapshot.v, snapshot.body),
            )
            connection.execute(
                "DELETE FROM session_event WHERE session = ? AND seq <= ?", (n, snapshot.seq)
            )
        return None


@attrs.frozen
class Release:
    """Give a claim back, if it is worth anything."""

    sid: str
    fence: int
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE session SET node = '' WHERE sid = ? AND fence = ?", (self.sid, self.fence)
        )


@attrs.frozen
class Delete:
    """Forget a session. Answers whether there was one."""

    sid: str
    node: str
    # It may have ten thousand events.
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> bool | JournalRefusal:
        found = find_session(connection, self.sid)
        if found is None:
            return False
        n, session = found
        if session.node not in ("", self.node):
            return JournalRefusal(NotOwner, (self.sid, session.node, session.fence))
        connection.execute("DELETE FROM session WHERE n = ?", (n,))
        return True


@attrs.frozen
class Find:
    """That session, or None."""

    sid: str
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> StoredSession | None:
        found = find_session(connection, self.sid)
        return None if found is None else found[1]


@attrs.frozen
class Events:
    """Events of a session, from a number on."""

    sid: str
    from_seq: int
    limit: int
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> list[StoredEvent]:
        found = find_session(connection, self.sid)
        return [] if found is None else events_of(connection, found[0], self.from_seq, self.limit)


@attrs.frozen
class Sessions:
    """The next page of sessions behind `after` (when it was used, and its number), each with its
    number; those of an owner, or of all."""

    owner: str | None
    after: tuple[float, int]
    limit: int
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> list[tuple[int, StoredSession]]:
        found = connection.execute(
            f"SELECT n, {_SESSION} FROM session WHERE (touched, n) < (?, ?) "
            "AND (?3 IS NULL OR owner = ?3) ORDER BY touched DESC, n DESC LIMIT ?4",
            (*self.after, self.owner, self.limit),
        )
        return [(columns[0], _session_of(columns[1:])) for columns in found]


def recover_journal(connection: sqlite3.Connection) -> None:
    """At the opening of a file: whoever has claimed a session in it is dead."""
    connection.execute("UPDATE session SET node = '' WHERE node <> ''")


def _session_of(columns: Sequence[Any]) -> StoredSession:
    """The session, of what is selected by `_SESSION`."""
    sid, owner, assistant, title, node, fence, head, created, touched = columns
    return StoredSession(
        sid=sid,
        owner=owner,
        assistant=assistant,
        title=title,
        node=node,
        fence=fence,
        head=head,
        created=created,
        touched=touched,
    )


def events_of(
    connection: sqlite3.Connection, n: int, from_seq: int, limit: int
) -> list[StoredEvent]:
    """Events of session number `n`, from a number on."""
    return [StoredEvent(*columns) for columns in connection.execute(_EVENTS, (n, from_seq, limit))]


def snapshot_of(connection: sqlite3.Connection, n: int) -> Snapshot | None:
    """The snapshot of session number `n`, if it has one."""
    found = connection.execute(
        "SELECT seq, v, body FROM session_snapshot WHERE session = ?", (n,)
    ).fetchone()
    return None if found is None else Snapshot(*found)


def find_session(connection: sqlite3.Connection, sid: str) -> tuple[int, StoredSession] | None:
    """That session and its number, or None."""
    found = connection.execute(_FIND, (sid,)).fetchone()
    return None if found is None else (found[0], _session_of(found[1:]))
