"""The ledger in dicts, for tests: ends with its process.

It answers at once and never fails, so it is also what the one in SQLite is held
against: both must pass the same tests.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from itertools import product

import attrs
import trio

from trouper.actors.store.ledger import (
    Closing,
    Denied,
    Limit,
    Opening,
    Row,
    Selection,
    Totals,
    bounds,
    check_scope,
)

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """Keeps every row: some hundred bytes an attempt, until the program ends."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        # What is spent, and what is reserved.
        self._sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        """Open a row and take its amount out of all `limits`, or none."""
        opening.check(limits)
        await trio.lowlevel.checkpoint()
        if opening.op_id in self._rows:
            return None
        for limit in limits:
            left = limit.most - sum(self._sums[limit.scope, limit.window])
            if opening.reserved > left:
                return Denied(limit, left)
        self._rows[opening.op_id] = Row(opening=opening, state="reserved", closing=None)
        self._add(opening, spent=0, reserved=opening.reserved)
        return None

    def settle(self, op_id: str, closing: Closing) -> None:
        """Close that row, once."""
        row = self._rows.get(op_id)
        if row is None or row.closing is not None:
            return
        self._rows[op_id] = attrs.evolve(row, state=closing.state, closing=closing)
        reserved = row.opening.reserved
        self._add(row.opening, spent=closing.weight(reserved), reserved=-reserved)

    async def spent(self, scope: str, window: str) -> Totals:
        """What was spent of a scope in a window, and what is reserved in it now."""
        check_scope(scope)
        bounds(window)
        await trio.lowlevel.checkpoint()
        spent, reserved = self._sums[scope, window]
        return Totals(spent=spent, reserved=reserved)

    async def rows(self, selection: Selection) -> AsyncIterator[Row]:
        """The selected rows by their time."""
        await trio.lowlevel.checkpoint()
        found = [row for row in self._rows.values() if _is_in(selection, row.opening)]
        for row in sorted(found, key=lambda row: row.opening.at):
            yield row

    def _add(self, opening: Opening, *, spent: int, reserved: int) -> None:
        for key in product(opening.scopes, opening.windows):
            totals = self._sums[key]
            totals[0] += spent
            totals[1] += reserved


def _is_in(selection: Selection, opening: Opening) -> bool:
    return (
        (selection.since is None or opening.at >= selection.since)
        and (selection.until is None or opening.at < selection.until)
        and selection.provider in (None, opening.provider)
        and selection.model in (None, opening.model)
        and selection.session in (None, opening.session)
        and selection.user in (None, opening.user)
    )
