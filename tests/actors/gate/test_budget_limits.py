"""What a budget lets through, what it shortens, and what it says where it refuses."""

from collections.abc import Sequence

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.budgets import MIDNIGHT, NOON, RATES, House, budget
from tests.fakes.ledger import FakeLedger
from trouper.actors.catalog.rates import FREE, Rate, UnknownPrice
from trouper.actors.chat import Usage
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.store.ledger import Denied, Limit, Opening, Totals


async def test_near_the_limit_the_answer_is_shortened() -> None:
    house = House(budget(5_000))
    await house.spend(1_000)
    async with house.lease() as lease:
        assert lease.max_output_tokens == (4_000 - 110) // 4
        assert lease.opening.reserved == 110 + 4 * 972


async def test_whoever_always_comes_too_late_is_refused_in_the_end() -> None:
    class Greedy(FakeLedger):
        """Something else takes a part of what is left, before each reservation."""

        async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
            other = attrs.evolve(opening, op_id=f"other {len(self.table)}", reserved=400)
            await super().reserve(other, limits)
            return await super().reserve(opening, limits)

    ledger = Greedy()
    house = House(budget(4_400), ledger=ledger)
    with pytest.raises(ProviderError, match="budget_exceeded"):
        async with house.lease():
            raise AssertionError("it was never fast enough")
    assert len(ledger.table) == 4


async def test_an_answer_is_not_shortened_to_nothing() -> None:
    house = House(budget(5_000))
    await house.spend(5_000 - 110 - 4 * 255)
    with pytest.raises(ProviderError, match="budget_exceeded"):
        async with house.lease():
            raise AssertionError("255 tokens are not worth it")
    async with house.lease(most=100) as lease:
        assert lease.max_output_tokens == 100


async def test_what_others_take_meanwhile_shortens_it_more(autojump_clock: MockClock) -> None:
    house = House(budget(8_000), delay=0.1)
    lengths: list[int | None] = []

    async def call() -> None:
        async with house.lease() as lease:
            lengths.append(lease.max_output_tokens)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(call)
    assert lengths == [1_000, (8_000 - 4_110 - 110) // 4]


@pytest.mark.parametrize(
    ("most", "longest", "asked"),
    [(None, 2_000, None), (None, None, 32_768), (500, 200, 500), (500, None, 500)],
)
async def test_what_bounds_the_answer_is_reserved(
    most: int | None, longest: int | None, asked: int | None
) -> None:
    house = House(budget(10**9))
    async with house.lease(most=most, longest=longest) as lease:
        assert lease.max_output_tokens == asked
        bound = min(each for each in (most, longest, 32_768) if each is not None)
        assert lease.opening.reserved == 110 + 4 * bound


async def test_without_a_budget_nothing_is_asked_of_the_request() -> None:
    house = House()
    async with house.lease(most=None) as lease:
        assert lease.max_output_tokens is None
        assert lease.opening.reserved == 110 + 4 * 32_768
    assert house.ledger.reads == 0


async def test_what_is_free_goes_on_when_nothing_is_left() -> None:
    house = House(budget(1_000))
    await house.spend(1_000)
    async with house.lease(FREE, most=None) as lease:
        lease.sent()
        lease.settle(Usage(input=5, output=5))
    assert (lease.cost, lease.max_output_tokens) == (0, None)


async def test_a_refusal_says_which_budget_what_is_left_and_when_it_renews() -> None:
    house = House(budget(5 * 10**9, scope="user", clamp=False))
    rates = attrs.evolve(RATES, input=Rate(10**9), output=Rate(0))
    with pytest.raises(ProviderError) as raised:
        async with house.lease(rates, prompt=10_000):
            raise AssertionError("it costs eleven dollars")
    error = raised.value
    assert str(error) == (
        'openai: budget_exceeded: budget "daily" ($5.00 a day for user alice) has $5.00 left, and '
        "this call may cost $11.00; it renews at 2026-11-22 00:00 UTC [the money set aside for "
        "this is used up; wait until the budget renews, ask a cheaper model, or raise its "
        "limit_usd]"
    )
    assert error.retry_after == MIDNIGHT - NOON
    assert (error.retryable, error.scope, error.billed, error.code) == (
        False,
        "deployment",
        "no",
        "daily",
    )


async def test_a_budget_for_good_says_that_it_does_not_renew() -> None:
    house = House(budget(1, scope="session", per="total"))
    with pytest.raises(ProviderError) as raised:
        async with house.lease():
            raise AssertionError("one nano-dollar is not enough")
    assert "for calls without a session) has $0.000000001 left" in raised.value.message
    assert raised.value.message.endswith("; it does not renew by itself")
    assert raised.value.retry_after is None


async def test_a_new_day_has_its_own_money() -> None:
    house = House(budget(5_000, clamp=False))
    await house.spend(5_000)
    with pytest.raises(ProviderError):
        async with house.lease():
            raise AssertionError("the day is over")
    house.now = MIDNIGHT
    async with house.lease():
        assert await house.totals(window="2026-11-22") == (0, 4_110)


async def test_each_user_has_the_limit_for_itself() -> None:
    house = House(budget(5_000, scope="user", clamp=False))
    async with house.lease(user="alice"), house.lease(user="bob"):
        with pytest.raises(ProviderError, match="for user bob"):
            async with house.lease(user="bob"):
                raise AssertionError("his is taken")


async def test_what_has_no_price_is_refused_where_a_budget_applies() -> None:
    price = UnknownPrice('no prices are known for x; put them under prices."a/x"')
    house = House(budget())
    with pytest.raises(ProviderError) as raised:
        async with house.lease(price):
            raise AssertionError("it cannot be held to anything")
    assert raised.value.kind is ErrorKind.PRICE_UNKNOWN
    assert (raised.value.retryable, raised.value.scope) == (False, "deployment")
    assert raised.value.message == (
        'budget "daily" applies, and no prices are known for x; put them under prices."a/x"'
    )
    assert house.ledger.table == {}


async def test_what_has_no_price_goes_on_without_a_budget_and_its_cost_stays_unknown() -> None:
    house = House()
    async with house.lease(UnknownPrice("who knows")) as lease:
        lease.sent()
        lease.settle(Usage(input=5, output=5))
    assert house.last.opening.reserved == 0
    assert house.last.closing is not None
    assert (house.last.state, house.last.closing.cost) == ("settled", None)


async def test_budgets_can_be_looked_at() -> None:
    house = House(budget(), budget(scope="user"))
    async with house.lease():
        standings = await house.budgets.standings()
    assert [(each.limit, each.totals) for each in standings] == [
        (Limit("all", "2026-11-21", 10_000), Totals(spent=0, reserved=4_110))
    ]
