"""A thousand calls at once, cancelled, failing and crashing: no cent too much, and none left behind."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from math import inf

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.budgets import CALL, MIDNIGHT, RATES
from tests.fakes.ledgers import LEDGERS
from trouper.actors.chat import Usage
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.budget import Budgets, Lease
from trouper.actors.policy.budget import Alert, AlertKind, Budget, limits_of
from trouper.actors.store.ledger import (
    Closing,
    Denied,
    Ledger,
    Limit,
    Opening,
    Row,
    Selection,
    Totals,
)

BUDGETS = [
    Budget(name="bill", limit=900_000, per="total"),
    Budget(name="daily", limit=500_000, per="day"),
    Budget(name="users", limit=60_000, per="day", scope="user"),
    Budget(name="strict", limit=200_000, per="month", scope="model", clamp=False),
    Budget(name="alice", limit=40_000, per="total", scope="user", only="alice"),
]

USERS = ("alice", "bob", "carol", "")
MODELS = ("small", "medium", "large")


class Watched:
    """A ledger that is looked at after each reservation."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.settled: defaultdict[str, int] = defaultdict(int)
        self.seen: set[Limit] = set()
        self.denied = 0

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        self.seen.update(limits)
        denied = await self._ledger.reserve(opening, limits)
        self.denied += denied is not None
        for limit in limits:
            totals = await self._ledger.spent(limit.scope, limit.window)
            assert totals.spent >= 0
            assert totals.reserved >= 0
            assert totals.spent + totals.reserved <= limit.most, limit
        return denied

    def settle(self, op_id: str, closing: Closing) -> None:
        self.settled[op_id] += 1
        self._ledger.settle(op_id, closing)

    async def spent(self, scope: str, window: str) -> Totals:
        return await self._ledger.spent(scope, window)

    def rows(self, selection: Selection) -> AsyncIterator[Row]:
        return self._ledger.rows(selection)


class Storm:
    """Random calls, for two minutes; of a clock that goes `speed` times as fast."""

    def __init__(self, rng: random.Random, ledger: Watched, speed: float = 1) -> None:
        self.rng = rng
        self.ledger = ledger
        self.speed = speed
        self.begun = trio.current_time()
        self.alerts: list[Alert] = []
        self.budgets = Budgets(
            ledger,
            BUDGETS,
            # The storm begins a minute before midnight, and goes through it.
            clock=lambda: MIDNIGHT - 60 + (trio.current_time() - self.begun) * speed,
            on_alert=self.alerts.append,
        )

    async def blow(self, calls: int) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(calls):
                nursery.start_soon(self.call, number)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds / self.speed)

    async def call(self, number: int) -> None:
        rng = self.rng
        await self.sleep(rng.choice([0, rng.uniform(0, 120)]))
        opening = attrs.evolve(
            CALL, op_id=f"op-{number}", user=rng.choice(USERS), model=rng.choice(MODELS)
        )
        lease = self.budgets.lease(
            opening,
            RATES,
            input_tokens=rng.randint(0, 2_000),
            max_output_tokens=rng.choice([None, rng.randint(1, 4_000)]),
            longest=8_000,
        )
        with trio.move_on_after(rng.choice([inf, rng.uniform(0, 5), 0]) / self.speed):
            with suppress(ProviderError, KeyError):
                async with lease:
                    await self.through(lease)
        ended = dict(self.ledger.settled)
        lease.close(KeyError("a second end"))
        assert ended == self.ledger.settled

    async def through(self, lease: Lease) -> None:
        rng = self.rng
        most = lease.max_output_tokens or 8_000
        await self.sleep(rng.choice([0, rng.uniform(0, 2)]))
        if rng.random() < 0.1:
            raise KeyError("a bug before the send")
        lease.sent()
        await self.sleep(rng.choice([0, rng.uniform(0, 5)]))
        if rng.random() < 0.4:
            lease.first_token()
            lease.note(Usage(output=rng.randint(0, most), estimated=True))
            await self.sleep(rng.uniform(0, 5))
        match rng.randrange(6):
            case 0:
                raise KeyError("a bug")
            case 1:
                raise ProviderError(
                    kind=ErrorKind.SERVER_ERROR,
                    message="no",
                    billed=rng.choice(["no", "maybe"]),
                )
            case 2:
                pass
            case _:
                lease.settle(Usage(output=rng.randint(0, most)))
                lease.settle(Usage(output=most))


def weight(row: Row) -> int:
    """What a row counts in budgets: worked out by hand."""
    assert row.closing is not None
    return row.opening.reserved if row.closing.cost is None else row.closing.cost


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_budget_is_exceeded_and_nothing_is_left_behind(seed: int, name: str) -> None:
    """
    Rows 18 and 19: a thousand concurrent requests with random cancels, errors
    and crashes never have more than the limit out at any moment; when they are
    over, nothing is reserved, and each sum is that of its rows.
    """

    # A file is written by a thread, which virtual time would not wait for.
    is_virtual = name != "file"
    speed = 1 if is_virtual else 60

    async def main() -> None:
        async with LEDGERS[name]() as ledger:
            watched = Watched(ledger)
            storm = Storm(random.Random(seed), watched, speed)
            await storm.blow(1_000)
            rows = [row async for row in ledger.rows(Selection())]
            await judge(watched, rows)
            judge_alerts(storm.alerts)

    trio.run(main, clock=MockClock(autojump_threshold=0) if is_virtual else None)


async def judge(watched: Watched, rows: Sequence[Row]) -> None:
    assert {row.state for row in rows} == {"settled", "released", "unknown"}
    assert set(watched.settled.values()) == {1}
    assert watched.denied > 50
    expected: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        for _, limit in limits_of(BUDGETS, row.opening):
            expected[limit.scope, limit.window] += weight(row)
    assert len(watched.seen) >= 10
    for limit in watched.seen:
        totals = await watched.spent(limit.scope, limit.window)
        assert totals == Totals(spent=expected[limit.scope, limit.window], reserved=0)


def judge_alerts(alerts: Sequence[Alert]) -> None:
    told = [(alert.kind, alert.limit) for alert in alerts]
    assert len(told) == len(set(told))
    assert {kind for kind, _ in told} >= {AlertKind.NEAR, AlertKind.REFUSED}
