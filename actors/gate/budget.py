"""One attempt through the budgets, from the most that it can cost to what it has cost.

async with budgets.lease(opening, rates, input_tokens=900, max_output_tokens=1024) as lease:
    request = attrs.evolve(request, max_output_tokens=lease.max_output_tokens)
    lease.sent()                            # from here on it may cost something
    ...                                     # the call
    lease.settle(completion.usage)
# Leaving the block settles what has not been, also when it is cancelled.

Every attempt has a row in the ledger, whether a budget applies to it or not.
Nothing is spent that was not reserved before, so calls that come at once cannot
spend the same cent twice.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs
import structlog

from ..catalog.rates import Rates, UnknownPrice
from ..policy.budget import (
    LEAST_OUTPUT,
    Alert,
    AlertKind,
    Budget,
    guarded_input,
    limits_of,
    own_limit,
)
from ..policy.money import dollars
from ..store.ledger import Denied, Ledger, Limit, Opening, Totals
from .budget_lease import Lease, Purse
from .limit_sums import LimitSums

__all__ = ["ALERTS", "Alert", "Budgets", "Lease", "Standing", "log_alert", "log_standing"]

_log = structlog.get_logger("trouper.budget")


@attrs.frozen(kw_only=True)
class Standing:
    """How a `budget` stands in the window of now: the `totals` are nano-dollars of `limit.most`."""

    budget: Budget
    limit: Limit
    totals: Totals


def log_standing(standing: Standing) -> None:
    """Say it as a log line, for the start of a program: a warning from `alert_at` on.

    What a killed program had under way counts in full from then on, and
    crosses a threshold without anybody's call.
    """
    spent, limit = standing.totals.spent, standing.limit
    note = _log.warning if spent >= standing.budget.alert_above else _log.info
    note(
        "budget stands",
        budget=standing.budget.name,
        scope=limit.scope,
        window=limit.window,
        spent_usd=dollars(spent),
        limit_usd=dollars(limit.most),
    )


ALERTS: Final[Mapping[AlertKind, str]] = {
    AlertKind.NEAR: "budget is nearly spent",
    AlertKind.SPENT: "budget is spent",
    AlertKind.REFUSED: "budget does not cover a call",
}
"""What is said of each."""


def log_alert(alert: Alert) -> None:
    """Say it as a log line: a warning, or an error once all of it is spent."""
    note = _log.error if alert.kind is AlertKind.SPENT else _log.warning
    note(
        ALERTS[alert.kind],
        budget=alert.budget.name,
        scope=alert.limit.scope,
        window=alert.limit.window,
        spent_usd=dollars(alert.spent),
        limit_usd=dollars(alert.limit.most),
    )


class Budgets:
    """All budgets of a program, over its ledger.

    `clock` tells the seconds since 1970, by which days and months are told
    apart. `on_alert` is told once in a window that a budget is nearly spent,
    that it is spent, and that a call was refused for it; it must not raise.
    What was said before a restart is not said again, but for the refusal.
    """

    def __init__(
        self,
        ledger: Ledger,
        budgets: Iterable[Budget] = (),
        *,
        clock: Callable[[], float] = time.time,
        on_alert: Callable[[Alert], None] = log_alert,
    ) -> None:
        self._purse = Purse(
            budgets=tuple(budgets),
            ledger=ledger,
            sums=LimitSums(ledger),
            clock=clock,
            on_alert=on_alert,
        )

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets, in the order of the configuration."""
        return self._purse.budgets

    def lease(
        self,
        opening: Opening,
        rates: Rates | UnknownPrice,
        *,
        input_tokens: int,
        max_output_tokens: int | None,
        longest: int | None = None,
        least: int = LEAST_OUTPUT,
    ) -> Lease:
        """What an attempt holds of the budgets: a block to make the call in.

        `opening` names the attempt; its `at`, `reserved` and `price_id` are
        filled in. `input_tokens` is the estimate of the prompt, to which a
        margin is added. `max_output_tokens` is what the request asks for, None
        where it leaves it to the provider, and `longest` the most tokens that the
        model can answer, where that is known. An answer is not shortened to
        fewer than `least` tokens. `rates` are what the model costs.
        """
        return Lease(
            self._purse,
            opening,
            rates,
            input_tokens=guarded_input(input_tokens),
            max_output_tokens=max_output_tokens,
            longest=longest,
            least=least,
        )

    async def charged(self, opening: Opening, added: int) -> None:
        """Warn as a call does whose row somebody else has closed, as those of a batch are.

        `added` is how many nano-dollars that has added to what is spent; of `opening` it counts whose
        and when it was. Raises what the ledger does.
        """
        purse = self._purse
        for budget, limit in limits_of(purse.budgets, opening):
            known = purse.sums.has(limit)
            [total] = await purse.sums.begin([limit])
            total.calls -= 1
            if not known:
                # It was read just now, and has it already.
                total.spent -= added
            self._tell(total.spend(budget, limit, added))

    async def refused(self, opening: Opening, denied: Denied) -> None:
        """Warn that a budget does not cover what somebody else has tried to open."""
        sums = self._purse.sums
        for budget, limit in limits_of(self.budgets, opening):
            if limit == denied.limit:
                [total] = await sums.begin([limit])
                total.calls -= 1
                self._tell(total.refuse(budget, limit))

    def _tell(self, alert: Alert | None) -> None:
        if alert is not None:
            self._purse.on_alert(alert)

    async def standings(self) -> list[Standing]:
        """How the budgets stand that have one limit only: those of all, and those with `only`."""
        found: list[Standing] = []
        for budget in self.budgets:
            limit = own_limit(budget, self._purse.clock())
            if limit is not None:
                totals = await self._purse.ledger.spent(limit.scope, limit.window)
                found.append(Standing(budget=budget, limit=limit, totals=totals))
        return found
