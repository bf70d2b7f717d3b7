"""Readers slow down while the loop is busy or late, and only then."""

from hypothesis import given, strategies as st

from trouper.actors.policy import pacing as constants
from trouper.actors.policy.pacing import BUSY, CALM, IDLE, LATE, SAMPLE, TICKS, Pacing

LOOKS = st.tuples(st.floats(0, 10), st.floats(0, 1))
MIDDLING = (CALM + LATE) / 2
RISE, FALL = constants._RISE_AFTER, constants._FALL_AFTER
TOP = len(TICKS) - 1


def after(pacing: Pacing, *lags: float, busy: float = 0.0) -> Pacing:
    for lag in lags:
        pacing = pacing.after(lag, busy)
    return pacing


def test_a_fresh_pacing_waits_for_nothing() -> None:
    assert Pacing().tick == 0


def test_some_late_looks_in_a_row_raise_the_tick() -> None:
    assert after(Pacing(), *[LATE] * (RISE - 1)).tick == 0
    assert after(Pacing(), *[LATE] * RISE).tick == TICKS[1]


def test_a_loop_that_stays_late_gets_to_the_longest_tick_and_no_further() -> None:
    for level in range(len(TICKS)):
        assert after(Pacing(), *[1.0] * RISE * level).tick == TICKS[level]
    assert after(Pacing(), *[1.0] * 1000).tick == TICKS[-1]


def test_one_late_look_is_no_reason_to_slow_down() -> None:
    assert after(Pacing(), *([LATE] * (RISE - 1) + [0.0]) * 40).tick == 0


def test_a_calm_loop_falls_back_level_by_level_to_no_tick() -> None:
    busy = after(Pacing(), *[1.0] * RISE * TOP)
    assert after(busy, *[0.0] * (FALL - 1)).level == TOP
    assert after(busy, *[0.0] * FALL).level == TOP - 1
    assert after(busy, *[0.0] * FALL * TOP) == Pacing()


def test_a_late_look_puts_off_the_fall() -> None:
    busy = after(Pacing(), *[1.0] * RISE)
    assert after(busy, *[0.0] * (FALL - 1), LATE, *[0.0] * (FALL - 1)).level == 1


def test_a_loop_that_is_neither_late_nor_calm_keeps_its_level() -> None:
    for level in range(len(TICKS)):
        assert after(Pacing(level), *[MIDDLING] * 1000).level == level


def test_a_look_between_late_and_calm_counts_for_neither() -> None:
    assert after(Pacing(1), *[0.0] * (FALL - 1), MIDDLING, 0.0).level == 0
    assert after(Pacing(), *[LATE] * (RISE - 1), MIDDLING, LATE).level == 0


def test_a_busy_loop_is_paced_before_it_is_late() -> None:
    assert after(Pacing(), *[0.0] * (RISE - 1), busy=BUSY).level == 0
    assert after(Pacing(), *[0.0] * RISE, busy=BUSY).level == 1
    assert after(Pacing(), *[0.0] * 1000, busy=1.0).level == TOP


def test_a_loop_that_would_be_busy_without_its_waiting_keeps_its_level() -> None:
    for level in range(1, len(TICKS)):
        more_reads = 2 if level > 1 else 3
        assert more_reads * IDLE[level] < BUSY
        assert after(Pacing(level), *[0.0] * 1000, busy=IDLE[level] + 0.01).level == level
        assert after(Pacing(level), *[0.0] * FALL, busy=IDLE[level]).level == level - 1


@given(st.lists(LOOKS, max_size=400))
def test_whatever_is_seen_the_tick_moves_one_level_at_a_time_within_its_bounds(
    looks: list[tuple[float, float]],
) -> None:
    pacing = Pacing()
    for lag, busy in looks:
        before, pacing = pacing, pacing.after(lag, busy)
        assert 0 <= pacing.level < len(TICKS)
        assert abs(pacing.level - before.level) <= 1
        assert lag >= LATE or busy >= BUSY or pacing.level <= before.level
        assert (lag <= CALM and busy <= max(IDLE)) or pacing.level >= before.level


def test_it_takes_less_than_half_a_second_to_react() -> None:
    assert RISE * SAMPLE < 0.5
