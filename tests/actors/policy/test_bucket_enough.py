"""What a server says is left is not even told where it can change nothing."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.bucket import NOTHING, RESOURCES, Buckets, Demand, RateLimits

LIMITS = RateLimits(
    requests_per_minute=600, tokens_per_minute=60_000, input_tokens_per_minute=30_000
)

costs = st.builds(Demand, st.integers(0, 9_000), st.integers(0, 9_000))
steps = st.lists(st.tuples(st.floats(0, 20), st.booleans(), costs, costs), min_size=0, max_size=12)


@given(before=steps, after=steps, more=st.floats(0, 100_000))
def test_what_is_enough_lowers_no_bucket(
    before: list[tuple[float, bool, Demand, Demand]],
    after: list[tuple[float, bool, Demand, Demand]],
    more: float,
) -> None:
    buckets, now, _ = _run(Buckets.of(LIMITS, 0.0), 0.0, before)
    since = now
    buckets, now, taken = _run(buckets, now, after)

    told = [LIMITS.enough(each) + more for each in RESOURCES]
    observed = buckets.observe(told, since, taken, now)

    for mine, theirs in zip(buckets.each, observed.each, strict=True):
        if mine is not None:
            assert theirs is not None
            assert theirs.level_at(now) == pytest.approx(mine.level_at(now), abs=1e-6)


def _run(
    buckets: Buckets, now: float, steps: list[tuple[float, bool, Demand, Demand]]
) -> tuple[Buckets, float, Demand]:
    """Calls that are let through, of which some end and took something else."""
    taken = NOTHING
    for seconds, ends, estimate, actual in steps:
        now += seconds
        buckets, wait = buckets.acquire(estimate, now)
        if wait:
            continue
        taken += estimate
        if ends:
            buckets = buckets.true_up(estimate, actual, now)
            taken += actual - estimate
    return buckets, now, taken


def test_what_is_not_limited_is_always_enough() -> None:
    assert LIMITS.enough("output_tokens") == 0.0
