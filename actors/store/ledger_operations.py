"""What the ledger writes, each as one operation of the writer.

The sums follow from the rows: whoever changes what a row weighs changes the
sums of its scopes and windows by as much, those that there are. A sum is there
once a limit has asked for it, and begins with what the rows say.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from .budget_sums import BudgetSum, Names, sums_of
from .columns import CLOSE, CLOSE_OPEN, OPEN, closing_columns, opening_columns, page
from .ledger import (
    LOST,
    Closing,
    Denied,
    Limit,
    Opening,
    Row,
    Selection,
    Totals,
    bounds,
    scopes_of,
    windows_of,
)

__all__ = [
    "Expire",
    "Page",
    "Reserve",
    "Settle",
    "Settled",
    "Spent",
    "Trim",
    "Withdraw",
    "begin_sum",
    "recover",
    "settle",
]

_SUM = "SELECT spent_nano, reserved_nano FROM budget WHERE scope = ? AND window = ?"

_NAMED = ("provider", "session", "user")

_FIND = (
    "SELECT state, outcome, reserved_nano, at, provider, model, session, user "
    "FROM usage_ledger WHERE op_id = ?"
)

# Rows that are looked through at once for attempts that were lost.
_AT_ONCE = 500

# Days. Attempts of older windows than this and the month before are over.
_OLD = 62


@attrs.frozen
class Reserve:
    """Open an attempt, if all limits cover it."""

    opening: Opening
    limits: tuple[Limit, ...]
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> Denied | None:
        opening = self.opening
        names = (*opening.scopes, *opening.windows)
        denied = self._denied(connection, names) if self.limits else None
        if denied is not None:
            return None if _find(connection, opening.op_id) else denied
        inserted = connection.execute(OPEN, (*opening_columns(opening), opening.reserved))
        if inserted.rowcount:
            _add(connection, names, spent=0, reserved=opening.reserved)
        return None

    def _denied(self, connection: sqlite3.Connection, names: Names) -> Denied | None:
        sums = sums_of(connection)
        sums.of_row(connection, names)
        for limit in self.limits:
            sum = sums.find(limit.scope, limit.window)
            if sum is None:
                sum = begin_sum(connection, limit.scope, limit.window)
            left = limit.most - sum.spent - sum.reserved
            if self.opening.reserved > left:
                return Denied(limit, left)
        return None


@attrs.frozen
class Settle:
    """Close an attempt that is open, or was lost. Answers whether it was."""

    op_id: str
    closing: Closing
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> bool:
        return settle(connection, self.op_id, self.closing) is not None


@attrs.frozen
class Settled:
    """An attempt was closed that was opened `at` then, and so much was added to what is spent."""

    at: float
    added: int


def settle(connection: sqlite3.Connection, op_id: str, closing: Closing) -> Settled | None:
    """Close an attempt that is open, or was lost; None where it is neither."""
    columns = closing_columns(closing)
    known = 0 if closing.state == "released" else closing.cost
    # All rows, of which there is one: a statement that is not at its end keeps COMMIT waiting.
    open_ones = connection.execute(CLOSE_OPEN, (*columns, known, op_id)).fetchall()
    if open_ones:
        [(reserved, at, *whose)] = open_ones
        weight = closing.weight(reserved)
        names = (*scopes_of(*whose), *windows_of(at))
        _add(connection, names, spent=weight, reserved=-reserved)
        return Settled(at, weight)
    held = _find(connection, op_id)
    if held is None or not held.is_lost:
        return None
    weight = closing.weight(held.reserved)
    connection.execute(CLOSE, (*columns, weight, op_id))
    # What was lost is within what is spent already.
    _add(connection, held.names, spent=weight - held.reserved, reserved=0)
    return Settled(held.at, weight - held.reserved)


@attrs.frozen
class Withdraw:
    """Forget an attempt that is open, as if it had never been: who asked for it has left."""

    op_id: str
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        held = _find(connection, self.op_id)
        if held is not None and held.is_open:
            connection.execute("DELETE FROM usage_ledger WHERE op_id = ?", (self.op_id,))
            _add(connection, held.names, spent=0, reserved=-held.reserved)


@attrs.frozen
class Expire:
    """Give up attempts that were opened before that time and are open still."""

    before: float
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> int:
        found = connection.execute(
            "SELECT op_id FROM usage_ledger WHERE state = 'reserved' AND at < ? LIMIT ?",
            (self.before, _AT_ONCE),
        ).fetchall()
        for (op_id,) in found:
            Settle(op_id, LOST).apply(connection)
        return len(found)


@attrs.frozen
class Trim:
    """Forget closed attempts but for the last `keep`. The sums that are there stay."""

    keep: int
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM usage_ledger WHERE state <> 'reserved' "
            "AND rowid <= (SELECT max(rowid) FROM usage_ledger) - ?",
            (self.keep,),
        )


@attrs.frozen
class Spent:
    """What is spent of a scope in a window, and reserved."""

    scope: str
    window: str
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> Totals:
        sums_of(connection).flush(connection)
        found = connection.execute(_SUM, (self.scope, self.window)).fetchone()
        spent, reserved = found or _sum_of_rows(connection, self.scope, self.window)
        return Totals(spent=spent, reserved=reserved)


@attrs.frozen
class Page:
    """The next rows of a selection, each with its number."""

    selection: Selection
    after: tuple[float, int]
    most: int
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> list[tuple[int, Row]]:
        return page(connection, self.selection, self.after, self.most)


def recover(connection: sqlite3.Connection) -> None:
    """At the opening of a file: what is open belongs to a program that is dead.

    Also forgets the sums of windows that are long over.
    """
    connection.execute(
        "UPDATE usage_ledger SET state = ?, outcome = ?, cost_price_id = '', served_model = '', "
        "service_tier = '', duration_ms = 0 WHERE state = 'reserved'",
        (LOST.state, LOST.outcome),
    )
    connection.execute(
        "UPDATE budget SET spent_nano = spent_nano + reserved_nano, reserved_nano = 0 "
        "WHERE reserved_nano <> 0"
    )
    oldest = (datetime.now(UTC) - timedelta(days=_OLD)).date().isoformat()[:7]
    connection.execute("DELETE FROM budget WHERE window < ?", (oldest,))


@attrs.frozen
class _Held:
    """What is to be known of a row before it is closed. A lost one weighs what was reserved."""

    is_open: bool
    is_lost: bool
    reserved: int
    at: float
    names: Names


def _find(connection: sqlite3.Connection, op_id: str) -> _Held | None:
    found = connection.execute(_FIND, (op_id,)).fetchone()
    if found is None:
        return None
    state, outcome, reserved, at, *whose = found
    return _Held(
        is_open=state == "reserved",
        is_lost=state == LOST.state and outcome == LOST.outcome,
        reserved=reserved,
        at=at,
        names=(*scopes_of(*whose), *windows_of(at)),
    )


def _add(connection: sqlite3.Connection, names: Names, *, spent: int, reserved: int) -> None:
    """Change all sums that a row of these names weighs in."""
    sums = sums_of(connection)
    sums.add(sums.of_row(connection, names), spent=spent, reserved=reserved)


def begin_sum(connection: sqlite3.Connection, scope: str, window: str) -> BudgetSum:
    """Begin the sum of a scope in a window with what the rows say; it is kept up from then on."""
    spent, reserved = _sum_of_rows(connection, scope, window)
    begun = BudgetSum(scope, window, spent, reserved)
    sums_of(connection).begin(connection, begun)
    return begun


def _sum_of_rows(connection: sqlite3.Connection, scope: str, window: str) -> tuple[int, int]:
    since, until = bounds(window)
    condition, values = _in_scope(scope)
    found: tuple[int, int] = connection.execute(
        "SELECT coalesce(sum(weight_nano) FILTER (WHERE state <> 'reserved'), 0), "
        "coalesce(sum(weight_nano) FILTER (WHERE state = 'reserved'), 0) "
        f"FROM usage_ledger WHERE at >= ? AND at < ? AND {condition}",
        (since, until, *values),
    ).fetchone()
    return found


def _in_scope(scope: str) -> tuple[str, Sequence[Any]]:
    kind, _, name = scope.partition(":")
    if scope == "all":
        return "1", ()
    if kind == "model":
        return "provider || '/' || model = ?", (name,)
    assert kind in _NAMED, f"{scope} is no scope"
    # With it SQLite knows that the index of those that have a name will do.
    named = f" AND {kind} <> ''" if name else ""
    return f"{kind} = ?{named}", (name,)
