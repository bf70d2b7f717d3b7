"""Reading a store's file without a part in its writing, also while a server uses it.

    with LedgerReader(Path("trouper.db")) as reader:
        for row in reader.rows(Selection(user="alice")): ...
        for line in reader.sums(Selection(), by="model"): ...

All of it blocks; call it from a thread where there is an event loop. Each run
of rows or sums is of one moment, whatever is written meanwhile.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args

import attrs

from ..chat import Usage
from .columns import COLUMNS, page, row_of, where
from .ledger import Row, Selection
from .ledger_operations import Page
from .store_reader import StoreReader, read_once

__all__ = ["GroupBy", "LedgerReader", "UsageSum", "read_page"]

GroupBy = Literal["model", "provider", "session", "user", "day"]

_KEY_OF: Final[dict[GroupBy, str]] = {
    "model": "provider || '/' || model",
    "provider": "provider",
    "session": "session",
    "user": "user",
    "day": "strftime('%Y-%m-%d', at, 'unixepoch')",
}

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


class LedgerReader(StoreReader):
    """The ledger in the file `path`, to be read."""

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

    def _select(self, sql: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
        with self._reading() as connection:
            found = connection.execute(sql, values)
            while batch := found.fetchmany(_AT_ONCE):
                yield from batch


def read_page(path: Path, wanted: Page) -> list[tuple[int, Row]]:
    """One page of rows, on a connection of its own. Raises StoreError."""
    return read_once(path, lambda file: page(file, wanted.selection, wanted.after, wanted.most))
