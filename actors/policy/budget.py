"""Under which budgets a call falls, how long its answer may be, and when to warn.

A budget is a limit on money within a window of time. Nothing here keeps a sum:
the ledger does, and takes the most that a call can cost out of all its limits
at once. Money is in nano-dollars, and times are seconds since 1970; windows are
those of UTC, so that they are the same wherever a program runs.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import Final, Literal, assert_never

import attrs
from attrs.validators import and_, gt, in_, le

from ..catalog.rates import Rates, ceiling
from ..chat import ChatRequest
from .spending import Limit, Opening

__all__ = [
    "LEAST_OUTPUT",
    "UNKNOWN_LONGEST",
    "Alert",
    "AlertKind",
    "Budget",
    "BudgetScope",
    "Per",
    "alert_between",
    "guarded_input",
    "least_output",
    "limit_of",
    "limits_of",
    "longest_output",
    "own_limit",
    "renews_at",
    "window_at",
]

Per = Literal["total", "day", "month"]
BudgetScope = Literal["all", "provider", "model", "session", "user"]

LEAST_OUTPUT: Final = 256
"""Tokens: a paragraph or two. Who would get less is better served by a clear refusal."""

# Tokens of thought, which count as an answer and come before it: the budgets that LiteLLM 1.80.0
# gives to these words (constants.py), and twice the last for what is above. A model that is cut
# off within them has cost money and said nothing.
_THOUGHT: Final = {"minimal": 128, "low": 1_024, "medium": 2_048, "high": 4_096}
_MOST_THOUGHT: Final = 8_192

UNKNOWN_LONGEST: Final = 32_768
"""Tokens that an answer gets at most where a budget applies and neither the request nor
anything that is known of the model bounds it: longer than nearly all answers are."""

# Seconds. In the time of computers every day is as long: leap seconds are not counted.
_DAY: Final = 86_400


@attrs.frozen(kw_only=True)
class Budget:
    """No more than `limit` nano-dollars `per` day, month, or in all ("total"). `name` is what the
    configuration and errors call it.

    `scope` says whose: of all calls together, or of each provider, model
    ("provider/model"), session or user by itself; `only` is the one of them that
    it is for. `alert_at` is the part of it at which somebody should look, and
    with `clamp` an answer is shortened rather than refused near the end.
    """

    name: str
    limit: int = attrs.field(validator=gt(0))
    per: Per = attrs.field(validator=in_(("total", "day", "month")))
    scope: BudgetScope = attrs.field(
        default="all", validator=in_(("all", "provider", "model", "session", "user"))
    )
    only: str | None = None
    # Four fifths: a person who reads it has a fifth of the window left, if all days are alike.
    alert_at: float = attrs.field(default=0.8, validator=and_(gt(0), le(1)))
    clamp: bool = True

    @cached_property
    def alert_above(self) -> int:
        """The nano-dollars of which somebody is told once they are spent."""
        part = Decimal(str(self.alert_at)) * self.limit
        return int(part.to_integral_value(rounding=ROUND_CEILING))


def window_at(per: Per, at: float) -> str:
    """The window that this moment lies in: "2026-11-21", "2026-11" or "total"."""
    return "total" if per == "total" else _date(at // _DAY)[: 10 if per == "day" else 7]


@lru_cache(maxsize=8)
def _date(day: float) -> str:
    # Each call asks for it, and it is another one once a day.
    return datetime.fromtimestamp(day * _DAY, UTC).date().isoformat()


def renews_at(per: Per, at: float) -> float | None:
    """When the next window begins; None where there is no other."""
    midnight = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case "total":
            return None
        case "day":
            return (midnight + timedelta(days=1)).timestamp()
        case "month":
            # The 28th and four days lie in the next month, whichever it is.
            later = midnight.replace(day=28) + timedelta(days=4)
            return later.replace(day=1).timestamp()
        case _:
            assert_never(per)


def limit_of(budget: Budget, call: Opening) -> Limit | None:
    """The limit that this budget sets for a call at its time; None where it sets none.

    Calls without a session or a user share one limit, as if they were of one:
    who leaves the name out does not leave the budget.
    """
    window = window_at(budget.per, call.at)
    name = _name_in(budget.scope, call)
    if name is None:
        return Limit("all", window, budget.limit)
    if budget.only is not None and name != budget.only:
        return None
    return Limit(f"{budget.scope}:{name}", window, budget.limit)


def own_limit(budget: Budget, at: float) -> Limit | None:
    """The one limit of a budget of all, or with `only`; None where it has one for each name."""
    window = window_at(budget.per, at)
    if budget.scope == "all":
        return Limit("all", window, budget.limit)
    if budget.only is None:
        return None
    return Limit(f"{budget.scope}:{budget.only}", window, budget.limit)


def _name_in(scope: BudgetScope, call: Opening) -> str | None:
    """What the call is of, in that scope; None where the scope is of all calls."""
    match scope:
        case "all":
            return None
        case "provider":
            return call.provider
        case "model":
            return f"{call.provider}/{call.model}"
        case "session":
            return call.session
        case "user":
            return call.user
        case _:
            assert_never(scope)


def limits_of(budgets: Iterable[Budget], call: Opening) -> tuple[tuple[Budget, Limit], ...]:
    """The budgets that a call falls under, each with its limit.

    Of budgets for the same scope and window only the smallest: it holds
    whenever the others do, and a sum is taken from once.
    """
    found: dict[tuple[str, str], tuple[Budget, Limit]] = {}
    for budget in budgets:
        limit = limit_of(budget, call)
        if limit is not None:
            key = (limit.scope, limit.window)
            other = found.get(key)
            if other is None or limit.most < other[1].most:
                found[key] = (budget, limit)
    return tuple(found.values())


def guarded_input(estimate: int) -> int:
    """The input tokens to reserve for where `estimate` are expected: a tenth more, rounded up.

    Estimates of prompts with tools and images are off by some per cent; what
    was too much comes back when the provider has counted.
    """
    return estimate + -(-estimate // 10)


def least_output(request: ChatRequest) -> int:
    """The fewest tokens to which the answer to `request` may be shortened.

    With a reasoning effort there must be room for the thoughts before the words;
    with a budget of Anthropic's for them (`thinking` in `extra`) the limit must
    be larger than that, or the provider refuses it.
    """
    thinking = request.extra.get("thinking") if request.extra else None
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    if type(budget) is int and budget > 0:
        return budget + LEAST_OUTPUT
    effort = request.reasoning_effort
    if effort is None or effort == "none":
        return LEAST_OUTPUT
    return _THOUGHT.get(effort, _MOST_THOUGHT) + LEAST_OUTPUT


def longest_output(left: int, input_tokens: int, most: int, rates: Rates) -> int:
    """The longest answer, up to `most` tokens, whose ceiling fits into `left` nano-dollars.

    Zero also where not even the prompt fits.
    """
    lengths = range(most + 1)
    fitting = bisect_right(lengths, left, key=lambda n: ceiling(input_tokens, n, rates))
    return max(0, fitting - 1)


class AlertKind(Enum):
    """What somebody should know of a budget."""

    NEAR = "near"
    """As much is spent as its `alert_at` says."""
    SPENT = "spent"
    """All of it is."""
    REFUSED = "refused"
    """A call was refused for it: what is left does not cover what such a call can cost."""


@attrs.frozen(kw_only=True)
class Alert:
    """Something that is said once in a window: `spent` nano-dollars of `limit.most` are spent."""

    kind: AlertKind
    budget: Budget
    limit: Limit
    spent: int


def alert_between(budget: Budget, limit: Limit, before: int, after: int) -> Alert | None:
    """What to say when the sum of a limit goes from `before` to `after`: the gravest only.

    A sum that was above a threshold already says nothing of it, so that a
    program that starts again does not repeat what its last life has said.
    """
    marks: Sequence[tuple[AlertKind, int]] = (
        (AlertKind.SPENT, budget.limit),
        (AlertKind.NEAR, budget.alert_above),
    )
    for kind, mark in marks:
        if before < mark <= after:
            return Alert(kind=kind, budget=budget, limit=limit, spent=after)
    return None
