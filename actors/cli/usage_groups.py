"""Adds up the rows of a ledger as they come, by what they are asked to be grouped by.

What is kept is a line a group and never the rows. Money is in nano-dollars.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from ..policy.money import dollars
from ..store.ledger import Row

__all__ = ["GROUPINGS", "GROUP_FIELDS", "ROW_FIELDS", "Group", "Groups", "Value", "row_values"]

Value = str | int | bool | None

GROUPINGS: Final = ("model", "provider", "session", "user", "day")

GROUP_FIELDS: Final = (
    "attempts",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "estimated_attempts",
    "cost_nano",
    "cost_usd",
    "unknown_cost_attempts",
    "unknown_cost_most_nano",
    "reserved_nano",
)
"""What a group has beside its name, in the order of the columns."""

ROW_FIELDS: Final = (
    "at",
    "op_id",
    "request_id",
    "attempt",
    "provider",
    "model",
    "served_model",
    "session",
    "user",
    "key_id",
    "state",
    "outcome",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "estimated",
    "cost_nano",
    "cost_usd",
    "reserved_nano",
    "price_id",
    "service_tier",
    "first_token_ms",
    "duration_ms",
)
"""What a row has, in the order of the columns."""


@attrs.define(eq=False)
class Group:
    """The sums of some rows.

    `cost` is of the attempts whose cost is known. Of the others there are
    `unknown`, which budgets count with `unknown_most`. `reserved` is set aside for what is under way.
    """

    attempts: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    estimated: int = 0
    cost: int = 0
    unknown: int = 0
    unknown_most: int = 0
    reserved: int = 0

    def add(self, row: Row) -> None:
        """Add a row."""
        self.attempts += 1
        closing = row.closing
        if row.state == "reserved":
            self.reserved += row.opening.reserved
        elif closing is not None and closing.cost is not None:
            self.cost += closing.cost
        elif row.state != "released":
            self.unknown += 1
            self.unknown_most += row.opening.reserved
        usage = None if closing is None else closing.usage
        if usage is not None:
            self.input += usage.input
            self.output += usage.output
            self.cache_read += usage.cache_read
            self.estimated += usage.estimated

    def values(self) -> dict[str, Value]:
        """By the names of GROUP_FIELDS."""
        cells = (
            self.attempts,
            self.input,
            self.output,
            self.cache_read,
            self.estimated,
            self.cost,
            dollars(self.cost),
            self.unknown,
            self.unknown_most,
            self.reserved,
        )
        return dict(zip(GROUP_FIELDS, cells, strict=True))


class Groups:
    """The groups of all rows that were added, and their `total`."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.total = Group()
        self._groups: dict[str, Group] = {}

    def add(self, row: Row) -> None:
        """Add a row to its group and to the total."""
        self.total.add(row)
        self._groups.setdefault(_name_of(self.by, row), Group()).add(row)

    def sorted(self) -> Mapping[str, Group]:
        """The dearest first; days in their order."""
        pairs = sorted(self._groups.items())
        if self.by != "day":
            pairs.sort(key=lambda pair: (pair[1].cost, pair[1].unknown_most), reverse=True)
        return dict(pairs)


def _name_of(by: str, row: Row) -> str:
    opening = row.opening
    match by:
        case "model":
            return f"{opening.provider}/{opening.model}"
        case "day":
            return f"{datetime.fromtimestamp(opening.at, UTC):%Y-%m-%d}"
        case _:
            return str(getattr(opening, by))


def row_values(row: Row) -> dict[str, Value]:
    """By the names of ROW_FIELDS; None for what is not known."""
    opening, closing = row.opening, row.closing
    usage = None if closing is None else closing.usage
    cost = None if closing is None else closing.cost
    at = datetime.fromtimestamp(opening.at, UTC).isoformat(timespec="milliseconds")
    cells: tuple[Value, ...] = (
        at.replace("+00:00", "Z"),
        opening.op_id,
        opening.request_id,
        opening.attempt,
        opening.provider,
        opening.model,
        None if closing is None else closing.model,
        opening.session,
        opening.user,
        opening.key_id,
        row.state,
        None if closing is None else closing.outcome,
        None if usage is None else usage.input,
        None if usage is None else usage.output,
        None if usage is None else usage.cache_read,
        None if usage is None else usage.cache_write,
        None if usage is None else usage.cache_write_1h,
        None if usage is None else usage.reasoning,
        None if usage is None else usage.estimated,
        cost,
        None if cost is None else dollars(cost),
        opening.reserved,
        (closing.price_id if closing is not None else "") or opening.price_id,
        None if closing is None else closing.service_tier,
        None if closing is None else closing.first_token_ms,
        None if closing is None else closing.duration_ms,
    )
    return dict(zip(ROW_FIELDS, cells, strict=True))
