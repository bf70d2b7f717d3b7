"""Token buckets: they grant no more than they may, and no less."""

from itertools import accumulate

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import Usage
from trouper.actors.policy.bucket import (
    NOTHING,
    RESOURCES,
    Bucket,
    Buckets,
    Demand,
    RateLimits,
    spent,
)

PER_MINUTE = st.floats(0.5, 1e9)
LIMITS = st.builds(
    RateLimits,
    requests_per_minute=st.none() | PER_MINUTE,
    tokens_per_minute=st.none() | PER_MINUTE,
    input_tokens_per_minute=st.none() | PER_MINUTE,
    output_tokens_per_minute=st.none() | PER_MINUTE,
    burst=st.floats(0.5, 60),
)
COSTS = st.builds(Demand, st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 3))
# The clock of trio begins at some random hundred thousand seconds.
STARTS = st.sampled_from([0.0, 123_456.789, 1e6])


def tokens(per_minute: float, burst: float = 9.0) -> Buckets:
    return Buckets.of(RateLimits(tokens_per_minute=per_minute, burst=burst), 0.0)


def levels(buckets: Buckets, now: float) -> list[float]:
    return [bucket.level_at(now) for bucket in buckets.each if bucket is not None]


@given(LIMITS, STARTS, st.lists(st.tuples(st.floats(0, 30), COSTS), max_size=40))
def test_in_no_window_more_is_granted_than_its_time_fills_and_one_burst(
    limits: RateLimits, start: float, calls: list[tuple[float, Demand]]
) -> None:
    buckets, now = Buckets.of(limits, start), start
    granted: list[tuple[float, Demand]] = []
    for pause, cost in calls:
        now += pause
        buckets, wait = buckets.acquire(cost, now)
        if not wait:
            granted.append((now, cost))

    for index, bucket in enumerate(buckets.each):
        if bucket is None:
            continue
        amounts = [cost.amounts[index] for _, cost in granted]
        # What is larger than the bucket takes it full, and then it is that much at once.
        once = max([bucket.capacity, *amounts])
        sums = [0.0, *accumulate(amounts)]
        for first, (began, _) in enumerate(granted):
            for last in range(first, len(granted)):
                time = granted[last][0] - began
                most = bucket.rate * (time + 2e-6) + once
                assert sums[last + 1] - sums[first] <= most * (1 + 1e-9)


@given(LIMITS, STARTS, st.lists(COSTS, min_size=1, max_size=20))
def test_who_waits_as_long_as_told_is_granted_at_the_first_try(
    limits: RateLimits, start: float, costs: list[Demand]
) -> None:
    buckets, now = Buckets.of(limits, start), start
    for cost in costs:
        buckets, wait = buckets.acquire(cost, now)
        if wait:
            now += wait
            buckets, wait = buckets.acquire(cost, now)
        assert wait == 0


@given(LIMITS, st.lists(COSTS, max_size=10), COSTS)
def test_a_wait_that_is_foretold_behind_others_is_not_longer_than_the_one_that_comes(
    limits: RateLimits, before: list[Demand], cost: Demand
) -> None:
    buckets, now = Buckets.of(limits, 0.0), 0.0
    ahead = NOTHING
    for other in before:
        ahead += other
    foretold = buckets.wait_for(cost, 0.0, ahead)
    for each in [*before, cost]:
        _, wait = buckets.acquire(each, now)
        now += wait
        buckets, _ = buckets.acquire(each, now)
    assert foretold <= now * (1 + 1e-6) + 1e-4


@given(LIMITS, COSTS, COSTS)
def test_a_refusal_changes_nothing(limits: RateLimits, first: Demand, second: Demand) -> None:
    buckets, _ = Buckets.of(limits, 0.0).acquire(first, 0.0)
    after, wait = buckets.acquire(second, 0.0)
    assert (after is buckets) == (wait > 0)


