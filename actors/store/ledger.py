"""What every call cost: a row an attempt, opened before the call and closed after it.

The money is checked where the row is written: `reserve` takes the most that an
attempt can cost out of all budgets that it falls under, or out of none. So calls
that come at once cannot spend the same cent twice, and what a dead program left
open is known, and counts in full until somebody knows better.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal, Protocol

import attrs
from attrs.validators import ge

from ..chat import Usage
from ..policy.spending import MOST_NANO, Limit, Opening, scopes_of, windows_of

__all__ = [
    "LOST",
    "MOST_NANO",
    "Closing",
    "Denied",
    "Ledger",
    "Limit",
    "Opening",
    "Row",
    "RowState",
    "Selection",
    "Totals",
    "bounds",
    "check_scope",
    "scopes_of",
    "windows_of",
]

_KINDS = ("provider", "model", "session", "user")

RowState = Literal["reserved", "settled", "released", "unknown"]
"""Under way; ended at a known cost; ended without any; ended and nobody knows at what cost."""


@attrs.frozen
class Denied:
    """That `limit` does not cover it: `left` nano-dollars are neither spent nor reserved."""

    limit: Limit
    left: int


def _at_most(cost: int | None) -> int | None:
    return cost if cost is None or cost <= MOST_NANO else MOST_NANO


@attrs.frozen(kw_only=True)
class Closing:
    """How an attempt ended.

    `cost` is in nano-dollars and None where nobody knows it: then an attempt
    that may have been billed counts as what was reserved for it. More than
    nine million dollars (MOST_NANO) is that much: a row has to be closed, whatever its price list says. `outcome` is
    "ok", "cancelled", "cached" or the kind of the error. `model` is the one that
    has answered, by the provider's name, `service_tier` the tier that has served, and
    `price_id` names the prices. `first_token_ms` and `duration_ms` are milliseconds
    from when it was sent.

    `state` is "settled" at a known cost or usage, "released" where it cost nothing,
    "unknown" where nobody knows what it has used. `usage` are its tokens, if known.
    """

    state: Literal["settled", "released", "unknown"]
    outcome: str
    usage: Usage | None = None
    cost: int | None = attrs.field(
        default=None, converter=_at_most, validator=attrs.validators.optional(ge(0))
    )
    price_id: str = ""
    model: str = ""
    service_tier: str = ""
    first_token_ms: int | None = None
    duration_ms: int = 0

    def weight(self, reserved: int) -> int:
        """The nano-dollars that it takes out of the budgets, where so many were `reserved` for it."""
        if self.state == "released":
            return 0
        return reserved if self.cost is None else self.cost


LOST = Closing(state="unknown", outcome="lost")
"""How the ledger itself closes an attempt of which it never heard again."""


@attrs.frozen(kw_only=True)
class Row:
    """An attempt as the ledger has it: its `opening`, and its `closing` once it has ended.

    `state` is "reserved" while it is under way, and then that of its closing.
    """

    opening: Opening
    state: RowState
    closing: Closing | None


@attrs.frozen(kw_only=True)
class Totals:
    """Nano-dollars of a scope within a window: `spent`, with what is of unknown cost, and `reserved`
    for what is under way."""

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


def check_scope(scope: str) -> None:
    """Raise ValueError for what is no scope of `Limit`."""
    if scope != "all" and scope.partition(":")[0] not in _KINDS:
        raise ValueError(f"{scope!r} is no scope: it is all, or {'|'.join(_KINDS)} and a name")


def bounds(window: str) -> tuple[float, float]:
    """From when to before when a window is, in seconds since 1970. Raises ValueError."""
    if window == "total":
        return -inf, inf
    is_day = len(window) > len("2026-11")
    try:
        begin = datetime.strptime(window, "%Y-%m-%d" if is_day else "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(
            f"{window!r} is no window: it is total, a day (2026-11-21) or a month (2026-11)"
        ) from None
    # Thirty-one days after the first lies in the next month, whichever it is.
    later = begin + timedelta(days=1 if is_day else 31)
    end = later if is_day else later.replace(day=1)
    return begin.timestamp(), end.timestamp()


class Ledger(Protocol):
    """The rows and the running sums. Whatever was acknowledged is durable."""

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        """Open a row, by `opening`, and take its amount out of all `limits`, or none.

        Answers when both are durable. The same `op_id` again changes nothing,
        and has the same answer; what was denied may be asked for again. Where
        it raises, also Cancelled, nothing stays open, and to settle it is
        harmless. Raises ActorUnavailable and StoreError; and ValueError for a
        limit that the attempt does not fall under.
        """
        ...

    def settle(self, op_id: str, closing: Closing) -> None:
        """Close that row, once: what was reserved becomes what it cost. Never blocks or raises.

        So it can stand in a `finally`. It is durable soon; until then a program
        that is killed has a row that is reserved, which the next one finds. Of
        an attempt that is closed already it says nothing, unless it was LOST:
        then somebody knows better.
        """
        ...

    async def spent(self, scope: str, window: str) -> Totals:
        """What was spent of a `scope` in a `window`, as of a Limit, and what is reserved in it now.

        All that was settled before is in it. It need not have any limit: the
        sums are those of the rows. Raises ValueError for what is
        no scope or no window, and what `reserve` does.
        """
        ...

    def rows(self, selection: Selection) -> AsyncIterator[Row]:
        """The selected rows by their time, read as they are asked for and never all at once.

        Raises ActorUnavailable and StoreError.
        """
        ...
