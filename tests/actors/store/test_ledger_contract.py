"""What every ledger promises; each test runs through each implementation."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.fakes.attempts import DAY, IMPLEMENTATIONS, MONTH, NOON, all_rows, attempt, cost, limit
from trouper.actors.chat import Usage
from trouper.actors.store.ledger import (
    MOST_NANO,
    Closing,
    Denied,
    Ledger,
    Row,
    Selection,
    Totals,
)


@pytest.fixture(params=IMPLEMENTATIONS)
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Ledger]:
    async with IMPLEMENTATIONS[request.param](tmp_path) as opened:
        yield opened


async def spent(ledger: Ledger, scope: str = "all", window: str = DAY) -> tuple[int, int]:
    totals = await ledger.spent(scope, window)
    return totals.spent, totals.reserved


# Opening and closing.


async def test_an_attempt_is_a_row_as_it_was_opened_and_closed(ledger: Ledger) -> None:
    opening = attempt(
        "a", 150, price_id="openai:gpt-x@1", key_id="0123abcd", session="s1", attempt=2
    )
    closing = Closing(
        state="settled",
        outcome="ok",
        usage=Usage(
            input=7,
            output=6,
            cache_read=5,
            cache_write=4,
            cache_write_1h=3,
            reasoning=2,
            estimated=True,
        ),
        cost=123,
        price_id="openai:gpt-x@2",
        model="gpt-x-2026",
        service_tier="flex",
        first_token_ms=80,
        duration_ms=950,
    )

    assert await ledger.reserve(opening) is None
    before = await all_rows(ledger)
    ledger.settle("a", closing)

    assert before == [Row(opening=opening, state="reserved", closing=None)]
    assert await all_rows(ledger) == [Row(opening=opening, state="settled", closing=closing)]


async def test_what_was_reserved_becomes_what_it_cost(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100), [limit(1_000)])
    held = await spent(ledger)

    ledger.settle("a", cost(60))

    assert held == (0, 100)
    assert await spent(ledger) == (60, 0)


async def test_an_attempt_may_cost_more_than_was_reserved(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100), [limit(100)])

    ledger.settle("a", cost(130))

    assert await spent(ledger) == (130, 0)
    assert await ledger.reserve(attempt("b", 0), [limit(100)]) == Denied(limit(100), -30)


async def test_what_was_released_costs_nothing(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100), [limit(100)])

    ledger.settle("a", cost(None, state="released", outcome="connection_failed", usage=None))

    assert await spent(ledger) == (0, 0)
    assert await ledger.reserve(attempt("b", 100), [limit(100)]) is None


@pytest.mark.parametrize("state", ["unknown", "settled"])
async def test_what_is_of_unknown_cost_counts_as_what_was_reserved(
    ledger: Ledger, state: str
) -> None:
    await ledger.reserve(attempt("a", 100), [limit(150)])

    ledger.settle("a", cost(None, state=state))

    assert await spent(ledger) == (100, 0)
    assert await ledger.reserve(attempt("b", 51), [limit(150)]) == Denied(limit(150), 50)


async def test_only_the_first_closing_counts(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100))

    ledger.settle("a", cost(60))
    ledger.settle("a", cost(90))
    ledger.settle("a", cost(None, state="released"))

    (row,) = await all_rows(ledger)
    assert row.closing == cost(60)
    assert await spent(ledger) == (60, 0)


async def test_to_close_what_was_never_opened_says_nothing(ledger: Ledger) -> None:
    ledger.settle("nobody", cost(60))

    assert await all_rows(ledger) == []
    assert await spent(ledger) == (0, 0)


@pytest.mark.parametrize("most", [150, 1_000], ids=["too little", "enough"])
async def test_the_same_attempt_is_opened_once(ledger: Ledger, most: int) -> None:
    for _ in range(3):
        assert await ledger.reserve(attempt("a", 100), [limit(most)]) is None

    assert await spent(ledger) == (0, 100)
    assert len(await all_rows(ledger)) == 1


async def test_the_same_attempt_has_the_same_answer_after_its_end(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100), [limit(100)])
    ledger.settle("a", cost(100))

    assert await ledger.reserve(attempt("a", 100), [limit(100)]) is None
    assert await spent(ledger) == (100, 0)


# Limits.


async def test_a_limit_covers_exactly_what_it_says(ledger: Ledger) -> None:
    assert await ledger.reserve(attempt("a", 60), [limit(100)]) is None
    assert await ledger.reserve(attempt("b", 41), [limit(100)]) == Denied(limit(100), 40)
    assert await ledger.reserve(attempt("c", 40), [limit(100)]) is None
    assert await ledger.reserve(attempt("d", 0), [limit(100)]) is None


async def test_what_is_denied_takes_nothing_and_may_be_asked_for_again(ledger: Ledger) -> None:
    await ledger.reserve(attempt("a", 100), [limit(100)])
    denied = await ledger.reserve(attempt("b", 100), [limit(100)])
    rows = await all_rows(ledger)
    ledger.settle("b", cost(77))  # there is nothing to close
    ledger.settle("a", cost(0))

    assert denied == Denied(limit(100), 0)
    assert [row.opening.op_id for row in rows] == ["a"]
    assert await ledger.reserve(attempt("b", 100), [limit(100)]) is None


async def test_all_limits_are_taken_from_or_none(ledger: Ledger) -> None:
    wide, narrow = limit(1_000, window="total"), limit(50, "user:alice", MONTH)

    denied = await ledger.reserve(attempt("a", 60), [wide, narrow])
    left = await spent(ledger, "all", "total")
    granted = await ledger.reserve(attempt("a", 50), [wide, narrow])

    assert (denied, left, granted) == (Denied(narrow, 50), (0, 0), None)
    assert await spent(ledger, "all", "total") == (0, 50)
    assert await spent(ledger, "user:alice", MONTH) == (0, 50)


async def test_a_limit_that_is_new_knows_what_was_spent_before_it_was_there(
    ledger: Ledger,
) -> None:
    await ledger.reserve(attempt("a", 100))
    ledger.settle("a", cost(70))
    await ledger.reserve(attempt("b", 20))

    assert await ledger.reserve(attempt("c", 11), [limit(100)]) == Denied(limit(100), 10)
    ledger.settle("b", cost(5))
    assert await spent(ledger) == (75, 0)


async def test_sums_are_those_of_every_scope_and_window(ledger: Ledger) -> None:
    day = 86_400
    attempts: dict[str, dict[str, Any]] = {
        "a": {"session": "s1"},
        "b": {"provider": "anthropic", "model": "c", "user": ""},
        "c": {"at": NOON + day, "session": "s2"},
        "d": {"at": NOON + 10 * day},
    }
    for op_id, more in attempts.items():
        await ledger.reserve(attempt(op_id, 1, **more))
        ledger.settle(op_id, cost({"a": 1, "b": 10, "c": 100, "d": 1_000}[op_id]))

    async def of(scope: str, window: str) -> int:
        return (await spent(ledger, scope, window))[0]

    assert await of("all", "total") == 1_111
    assert await of("all", DAY) == 11
    assert await of("all", "2026-11-22") == 100
    assert await of("all", MONTH) == 111
    assert await of("all", "2026-12") == 1_000
    assert await of("provider:openai", "total") == 1_101
    assert await of("model:anthropic/c", MONTH) == 10
    assert await of("user:alice", DAY) == 1
    assert await of("user:", "total") == 10
    assert await of("session:s2", "total") == 100
    assert await of("session:", "total") == 1_010


@pytest.mark.parametrize(
    ("at", "window"),
    [
        (NOON - 43_200, "2026-11-21"),
        (NOON + 43_200 - 0.000_5, "2026-11-21"),
        (NOON + 43_200, "2026-11-22"),
    ],
)
async def test_a_day_is_of_utc_and_ends_at_its_last_moment(
    ledger: Ledger, at: float, window: str
) -> None:
    assert await ledger.reserve(attempt("a", 5, at=at)) is None

    assert await ledger.spent("all", window) == Totals(spent=0, reserved=5)
    assert await ledger.reserve(attempt("b", 1, at=at), [limit(5, window=window)]) is not None


async def test_a_limit_that_the_attempt_does_not_fall_under_is_a_mistake(ledger: Ledger) -> None:
    for wrong in (limit(9, "user:bob"), limit(9, window="2026-11-20"), limit(9, "model:gpt-x")):
        with pytest.raises(ValueError, match="none of attempt a"):
            await ledger.reserve(attempt("a"), [wrong])

    assert await all_rows(ledger) == []


async def test_a_sum_of_what_is_no_scope_or_window_is_a_mistake(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="is no scope"):
        await ledger.spent("tenant:x", DAY)
    with pytest.raises(ValueError, match="2026-13"):
        await ledger.spent("all", "2026-13")


# Selections.


async def test_rows_come_by_their_time_and_as_selected(ledger: Ledger) -> None:
    attempts: list[tuple[str, float, dict[str, Any]]] = [
        ("late", 30.5, {}),
        ("first", 10.0, {"user": "bob", "session": "s"}),
        ("second", 10.0, {"provider": "anthropic", "user": ""}),
        ("middle", 20.0, {"model": "gpt-y"}),
    ]
    for op_id, at, more in attempts:
        await ledger.reserve(attempt(op_id, at=at, **more))

    async def of(**selected: object) -> list[str]:
        return [row.opening.op_id for row in await all_rows(ledger, **selected)]

    assert await of() == ["first", "second", "middle", "late"]
    assert await of(since=10.0, until=30.5) == ["first", "second", "middle"]
    assert await of(since=20.0) == ["middle", "late"]
    assert await of(user="bob") == ["first"]
    assert await of(user="") == ["second"]
    assert await of(session="s", user="bob", provider="openai") == ["first"]
    assert await of(session="") == ["second", "middle", "late"]
    assert await of(model="gpt-y", user="bob") == []


async def test_many_rows_are_read_in_pages_without_a_gap_or_a_repeat(ledger: Ledger) -> None:
    async def some(start: int) -> None:
        for i in range(start, 1_300, 50):
            # Many of one time: a page ends within them.
            await ledger.reserve(attempt(str(i), at=float(i // 400)))

    async with trio.open_nursery() as nursery:
        for start in range(50):
            nursery.start_soon(some, start)

    found = [row.opening async for row in ledger.rows(Selection())]
    assert {opening.op_id for opening in found} == {str(i) for i in range(1_300)}
    assert len(found) == 1_300
    assert [o.at for o in found] == sorted(o.at for o in found)


# Many at once.


async def test_a_thousand_at_once_never_exceed_a_limit(ledger: Ledger) -> None:
    granted = 0
    most = 0
    budget = limit(10_000)

    async def one(i: int) -> None:
        nonlocal granted, most
        if await ledger.reserve(attempt(str(i), 73), [budget]) is None:
            granted += 1
            totals = await ledger.spent("all", DAY)
            most = max(most, totals.spent + totals.reserved)
            ledger.settle(str(i), cost(i % 74))

    async with trio.open_nursery() as nursery:
        for i in range(1_000):
            nursery.start_soon(one, i)

    spent_now, reserved = await spent(ledger)
    rows = await all_rows(ledger)
    assert 10_000 // 73 <= granted < 1_000
    assert most <= 10_000
    assert (len(rows), reserved) == (granted, 0)
    assert spent_now == sum(row.closing.cost or 0 for row in rows if row.closing is not None)


async def test_nothing_stays_reserved_after_a_storm_of_cancels(ledger: Ledger) -> None:
    async def one(i: int) -> None:
        with trio.CancelScope() as scope:
            if i % 3:
                scope.deadline = trio.current_time() + i % 7 * 0.000_3
            try:
                await ledger.reserve(attempt(str(i), 10), [limit(4_000)])
                await trio.sleep(i % 5 * 0.000_3)
            finally:
                ledger.settle(str(i), cost(None, state="released", outcome="cancelled"))

    async with trio.open_nursery() as nursery:
        for i in range(500):
            nursery.start_soon(one, i)

    assert await spent(ledger) == (0, 0)
    assert {row.state for row in await all_rows(ledger)} <= {"released"}


async def test_a_reservation_that_is_cancelled_leaves_nothing_open(ledger: Ledger) -> None:
    for i in range(20):
        with trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + i * 0.000_05
            if i == 0:
                scope.cancel()
            await ledger.reserve(attempt(str(i), 10))
        if scope.cancelled_caught:
            assert await spent(ledger) == (0, 0), i
        else:
            ledger.settle(str(i), cost(0))


async def test_one_that_was_cancelled_may_be_opened_again(ledger: Ledger) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await ledger.reserve(attempt("a", 10), [limit(10)])

    assert await ledger.reserve(attempt("a", 10), [limit(10)]) is None
    assert await spent(ledger) == (0, 10)


async def test_the_most_that_an_amount_may_be_can_be_summed() -> None:
    assert attrs.evolve(attempt("a"), reserved=2**53).reserved == 2**53
    with pytest.raises(ValueError, match="reserved"):
        attempt("a", 2**53 + 1)
    with pytest.raises(ValueError, match="reserved"):
        attempt("a", -1)
    with pytest.raises(ValueError, match="cost"):
        cost(-1)


def test_a_row_can_be_closed_whatever_it_has_cost() -> None:
    assert cost(2**70).cost == MOST_NANO