def test_a_call_takes_from_all_buckets_or_from_none() -> None:
    limits = RateLimits(
        requests_per_minute=60, tokens_per_minute=600, output_tokens_per_minute=60, burst=10
    )
    full = Buckets.of(limits, 0.0)
    assert levels(full, 0.0) == [10, 100, 10]

    taken, wait = full.acquire(Demand(20, 4), 0.0)
    refused, longer = taken.acquire(Demand(20, 8), 0.0)

    assert wait == 0
    assert levels(taken, 0.0) == [9, 76, 6]
    assert longer == pytest.approx(2)  # the output tokens are missing two
    assert levels(refused, 0.0) == [9, 76, 6]


def test_the_wait_behind_others_is_foretold_by_what_they_take() -> None:
    buckets = tokens(6_000)  # 900 at most, 100 a second
    assert buckets.wait_for(Demand(200), 0.0, Demand(900)) == pytest.approx(2)
    assert buckets.wait_for(Demand(5_000), 0.0, Demand(1_100)) == pytest.approx(11)


def test_what_is_not_asked_of_a_bucket_does_not_wait_for_it() -> None:
    limits = RateLimits(requests_per_minute=600, output_tokens_per_minute=60, burst=10)
    indebted, _ = Buckets.of(limits, 0.0).acquire(Demand(0, 500), 0.0)
    assert indebted.acquire(Demand(100, 0), 0.0)[1] == 0
    assert indebted.acquire(Demand(100, 1), 0.0)[1] > 0


def test_a_call_that_is_larger_than_the_bucket_waits_for_a_full_one_and_leaves_a_debt() -> None:
    buckets, _ = tokens(6_000).acquire(Demand(300), 0.0)  # 900 at most, 100 a second
    assert buckets.acquire(Demand(5_000), 0.0)[1] == pytest.approx(3)

    after, wait = buckets.acquire(Demand(5_000), 3.0)

    assert wait == 0
    assert levels(after, 3.0) == [pytest.approx(-4_100)]
    assert after.acquire(Demand(1), 3.0)[1] == pytest.approx(41.01)


def test_what_a_clock_cannot_wait_for_is_there() -> None:
    """A bucket that lacked a hair had its waiter sleep for no time at all, for ever."""
    start = 1e6
    bucket = Bucket(1e7, 1e8, 1_000.0 - 1e-4, start)
    lacking = 1e-4 / 1e7

    assert start + lacking == start
    assert bucket.wait_for(1_000.0, start) == 0


# In a minute as much fills up as two calls take at most.
@given(st.floats(400_000, 1e9), COSTS, COSTS, st.floats(0, 5))
def test_truth_in_place_of_an_estimate_is_as_if_it_had_been_taken(
    rate: float, estimate: Demand, actual: Demand, later: float
) -> None:
    # Without a burst that could run over in between.
    empty = tokens(rate).observe([None, 0.0, None, None], 0.0, NOTHING, 0.0)
    (trued,) = levels(empty.true_up(NOTHING, estimate, 0.0).true_up(estimate, actual, later), later)
    (direct,) = levels(empty.true_up(NOTHING, actual, 0.0), later)
    assert trued == pytest.approx(direct, abs=1e-3)


def test_what_is_given_back_never_overfills_a_bucket() -> None:
    full = tokens(600, burst=10)
    assert levels(full.true_up(Demand(500), NOTHING, 0.0), 0.0) == [100]


def test_an_estimate_that_was_too_low_leaves_a_debt() -> None:
    taken, _ = tokens(600, burst=10).acquire(Demand(50), 0.0)
    assert levels(taken.true_up(Demand(50), Demand(80, 90), 0.0), 0.0) == [-70]


@given(LIMITS, STARTS, st.lists(st.tuples(COSTS, st.integers(0, 2**64), st.floats(0, 9))))
def test_no_truth_makes_a_key_wait_longer_than_a_minute_and_a_full_bucket(
    limits: RateLimits, start: float, calls: list[tuple[Demand, int, float]]
) -> None:
    buckets, now = Buckets.of(limits, start), start
    for estimate, actual, later in calls:
        buckets = buckets.true_up(estimate, Demand(actual, actual), now)
        now += later
        wait = buckets.wait_for(Demand(2**64, 2**64), now)
        assert wait <= (60 + limits.burst) * (1 + 1e-6)


