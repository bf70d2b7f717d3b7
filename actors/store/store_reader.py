"""Opening a store's file to read it, without a part in its writing, also while a server uses it."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .errors import StoreCorrupt, StoreTooNew, StoreTooOld, StoreUnusable, said_of_file
from .schema import APPLICATION_ID, VERSION

__all__ = ["StoreReader", "read_once"]

R = TypeVar("R")

# Milliseconds to wait for a checkpoint that is under way.
_BUSY_TIMEOUT = 5_000


class StoreReader:
    """The store in the file `path`, to be read. A context manager; all of it blocks.

    Opening raises StoreUnusable where there is no such file, StoreCorrupt,
    StoreTooNew, and StoreTooOld where a server has to bring it up to date first.
    Reading raises StoreError.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = str(path)
        self._connection = _open_to_read(Path(path))

    def of_one_moment(self, read: Callable[[sqlite3.Connection], R]) -> R:
        """What `read` finds, whatever is written meanwhile. Raises StoreError."""
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.execute("ROLLBACK")

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

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """The file, for one run of reading. Raises StoreError."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise said_of_file(error, self._file) from error


def read_once(path: Path, read: Callable[[sqlite3.Connection], R]) -> R:
    """What `read` finds in that file, on a connection of its own. Raises StoreError."""
    with StoreReader(path) as reader:
        return reader.of_one_moment(read)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, to the store in that file. Raises StoreUnusable."""
    if not path.is_file():
        raise StoreUnusable(str(path), "there is no such file; a server with this [store] makes it")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _check(connection, str(path))
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise said_of_file(error, str(path)) from error
        raise
    return connection


def _check(connection: sqlite3.Connection, file: str) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if owner != APPLICATION_ID:
        raise StoreCorrupt(file, "it is no store of trouper; name the path of [store]")
    if version > VERSION:
        raise StoreTooNew(file, version, VERSION)
    if version < VERSION:
        raise StoreTooOld(file, version, VERSION)
