"""Budgets over a fake ledger, at noon, where a token read costs a nano-dollar and one written four."""

from datetime import UTC, datetime

import attrs

from tests.fakes.ledger import FakeLedger
from trouper.actors.catalog.rates import Rate, Rates, UnknownPrice
from trouper.actors.chat import Usage
from trouper.actors.gate.budget import Budgets, Lease
from trouper.actors.policy.budget import Budget, BudgetScope, Per
from trouper.actors.store.ledger import Opening, Row

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
MIDNIGHT = NOON + 12 * 3_600

RATES = Rates(input=Rate(1_000), output=Rate(4_000), price_id="list gpt-x")
CALL = Opening(
    op_id="op",
    request_id="request",
    attempt=1,
    at=0,
    provider="openai",
    model="gpt-x",
    reserved=0,
    user="alice",
)


class House:
    """Budgets over a fake ledger, at noon."""

    def __init__(
        self, *budgets: Budget, delay: float = 0.0, ledger: FakeLedger | None = None
    ) -> None:
        self.ledger = ledger or FakeLedger(delay)
        self.now = NOON
        self.alerts: list[str] = []
        self.budgets = Budgets(
            self.ledger,
            budgets,
            clock=lambda: self.now,
            on_alert=lambda alert: self.alerts.append(f"{alert.kind.value} {alert.spent}"),
        )
        self._count = len(self.ledger.table)

    def lease(
        self,
        rates: Rates | UnknownPrice = RATES,
        *,
        prompt: int = 100,
        most: int | None = 1_000,
        longest: int | None = None,
        user: str = "alice",
    ) -> Lease:
        self._count += 1
        opening = attrs.evolve(CALL, op_id=f"op-{self._count}", user=user)
        return self.budgets.lease(
            opening, rates, input_tokens=prompt, max_output_tokens=most, longest=longest
        )

    async def spend(self, cost: int) -> None:
        async with self.lease(prompt=0, most=-(-cost // 4)) as lease:
            lease.sent()
            lease.settle(Usage(input=cost))

    async def totals(self, scope: str = "all", window: str = "2026-11-21") -> tuple[int, int]:
        totals = await self.ledger.spent(scope, window)
        return totals.spent, totals.reserved

    @property
    def last(self) -> Row:
        return list(self.ledger.table.values())[-1]


def budget(
    limit: int = 10_000,
    *,
    scope: BudgetScope = "all",
    per: Per = "day",
    clamp: bool = True,
) -> Budget:
    return Budget(name="daily", limit=limit, per=per, scope=scope, clamp=clamp)
