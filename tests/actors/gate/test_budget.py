"""What an attempt can cost is reserved, and what it has cost is settled, once, however it ends."""

from contextlib import nullcontext, suppress

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.fakes.budgets import NOON, RATES, House, budget
from trouper.actors.catalog.rates import Rate
from trouper.actors.chat import Usage
from trouper.actors.errors import ErrorKind, ProviderError


async def test_the_most_that_a_call_can_cost_is_reserved_and_the_rest_comes_back() -> None:
    house = House(budget())
    async with house.lease() as lease:
        # A prompt of 100 with a tenth more, and 1,000 tokens at four.
        assert lease.opening.reserved == 4_110
        assert await house.totals() == (0, 4_110)
        lease.sent()
        lease.settle(Usage(input=90, output=500))
    assert lease.cost == 2_090
    assert lease.max_output_tokens == 1_000
    assert await house.totals() == (2_090, 0)


async def test_a_row_says_what_is_known(autojump_clock: MockClock) -> None:
    house = House()
    async with house.lease() as lease:
        lease.sent()
        await trio.sleep(0.25)
        lease.first_token()
        await trio.sleep(1)
        priority = attrs.evolve(RATES, output=Rate(8_000), price_id="list gpt-x priority")
        lease.settle(
            Usage(input=1, output=1), rates=priority, model="gpt-x-0905", service_tier="priority"
        )
    opening, closing = house.last.opening, house.last.closing
    assert (opening.at, opening.reserved, opening.price_id) == (NOON, 4_110, "list gpt-x")
    assert closing is not None
    assert attrs.asdict(closing, recurse=False) == {
        "state": "settled",
        "outcome": "ok",
        "usage": Usage(input=1, output=1),
        "cost": 9,
        "price_id": "list gpt-x priority",
        "model": "gpt-x-0905",
        "service_tier": "priority",
        "first_token_ms": 250,
        "duration_ms": 1_250,
    }


async def test_cached_tokens_are_paid_once() -> None:
    """
    Row 15: cached tokens billed twice. They are within the input, at the rate
    of their own, in answers that are streamed and in those that are not.
    """
    rates = attrs.evolve(RATES, cache_read=Rate(100))
    house = House(budget())
    async with house.lease(rates, prompt=1_000) as lease:
        lease.sent()
        lease.settle(Usage(input=1_000, cache_read=900, output=10))
    async with house.lease(rates, prompt=1_000) as streamed:
        streamed.sent()
        streamed.note(Usage(input=1_000, cache_read=900, output=10))
    assert lease.cost == streamed.cost == 100 + 90 + 40
    assert await house.totals() == (460, 0)


async def test_only_the_first_word_counts() -> None:
    house = House(budget())
    async with house.lease() as lease:
        lease.sent()
        lease.settle(Usage(input=7))
        lease.settle(Usage(input=8))
    lease.close()
    assert await house.totals() == (7, 0)


def refusal(*, committed: bool = False, billed_maybe: bool = False) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.OVERLOADED,
        message="no",
        committed=committed,
        billed="maybe" if billed_maybe else "no",
    )


@attrs.frozen
class End:
    """How an attempt ends, and what is in the ledger then."""

    error: BaseException | None
    state: str
    outcome: str
    spent: int
    sent: bool = True
    noted: bool = False


NOTED = Usage(input=100, output=20, estimated=True)
FAULT = KeyError("a bug")

