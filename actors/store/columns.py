"""A row of the ledger as SQLite has it: its columns, there and back."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..chat import Usage
from .ledger import Closing, Opening, Row, Selection

__all__ = [
    "CLOSE",
    "CLOSE_OPEN",
    "COLUMNS",
    "OPEN",
    "Filter",
    "closing_columns",
    "opening_columns",
    "page",
    "row_of",
    "where",
]

Columns = tuple[Any, ...]

# SQLite keeps no larger number.
_LARGEST = 2**63 - 1

_OPENING: Final = (
    "op_id, request_id, attempt, at, provider, model, session, user, key_id, price_id, "
    "reserved_nano"
)
_CLOSING: Final = (
    "state, outcome, cost_nano, in_tok, out_tok, cache_r_tok, cache_w_tok, cache_w_1h_tok, "
    "reasoning_tok, estimated, cost_price_id, served_model, service_tier, first_token_ms, "
    "duration_ms"
)

COLUMNS: Final = f"{_OPENING}, {_CLOSING}"
"""What `row_of` reads, in its order."""

OPEN: Final = (
    f"INSERT INTO usage_ledger ({_OPENING}, state, weight_nano) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'reserved', ?) ON CONFLICT (op_id) DO NOTHING"
)
"""Takes `opening_columns` and its weight."""

CLOSE: Final = (
    "UPDATE usage_ledger SET "
    + ", ".join(f"{name} = ?" for name in _CLOSING.split(", "))
    + ", weight_nano = ? WHERE op_id = ?"
)
"""Takes `closing_columns`, its weight and its op_id."""

CLOSE_OPEN: Final = (
    CLOSE.replace("weight_nano = ?", "weight_nano = coalesce(?, reserved_nano)")
    + " AND state = 'reserved' RETURNING reserved_nano, at, provider, model, session, user"
)
"""The same for a row that is open; without a weight it weighs what was reserved."""


def opening_columns(opening: Opening) -> Columns:
    """What is written when an attempt is opened."""
    return (
        opening.op_id,
        opening.request_id,
        opening.attempt,
        opening.at,
        opening.provider,
        opening.model,
        opening.session,
        opening.user,
        opening.key_id,
        opening.price_id,
        opening.reserved,
    )


def closing_columns(closing: Closing) -> Columns:
    """What is written when it is closed."""
    usage = closing.usage
    tokens: Columns = (None,) * 7
    if usage is not None:
        tokens = (
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_1h,
            usage.reasoning,
            usage.estimated,
        )
        if max(tokens) > _LARGEST:
            # From a wire that is not ours. The row has to be closed all the same.
            tokens = tuple(min(each, _LARGEST) for each in tokens)
    return (
        closing.state,
        closing.outcome,
        closing.cost,
        *tokens,
        closing.price_id,
        closing.model,
        closing.service_tier,
        closing.first_token_ms,
        closing.duration_ms,
    )


def row_of(columns: Columns) -> Row:
    """The row, of what `SELECT {COLUMNS}` has found."""
    (
        op_id,
        request_id,
        attempt,
        at,
        provider,
        model,
        session,
        user,
        key_id,
        price_id,
        reserved,
        *closed,
    ) = columns
    opening = Opening(
        op_id=op_id,
        request_id=request_id,
        attempt=attempt,
        at=at,
        provider=provider,
        model=model,
        session=session,
        user=user,
        key_id=key_id,
        price_id=price_id,
        reserved=reserved,
    )
    return Row(opening=opening, state=closed[0], closing=_closing_of(closed))


def _closing_of(columns: list[Any]) -> Closing | None:
    state, outcome, cost, inputs, outputs, read, write, hour, reasoning, estimated, *rest = columns
    if state == "reserved":
        return None
    usage = None
    if inputs is not None:
        usage = Usage(
            input=inputs,
            output=outputs,
            cache_read=read,
            cache_write=write,
            cache_write_1h=hour,
            reasoning=reasoning,
            estimated=bool(estimated),
        )
    price_id, model, service_tier, first_token_ms, duration_ms = rest
    return Closing(
        state=state,
        outcome=outcome,
        usage=usage,
        cost=cost,
        price_id=price_id,
        model=model,
        service_tier=service_tier,
        first_token_ms=first_token_ms,
        duration_ms=duration_ms,
    )


class Filter(NamedTuple):
    """A condition in SQL, and what fills its question marks."""

    condition: str
    values: list[Any]


def where(selection: Selection) -> Filter:
    """The condition that the selected rows meet."""
    filters: Iterable[tuple[str, Any]] = (
        ("at >= ?", selection.since),
        ("at < ?", selection.until),
        ("provider = ?", selection.provider),
        ("model = ?", selection.model),
        ("session = ?", selection.session),
        ("user = ?", selection.user),
    )
    given = [(condition, value) for condition, value in filters if value is not None]
    # Only so does SQLite know that the indexes of those that have a name will do.
    named = [f"{column} <> ''" for column in ("session", "user") if getattr(selection, column)]
    conditions = [*(condition for condition, _ in given), *named]
    return Filter(" AND ".join(conditions) or "1", [value for _, value in given])


def page(
    connection: sqlite3.Connection, selection: Selection, after: tuple[float, int], most: int
) -> list[tuple[int, Row]]:
    """The next `most` rows behind `after`, a time and SQLite's number of a row, each with its own.

    By time, and at one time in the order in which they were opened.
    """
    condition, values = where(selection)
    found = connection.execute(
        f"SELECT rowid, {COLUMNS} FROM usage_ledger "
        f"WHERE (at, rowid) > (?, ?) AND {condition} ORDER BY at, rowid LIMIT ?",
        (*after, *values, most),
    )
    return [(columns[0], row_of(columns[1:])) for columns in found]