def test_the_debt_of_a_call_that_was_larger_than_a_minute_is_kept_and_made_no_deeper() -> None:
    taken, _ = tokens(600, burst=10).acquire(Demand(5_000), 0.0)
    assert levels(taken.true_up(Demand(5_000), Demand(6_000), 0.0), 0.0) == [-4_900]
    assert levels(taken.true_up(Demand(5_000), Demand(4_000), 0.0), 0.0) == [-3_900]


@given(LIMITS, COSTS, st.lists(st.none() | st.integers(0, 10**9), min_size=4, max_size=4), COSTS)
def test_what_a_server_says_lowers_levels_and_never_raises_them(
    limits: RateLimits, first: Demand, remaining: list[int | None], taken: Demand
) -> None:
    before, _ = Buckets.of(limits, 0.0).acquire(first, 0.0)
    after = before.observe(remaining, 0.0, taken, 0.0)
    for old, new, left, amount in zip(
        before.each, after.each, remaining, taken.amounts, strict=True
    ):
        if old is None or new is None or left is None:
            assert new == old
        else:
            assert new.level == min(old.level, left * 0.95 - amount)


def test_a_word_of_the_server_of_before_has_filled_up_since() -> None:
    lowered = tokens(600, burst=10).observe([None, 20, None, None], 5.0, Demand(30), 8.0)
    assert levels(lowered, 8.0) == [pytest.approx(20 * 0.95 - 30 + 3 * 10)]


@given(st.lists(st.floats(0, 1e5), min_size=1))
def test_a_pause_is_never_made_shorter_and_nothing_is_had_in_it(untils: list[float]) -> None:
    buckets = tokens(600)
    for until in untils:
        buckets = buckets.pause(until, 0.0)
    assert buckets.wait_for(Demand(1), 0.0) == max(untils)
    assert buckets.acquire(Demand(1), max(untils))[1] == 0


def test_in_a_pause_nothing_fills_and_what_is_given_back_counts() -> None:
    taken, _ = tokens(600, burst=10).acquire(Demand(80), 0.0)  # 100 at most, 10 a second
    paused = taken.pause(9.0, 1.0).pause(4.0, 2.0)

    assert levels(paused, 8.0) == [30]
    assert paused.acquire(Demand(50), 8.0)[1] == pytest.approx(1 + 2)
    assert levels(paused.true_up(Demand(80), Demand(50), 3.0), 9.0) == [60]
    assert levels(paused, 10.0) == [40]


def test_a_clock_that_goes_back_fills_nothing_twice() -> None:
    buckets, _ = tokens(600, burst=10).acquire(Demand(100), 10.0)
    again, _ = buckets.acquire(NOTHING, 5.0)
    again = again.true_up(Demand(0), Demand(1), 5.0)
    assert levels(again, 10.0) == [-1]


def test_without_limits_nothing_waits_but_for_a_pause() -> None:
    free = Buckets.of(RateLimits(), 0.0)
    assert free.acquire(Demand(10**9, 10**9), 0.0) == (free, 0.0)
    assert free.pause(7.0, 0.0).acquire(Demand(), 0.0)[1] == 7.0


def test_the_cost_of_a_call_is_its_usage_without_cached_input_where_that_is_free() -> None:
    usage = Usage(input=1_000, output=50, cache_read=900)
    assert spent(usage) == Demand(1_000, 50)
    assert spent(usage, cache_reads_count=False) == Demand(100, 50)


def test_amounts_stand_in_the_order_of_the_resources() -> None:
    assert dict(zip(RESOURCES, Demand(3, 4, 2).amounts, strict=True)) == {
        "requests": 2,
        "tokens": 7,
        "input_tokens": 3,
        "output_tokens": 4,
    }


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(RateLimits)])
def test_a_limit_of_nothing_is_no_limit_but_a_mistake(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        RateLimits(**{field: 0})