ENDS = {
    "never sent": End(None, "released", "ok", 0, sent=False),
    "a fault before the send": End(FAULT, "released", "failed", 0, sent=False),
    "refused unbilled": End(refusal(), "released", "overloaded", 0),
    "refused after content": End(refusal(committed=True), "unknown", "overloaded", 4_110),
    "perhaps billed": End(refusal(billed_maybe=True), "unknown", "overloaded", 4_110),
    "perhaps billed, after content": End(
        refusal(billed_maybe=True), "settled", "overloaded", 180, noted=True
    ),
    "a fault after the send": End(FAULT, "unknown", "failed", 4_110),
    "answered, and nobody counted": End(None, "unknown", "ok", 4_110),
    "answered, and estimated": End(None, "settled", "ok", 180, noted=True),
    "a group of faults": End(
        BaseExceptionGroup("", [GeneratorExit(), refusal(billed_maybe=True)]),
        "unknown",
        "overloaded",
        4_110,
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_whatever_happens_is_settled_once(end: End) -> None:
    house = House(budget())
    with nullcontext() if end.error is None else pytest.raises(type(end.error)):
        async with house.lease() as lease:
            if end.sent:
                lease.sent()
            if end.noted:
                lease.note(NOTED)
            if end.error is not None:
                raise end.error
    assert house.last.closing is not None
    assert (house.last.state, house.last.closing.outcome) == (end.state, end.outcome)
    assert await house.totals() == (end.spent, 0)


async def test_an_answer_that_is_cancelled_is_charged_as_far_as_it_came(
    autojump_clock: MockClock,
) -> None:
    """
    Row 16: interrupted streams have no usage. What was counted meanwhile is in
    the ledger, and said to be an estimate.
    """
    house = House(budget())
    with trio.move_on_after(1):
        async with house.lease() as lease:
            lease.sent()
            lease.first_token()
            lease.note(NOTED)
            await trio.sleep_forever()
    closing = house.last.closing
    assert closing is not None
    assert (closing.state, closing.outcome, closing.usage) == ("settled", "cancelled", NOTED)
    assert await house.totals() == (180, 0)


async def test_a_client_that_leaves_is_in_the_ledger_before_anything_else_happens(
    autojump_clock: MockClock,
) -> None:
    """
    Row 17: client disconnect bills nothing, because the cancel unwinds before
    the record is written. Here closing is synchronous and needs no checkpoint.
    """
    house = House(budget())
    lease = house.lease()
    with trio.CancelScope() as scope:
        async with lease:
            lease.sent()
            scope.cancel()
            await trio.sleep_forever()
    assert (house.last.state, lease.cost) == ("unknown", None)
    assert await house.totals() == (4_110, 0)


async def test_a_call_of_a_free_model_cost_nothing_also_where_nobody_counted() -> None:
    """A bug: cancelled before its first word, it cost "unknown" on a model of one's own."""
    house = House(budget())
    free = attrs.evolve(RATES, input=Rate(0), output=Rate(0))
    async with house.lease(free) as lease:
        lease.sent()
    assert (house.last.state, lease.cost) == ("unknown", 0)
    assert await house.totals() == (0, 0)


async def test_calls_that_come_at_once_cannot_spend_the_same_cent_twice(
    autojump_clock: MockClock,
) -> None:
    """
    Row 18: a budget that is checked before and spent after is overspent by
    concurrent requests.
    """
    house = House(budget(10_000, clamp=False), delay=0.1)
    through: list[int] = []

    async def call() -> None:
        with suppress(ProviderError):
            async with house.lease() as lease:
                lease.sent()
                through.append(lease.opening.reserved)
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(call)
    assert through == [4_110, 4_110]
    assert await house.totals() == (8_220, 0)


async def test_who_is_cancelled_while_it_reserves_holds_nothing(
    autojump_clock: MockClock,
) -> None:
    """
    Row 19: reservations leak on cancel, and phantoms exhaust the budget.
    """
    house = House(budget(), delay=0.1)
    for after in (0.0, 0.05, 0.15, 0.05):
        with trio.move_on_after(after):
            async with house.lease():
                raise AssertionError("it takes longer than that")
        assert await house.totals() == (0, 0)
    # The first look at the sum was cancelled twice, and hurt nobody.
    async with house.lease() as lease:
        assert lease.opening.reserved == 4_110
    assert house.alerts == []


async def test_a_ledger_that_fails_lets_no_call_through() -> None:
    house = House(budget())
    house.ledger.failing = RuntimeError("the disk is full")
    with pytest.raises(RuntimeError, match="the disk is full"):
        async with house.lease():
            raise AssertionError("nobody knows what is left")
    house.ledger.failing = None
    assert await house.totals() == (0, 0)


async def test_a_call_that_cost_more_than_was_reserved_is_not_silent() -> None:
    house = House(budget())
    with capture_logs() as lines:
        async with house.lease() as lease:
            lease.sent()
            lease.settle(Usage(input=9_000))
    assert [line["event"] for line in lines] == ["call cost more than was reserved"]
    assert await house.totals() == (9_000, 0)


async def test_what_may_cost_more_than_a_ledger_holds_is_refused_before_there_is_a_row() -> None:
    dear = attrs.evolve(RATES, output=Rate(10**10))
    house = House()
    with pytest.raises(ProviderError, match="max_output_tokens") as caught:
        async with house.lease(dear, most=10**9):
            pass

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert house.ledger.table == {}
