"""What every call cost: a row an attempt, opened before the call and closed after it.

The money is checked where the row is written: `reserve` takes the most that an
attempt can cost out of all budgets that it falls under, or out of none. So calls
that come at once cannot spend the same cent twice, and what a dead program left
open is known, and counts in full until somebody knows better.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import attrs

from ..chat import Usage

__all__ = [
    "Closing",
    "Denied",
    "Ledger",
    "Limit",
    "Opening",
    "Row",
    "RowState",
    "Selection",
    "Totals",
]

RowState = Literal["reserved", "settled", "released", "unknown"]
"""Under way; ended at a known cost; ended without any; ended and nobody knows at what cost."""


@attrs.frozen
class Limit:
    """Of `scope` no more than `most` nano-dollars may be spent within `window`.

    `scope` is "all" or a kind and a name ("user:alice"), `window` is "total" or
    the day or month in UTC ("2026-11-21", "2026-11").
    """

    scope: str
    window: str
    most: int


@attrs.frozen
class Denied:
    """That limit does not cover it: `left` nano-dollars are neither spent nor reserved."""

    limit: Limit
    left: int


@attrs.frozen(kw_only=True)
class Opening:
    """An attempt that is about to be made.

    `op_id` is new with every attempt and `request_id` the same for all of one
    request; `at` is in seconds since 1970. `reserved` is the most that it can
    cost, in nano-dollars, as far as its price is known.
    """

    op_id: str
    request_id: str
    attempt: int
    at: float
    provider: str
    model: str
    reserved: int
    price_id: str = ""
    key_id: str = ""
    session: str = ""
    user: str = ""


@attrs.frozen(kw_only=True)
class Closing:
    """How an attempt ended.

    `cost` is in nano-dollars and None where nobody knows it: then an attempt
    that may have been billed counts as what was reserved for it. `outcome` is
    "ok", "cancelled", "cached" or the kind of the error. `model` is the one that
    has answered, by the provider's name; times are milliseconds.
    """

    state: Literal["settled", "released", "unknown"]
    outcome: str
    usage: Usage | None = None
    cost: int | None = None
    price_id: str = ""
    model: str = ""
    service_tier: str = ""
    first_token_ms: int | None = None
    duration_ms: int = 0


@attrs.frozen(kw_only=True)
class Row:
    """An attempt as the ledger has it."""

    opening: Opening
    state: RowState
    closing: Closing | None


@attrs.frozen(kw_only=True)
class Totals:
    """Nano-dollars of a scope within a window. What is of unknown cost is within `spent`."""

    spent: int
    reserved: int


@attrs.frozen(kw_only=True)
class Selection:
    """Which rows: of the times from `since` to before `until` (seconds since 1970), and of
    that provider, model, session and user; None is any."""

    since: float | None = None
    until: float | None = None
    provider: str | None = None
    model: str | None = None
    session: str | None = None
    user: str | None = None


class Ledger(Protocol):
    """The rows and the running sums. Whatever was acknowledged is durable."""

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        """Open a row and take its amount out of all `limits`, or none.

        Answers when both are durable. The same `op_id` again changes nothing,
        and has the same answer. Raises ActorUnavailable and StoreError.
        """
        ...

    def settle(self, op_id: str, closing: Closing) -> None:
        """Close that row, once: what was reserved becomes what it cost. Never blocks or raises.

        So it can stand in a `finally`. It is durable soon; until then a program
        that is killed has a row that is reserved, which the next one finds.
        """
        ...

    async def spent(self, scope: str, window: str) -> Totals:
        """What was spent of a scope in a window, and what is reserved in it now."""
        ...

    def rows(self, selection: Selection) -> AsyncIterator[Row]:
        """The selected rows by their time, read as they are asked for and never all at once."""
        ...
