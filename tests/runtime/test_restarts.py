"""The arithmetic of restarts, whatever the numbers."""

from math import inf

import pytest
from hypothesis import given, strategies as st

from trouper.runtime.restarts import (
    Backoff,
    BackoffState,
    Intensity,
    PoisonWatch,
    Restart,
    RestartHistory,
    comes_back,
)

seconds = st.floats(0, 1e6)
chances = st.floats(0, 1)
backoffs = st.builds(
    Backoff,
    initial=seconds,
    maximum=seconds,
    factor=st.floats(1, 1e300),
    jitter=chances,
    reset_after=seconds,
    first=seconds,
)


@pytest.mark.parametrize(
    ("restart", "after_crash", "after_end"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.TRANSIENT, True, False),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_which_ends_bring_a_child_back(
    restart: Restart, after_crash: bool, after_end: bool
) -> None:
    assert comes_back(restart, crashed=True) is after_crash
    assert comes_back(restart, crashed=False) is after_end


@given(backoffs, st.integers(0, 10_000), chances)
def test_a_delay_stays_within_its_bounds(backoff: Backoff, attempt: int, chance: float) -> None:
    delay = backoff.delay(attempt, chance)
    longest = backoff.first if attempt == 0 else backoff.maximum

    assert 0 <= delay <= longest
    if attempt > 0:
        assert delay >= min(backoff.initial, backoff.maximum) * (1 - backoff.jitter) * (1 - 1e-9)


@given(backoffs, st.integers(1, 2000), chances)
def test_no_delay_is_shorter_than_the_one_before_by_the_same_chance(
    backoff: Backoff, attempt: int, chance: float
) -> None:
    assert backoff.delay(attempt + 1, chance) >= backoff.delay(attempt, chance)


@given(backoffs, st.integers(0, 100), chances, chances)
def test_jitter_only_takes_off(backoff: Backoff, attempt: int, chance: float, other: float) -> None:
    full = backoff.delay(attempt, 0.0)

    assert full * (1 - backoff.jitter) * (1 - 1e-9) <= backoff.delay(attempt, chance) <= full
    if chance < other:
        assert backoff.delay(attempt, chance) >= backoff.delay(attempt, other)


@given(backoffs, st.lists(st.floats(0, 1e7), max_size=30))
def test_the_count_of_attempts_is_that_of_short_lives_in_a_row(
    backoff: Backoff, lives: list[float]
) -> None:
    state = BackoffState(backoff)
    attempt = 0
    for lived in lives:
        if lived >= backoff.reset_after:
            attempt = 0

        assert state.next(lived, 0.5) == backoff.delay(attempt, 0.5)
        attempt += 1


@given(st.integers(0, 8), st.floats(0.1, 100), st.lists(st.floats(0, 50), max_size=60))
def test_the_window_is_exact(restarts: int, period: float, gaps: list[float]) -> None:
    history = RestartHistory(Intensity(restarts, period))
    times: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        times.append(now)
        within = sum(now - time <= period for time in times)

        assert history.record(now) is (within > restarts)


@given(
    st.integers(1, 5),
    st.floats(0.1, 10),
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(0, 20)), max_size=60),
)
def test_poison_is_the_same_crash_so_often_in_a_row(
    limit: int, period: float, crashes: list[tuple[str | None, float]]
) -> None:
    watch = PoisonWatch(limit, period)
    now, row = 0.0, 0
    before: tuple[str | None, float] = (None, 0.0)
    for signature, gap in crashes:
        now += gap
        row = row + 1 if signature == before[0] and now - before[1] <= period else 1
        before = (signature, now)

        assert watch.record(signature, now) is (signature is not None and row >= limit)


def test_a_limit_of_zero_finds_no_poison() -> None:
    watch = PoisonWatch(0, inf)

    assert not any(watch.record("a", 0.0) for _ in range(100))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Backoff(initial=-1),
        lambda: Backoff(factor=0.5),
        lambda: Backoff(jitter=1.5),
        lambda: Intensity(restarts=-1),
        lambda: Intensity(period=0),
    ],
)
def test_numbers_without_a_meaning_are_refused(wrong: type) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()
