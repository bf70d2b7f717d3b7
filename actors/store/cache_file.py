"""Kept answers in a SQLite file of their own, beside the store's.

Of its own, because it may be lost: its commits do not wait for the disk, a
damaged file is put aside for a new one, and large answers stay out of the
journal's write-ahead log. Writes go through a writer of its own (writer.py).
Reads are a look-up by key on the event loop, over a connection that cannot
write. The latest answers are in memory, too: those that are not in the file
yet, and those that everybody asks for.
"""

import sqlite3
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path

import attrs
import structlog

from ...runtime import ActorError, Backoff, ChildSpec, Ref, child, supervisor
from ..wire.stored import Unreadable, read_completion, write_completion
from .backlog import Backlog
from .cache import LARGEST, KeptAnswer, MemoryAnswers
from .database import Database
from .errors import StoreCorrupt, StoreTooNew, is_of_the_file
from .operations import Operation
from .writer import Look, Writer, WriterMessage

__all__ = ["AnswerFile"]

_log = structlog.get_logger("trouper.cache")

_SCHEMA = """
CREATE TABLE response_cache (
    key        BLOB PRIMARY KEY,
    at         REAL NOT NULL,
    expires_at REAL NOT NULL,
    target     TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX response_cache_expires_at ON response_cache (expires_at);
"""

# Bytes in memory in front of the file: some thousand answers of a page.
_IN_FRONT = 8 * 1024 * 1024

# Answers that are deleted at once, and how often that is done for one that is
# written: room among small ones, and no more than a millisecond of work.
_AT_ONCE = 8
_TIMES = 16

# Writes that wait for a file that is down; further answers are not kept.
_MOST_WAITING = 64

# A disk that is full for an hour must not end the program: with this backoff the
# writer cannot crash so often in a minute.
_BACKOFF = Backoff(initial=1.0, maximum=30.0, reset_after=60.0)
_CRASHES, _PERIOD = 30, 60.0


class _CacheDatabase(Database):
    """The file of kept answers. One that cannot be used is put aside, and begun anew.

    The damaged one stays beside it as `NAME.damaged` until there is another.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, durability="relaxed", migrations=(_SCHEMA,))
        self.generation = 0
        """How often it was opened: whoever reads it opens it anew after that."""
        self._suspect = False

    def open(self) -> None:
        """Open it, or a new one. Raises StoreUnusable and StoreInUse."""
        try:
            super().open()
            if self._suspect:
                _check(self.connection, str(self))
        except (StoreCorrupt, StoreTooNew) as error:
            _log.warning("kept answers are lost; a new file is begun", error=str(error))
            self.close()
            self._put_aside()
            super().open()
        self._suspect = False
        self.generation += 1

    def give_up(self) -> None:
        """Forget an unfinished transaction; the file is looked through before it is used again."""
        super().give_up()
        self._suspect = True

    def _put_aside(self) -> None:
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()
        with suppress(FileNotFoundError):
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))


def _check(connection: sqlite3.Connection, file: str) -> None:
    """Read all of it, which takes a second for a large one: after a fault, not at each start."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise StoreCorrupt(file, f"it is damaged: {found[0]}")


@attrs.frozen
class _Put:
    """Keep one answer, if there is room for it once those are gone whose time is over."""

    key: bytes
    at: float
    until: float
    target: str
    body: bytes = attrs.field(repr=False)
    most_bytes: int
    slow = False

    def apply(self, connection: sqlite3.Connection) -> None:
        _delete_until(connection, self.at)
        for _ in range(_TIMES):
            if _bytes_used(connection) + len(self.body) <= self.most_bytes:
                connection.execute(
                    "INSERT OR REPLACE INTO response_cache VALUES (?, ?, ?, ?, ?)",
                    (self.key, self.at, self.until, self.target, self.body),
                )
                return
            _delete_until(connection, inf)


@attrs.frozen
class _Forget:
    """Let go of one answer."""

    key: bytes
    slow = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM response_cache WHERE key = ?", (self.key,))


@attrs.frozen
class _Check:
    """Look the file through, and have it put aside if it is damaged."""

    slow = True

    def apply(self, connection: sqlite3.Connection) -> None:
        try:
            _check(connection, "")
        except StoreCorrupt as error:
            fault = sqlite3.DatabaseError(error.detail)
            fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise fault from error


