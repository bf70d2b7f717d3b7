"""Sums are read once, by whoever comes first, and few are kept."""

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.budgets import RATES
from tests.fakes.ledger import FakeLedger
from trouper.actors.chat import Usage
from trouper.actors.gate.budget import Budgets
from trouper.actors.gate.limit_sums import LimitSums
from trouper.actors.policy.budget import Budget
from trouper.actors.store.ledger import Limit, Opening, Totals


def limit(user: int, most: int = 1_000) -> Limit:
    return Limit(f"user:{user}", "total", most)


async def test_those_who_come_at_once_share_one_look(autojump_clock: MockClock) -> None:
    ledger = FakeLedger(delay=1)
    sums = LimitSums(ledger)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(sums.begin, [limit(1), limit(2)])
    assert ledger.reads == 2
    (one, two) = await sums.begin([limit(1), limit(2)])
    assert (one.calls, two.calls) == (11, 11)
    assert trio.current_time() == 2


async def test_who_is_cancelled_while_it_looks_leaves_the_look_to_the_next(
    autojump_clock: MockClock,
) -> None:
    ledger = FakeLedger(delay=1)
    sums = LimitSums(ledger)

    async def impatient() -> None:
        with trio.move_on_after(0.5):
            await sums.begin([limit(1)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(impatient)
        await trio.sleep(0.25)
        await sums.begin([limit(1)])
    assert ledger.reads == 2
    assert trio.current_time() == 1.5


async def test_a_look_that_fails_fails_who_looked_and_is_tried_again() -> None:
    class Down(FakeLedger):
        async def spent(self, scope: str, window: str) -> Totals:
            raise RuntimeError("the disk is gone")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="the disk is gone"):
            await LimitSums(Down()).begin([limit(1)])


async def test_the_sums_of_those_who_are_not_here_are_forgotten_and_read_again() -> None:
    ledger = FakeLedger()
    sums = LimitSums(ledger, most=10)
    (busy,) = await sums.begin([limit(0)])
    for user in range(1, 100):
        (one,) = await sums.begin([limit(user)])
        one.calls -= 1
        assert len(sums) <= 11
    assert (await sums.begin([limit(0)]))[0] is busy
    before = ledger.reads
    await sums.begin([limit(1)])
    assert ledger.reads == before + 1


async def test_a_sum_is_exact_also_when_calls_come_at_once(autojump_clock: MockClock) -> None:
    ledger = FakeLedger(delay=0.1)
    alerts: list[int] = []
    budgets = Budgets(
        ledger,
        [Budget(name="all", limit=100_000, per="total", alert_at=0.5)],
        clock=lambda: 0.0,
        on_alert=lambda alert: alerts.append(alert.spent),
    )

    async def call(number: int) -> None:
        opening = Opening(
            op_id=str(number), request_id="", attempt=1, at=0, provider="p", model="m", reserved=0
        )
        async with budgets.lease(opening, RATES, input_tokens=1_000, max_output_tokens=1) as lease:
            lease.sent()
            await trio.sleep(number / 100)
            lease.settle(Usage(input=1_000))

    async with trio.open_nursery() as nursery:
        for number in range(60):
            nursery.start_soon(call, number)
    assert alerts == [50_000]
    assert (await ledger.spent("all", "total")).spent == 60_000
