"""Kept answers in a SQLite file of their own, beside the store's.

Of its own, because it may be lost: its commits do not wait for the disk, a
damaged file is put aside for a new one, and large answers stay out of the
journal's write-ahead log. Reads are a look-up by key on the event loop, over a
connection that cannot write; writes go through a writer (writer.py), of which
this is the way in. The answers of the last minutes are in memory, too: those
that are not in the file yet, and those that everybody asks for.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs
import structlog

from ..wire.stored import Unreadable, read_completion, write_completion
from .cache import LARGEST, KeptAnswer, MemoryAnswers
from .database import Database
from .errors import StoreCorrupt, StoreTooNew
from .outbox import Outbox

__all__ = ["AnswerFile", "CacheDatabase"]

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

# Answers that are deleted with each one that is written, at most: more than one,
# so that they get fewer, and few, so that a commit is short.
_AT_ONCE = 16


class CacheDatabase(Database):
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
                self._check()
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

    def _check(self) -> None:
        """Read all of it, which takes a second for a large one: after a fault, not at each start."""
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise StoreCorrupt(str(self), f"it is damaged: {found}")

    def _put_aside(self) -> None:
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()
        with suppress(FileNotFoundError):
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))


@attrs.frozen
class _Put:
    """Keep one answer, and let go what is old or too much."""

    key: bytes
    at: float
    until: float
    target: str
    body: bytes = attrs.field(repr=False)
    most_bytes: int
    slow = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM response_cache WHERE key IN (SELECT key FROM response_cache"
            " WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            (self.at, _AT_ONCE),
        )
        connection.execute(
            "INSERT OR REPLACE INTO response_cache VALUES (?, ?, ?, ?, ?)",
            (self.key, self.at, self.until, self.target, self.body),
        )
        if _bytes_used(connection) > self.most_bytes:
            connection.execute(
                "DELETE FROM response_cache WHERE key IN (SELECT key FROM response_cache"
                " WHERE key <> ? ORDER BY expires_at LIMIT ?)",
                (self.key, _AT_ONCE),
            )


@attrs.frozen
class _Forget:
    """Let go of one answer."""

    key: bytes
    slow = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM response_cache WHERE key = ?", (self.key,))


def _bytes_used(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; the others are used before it grows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


class AnswerFile:
    """Keeps answers in `database`, up to `most_bytes`; those go first whose time is over soonest.

    `outbox` is that of the writer of the database, and `look` tells it that
    there is something in it. While that writer is down nothing is written, and
    what is known goes on to be read.
    """

    def __init__(
        self,
        database: CacheDatabase,
        outbox: Outbox,
        look: Callable[[], object],
        most_bytes: int,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._look = look
        self._most_bytes = most_bytes
        self._front = MemoryAnswers(min(_IN_FRONT, most_bytes))
        self._reader: sqlite3.Connection | None = None
        self._generation = 0
        self._said = False

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
            self._say("kept answers cannot be read", error)
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
            self.close()
            self._generation = self._database.generation
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

    def _write(self, operation: _Put | _Forget) -> None:
        if self._outbox.put(operation):
            self._look()

    def _say(self, what: str, error: Exception) -> None:
        """Warn, once a file: what is damaged in one place is so in others."""
        note = _log.debug if self._said else _log.warning
        self._said = True
        note(what, file=str(self._database), error=f"{type(error).__name__}: {error}")