def _delete_until(connection: sqlite3.Connection, time: float) -> None:
    """Delete what expires until then, the soonest first."""
    connection.execute(
        "DELETE FROM response_cache WHERE key IN (SELECT key FROM response_cache"
        " WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        (time, _AT_ONCE),
    )


def _bytes_used(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; the others are used before it grows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


class _CacheWriter(Writer):
    """The writer of kept answers, which says when there is a new one."""

    def __init__(self, database: _CacheDatabase, backlog: Backlog, answers: "AnswerFile") -> None:
        super().__init__(database, backlog)
        self._answers = answers

    async def on_start(self) -> None:
        await super().on_start()
        self._answers.written_by(self.ref)


class AnswerFile:
    """Keeps answers in the file `path`, up to `most_bytes`.

    Where there is no room, those go first whose time is over soonest. `spec()`
    is the child that writes: without it, or while it is down, nothing is
    written, and what is known goes on to be read.
    """

    def __init__(self, path: str | Path, most_bytes: int) -> None:
        self._database = _CacheDatabase(path)
        self._backlog = Backlog(_MOST_WAITING)
        self._most_bytes = most_bytes
        self._front = MemoryAnswers(min(_IN_FRONT, most_bytes))
        self._writer: Ref[WriterMessage] | None = None
        self._reader: sqlite3.Connection | None = None
        self._generation = 0
        self._said = False

    def spec(self, id: str = "answers") -> ChildSpec:
        """The child that writes, to be started before those who ask."""
        writer = child(
            "writer",
            partial(_CacheWriter, self._database, self._backlog, self),
            backoff=_BACKOFF,
            while_down="reject",
            poison=0,
        )
        return supervisor(id, writer, intensity=_CRASHES, period=_PERIOD)

    def written_by(self, writer: Ref[WriterMessage]) -> None:
        """From now on this one writes."""
        self._writer = writer

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def get(self, key: bytes, *, since: float) -> KeptAnswer | None:
        """The answer of that key, if it was given at `since` or later."""
        answer = self._front.get(key, since=since)
        if answer is not None:
            return answer
        try:
            row = self._row(key)
        except sqlite3.Error as error:
            if self._say("kept answers cannot be read", error) and is_of_the_file(error):
                self._write(_Check())
            return None
        if row is None or row[0] < since:
            return None
        at, target, body = row
        try:
            answer = KeptAnswer(completion=read_completion(body), target=target, at=at)
        except Unreadable as error:
            self._say("a kept answer cannot be read, and is let go", error)
            self._write(_Forget(key))
            return None
        self._front.keep(key, answer, len(body))
        return answer

    def put(self, key: bytes, answer: KeptAnswer, *, until: float) -> None:
        """Keep it until that time, or less long where there is no room."""
        body = write_completion(answer.completion)
        if len(body) > LARGEST:
            return
        self._front.keep(key, answer, len(body))
        self._write(_Put(key, answer.at, until, answer.target, body, self._most_bytes))

    def _row(self, key: bytes) -> tuple[float, str, bytes] | None:
        if self._generation != self._database.generation:
            # Opened anew, and perhaps another file; what was said was of the old one.
            self.close()
            self._generation = self._database.generation
            self._said = False
        if self._reader is None:
            if not self._generation:
                return None  # the writer has not opened it yet
            self._reader = sqlite3.connect(
                f"{self._database.path.as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None
            )
        found: tuple[float, str, bytes] | None = self._reader.execute(
            "SELECT at, target, body FROM response_cache WHERE key = ?", (key,)
        ).fetchone()
        return found

    def _write(self, operation: Operation[None]) -> None:
        if self._backlog.put(operation) and self._writer is not None:
            # One that is down or busy looks when it is not.
            with suppress(ActorError):
                self._writer.tell(Look())

    def _say(self, what: str, error: Exception) -> bool:
        """Warn, once a file: what is damaged in one place is so in others. Whether it was once."""
        first = not self._said
        self._said = True
        note = _log.warning if first else _log.debug
        note(what, file=str(self._database), error=f"{type(error).__name__}: {error}")
        return first
