"""Reading a store's file without a part in its writing, also while a server uses it.

    with LedgerReader(Path("trouper.db")) as reader:
        for row in reader.rows(Selection(user="alice")): ...
        for line in reader.sums(Selection(), by="model"): ...

All of it blocks; call it from a thread where there is an event loop. Each run
of rows or sums is of one moment, whatever is written meanwhile.
"""

import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, get_args

import attrs

from ..chat import Usage
from .columns import COLUMNS, page, row_of, where
from .errors import StoreCorrupt, StoreTooNew, StoreTooOld, StoreUnusable, said_of_file
from .ledger import Row, Selection
from .ledger_operations import Page
from .schema import APPLICATION_ID, VERSION

__all__ = ["GroupBy", "LedgerReader", "UsageSum", "open_to_read", "read_page"]

GroupBy = Literal["model", "provider", "session", "user", "day"]

_KEY_OF: Final[dict[GroupBy, str]] = {
    "model": "provider || '/' || model",
    "provider": "provider",
    "session": "session",
    "user": "user",
    "day": "strftime('%Y-%m-%d', at, 'unixepoch')",
}

# Milliseconds to wait for a checkpoint that is under way.
_BUSY_TIMEOUT = 5_000
# Rows fetched at a time.
_AT_ONCE = 500


@attrs.frozen(kw_only=True)
class UsageSum:
    """What the attempts of one key come to. Money is in nano-dollars.

    `cost` is what is known; `unknown` what counts for attempts of which nobody
    knows the cost, and `reserved` for those under way. `usage` is `estimated`
    where any of it is.
    """

    key: str
    attempts: int
    usage: Usage
    cost: int
    unknown: int
    reserved: int


class LedgerReader:
    """The ledger in the file `path`, to be read. A context manager.

    Opening raises StoreUnusable where there is no such file, StoreCorrupt,
    StoreTooNew, and StoreTooOld where a server has to bring it up to date first.
    Reading raises StoreError.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = str(path)
        self._connection = open_to_read(Path(path))

    def rows(self, selection: Selection) -> Generator[Row, None, None]:
        """The selected rows by their time; some hundred are in memory at once."""
        condition, values = where(selection)
        found = self._select(
            f"SELECT {COLUMNS} FROM usage_ledger WHERE {condition} ORDER BY at, rowid", values
        )
        return (row_of(columns) for columns in found)

    def sums(self, selection: Selection, *, by: GroupBy) -> Iterator[UsageSum]:
        """What the selected rows come to, a sum for each `by`, in the order of their names."""
        if by not in get_args(GroupBy):
            raise ValueError(f"by is one of {', '.join(get_args(GroupBy))}, not {by!r}")
        condition, values = where(selection)
        found = self._select(
            f"SELECT {_KEY_OF[by]} AS key, count(*), "
            "coalesce(sum(in_tok), 0), coalesce(sum(out_tok), 0), coalesce(sum(cache_r_tok), 0), "
            "coalesce(sum(cache_w_tok), 0), coalesce(sum(cache_w_1h_tok), 0), "
            "coalesce(sum(reasoning_tok), 0), coalesce(max(estimated), 0), "
            "coalesce(sum(weight_nano) FILTER (WHERE cost_nano IS NOT NULL), 0), "
            "coalesce(sum(weight_nano) FILTER (WHERE cost_nano IS NULL AND state <> 'reserved'), "
            "0), coalesce(sum(weight_nano) FILTER (WHERE state = 'reserved'), 0) "
            f"FROM usage_ledger WHERE {condition} GROUP BY key ORDER BY key",
            values,
        )
        for key, attempts, *tokens, estimated, cost, unknown, reserved in found:
            inputs, outputs, read, write, hour, reasoning = tokens
            yield UsageSum(
                key=key,
                attempts=attempts,
                usage=Usage(
                    input=inputs,
                    output=outputs,
                    cache_read=read,
                    cache_write=write,
                    cache_write_1h=hour,
                    reasoning=reasoning,
                    estimated=bool(estimated),
                ),
                cost=cost,
                unknown=unknown,
                reserved=reserved,
            )

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

    def _select(self, sql: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            found = self._connection.execute(sql, values)
            while batch := found.fetchmany(_AT_ONCE):
                yield from batch
        except sqlite3.Error as error:
            raise said_of_file(error, self._file) from error


def read_page(path: Path, wanted: Page) -> list[tuple[int, Row]]:
    """One page of rows, on a connection of its own. Raises StoreError."""
    connection = open_to_read(path)
    try:
        return page(connection, wanted.selection, wanted.after, wanted.most)
    except sqlite3.Error as error:
        raise said_of_file(error, str(path)) from error
    finally:
        connection.close()


def open_to_read(path: Path) -> sqlite3.Connection:
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
