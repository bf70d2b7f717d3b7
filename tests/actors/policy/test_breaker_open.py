"""An open breaker: calls are refused until its time is over."""

from math import inf

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.breaker import (
    LONGEST_OPEN,
    LONGEST_RETRY_AFTER,
    Breaker,
    BreakerPolicy,
    Closed,
    HalfOpen,
    Open,
    Pass,
    Refusal,
    admit,
    at,
    reset,
    settle,
    trip,
)
from trouper.actors.policy.outcome import NEUTRAL, SUCCESS, CallResult, Outcome

POLICY = BreakerPolicy()
FAILED = CallResult(Outcome.FAILURE, what="server_error")
WAITS = st.floats(0, 1e5)


def opened(now: float = 0.0, retry_after: float | None = None, chance: float = 0.0) -> Open:
    breaker: Breaker = Closed()
    for _ in range(4):
        breaker = lost(breaker, Pass(0), now, None, chance)
    breaker = lost(breaker, Pass(0), now, retry_after, chance)
    assert isinstance(breaker, Open)
    return breaker


def lost(
    breaker: Breaker, given: Pass, now: float, retry_after: float | None = None, chance: float = 0.0
) -> Breaker:
    result = CallResult(Outcome.UNREACHABLE, retry_after, "connection_failed")
    return settle(breaker, given, result, policy=POLICY, now=now, chance=chance)


def test_it_refuses_until_its_time_is_over_and_says_when_and_why() -> None:
    breaker = opened(now=100.0)

    assert admit(breaker, 104.999) == (breaker, Refusal(105.0, breaker.cause))
    assert admit(breaker, 105.0)[1] == Pass(breaker.generation + 1, probe=True)


def test_looking_at_it_after_its_time_shows_it_half_open() -> None:
    breaker = opened()

    assert at(breaker, 4.9) is breaker
    assert at(breaker, 5.0) == HalfOpen(generation=2, times=1, cause=breaker.cause)


def test_each_probe_that_fails_doubles_the_time_up_to_a_minute() -> None:
    breaker: Breaker = opened()
    waits: list[float] = []
    now = 0.0
    for _ in range(8):
        assert isinstance(breaker, Open)
        waits.append(breaker.until - now)
        now = breaker.until
        breaker, given = admit(breaker, now)
        assert isinstance(given, Pass)
        breaker = lost(breaker, given, now)

    assert waits == [5, 10, 20, 40, 60, 60, 60, 60]


@given(st.floats(0, 1))
def test_jitter_adds_up_to_a_fifth_and_takes_nothing_away(chance: float) -> None:
    assert opened(chance=chance).until == pytest.approx(5 * (1 + chance / 5))


def test_a_first_time_that_is_longer_than_the_longest_stays_as_it_is() -> None:
    patient = BreakerPolicy(open_for=300.0, min_calls=1)
    breaker = settle(Closed(), Pass(0), FAILED, policy=patient, now=0.0, chance=0.0)

    assert isinstance(breaker, Open)
    assert breaker.until == 300.0 > LONGEST_OPEN


def test_a_provider_that_says_when_to_come_back_is_left_alone_so_long() -> None:
    assert opened(retry_after=40.0).until == 40.0
    assert opened(retry_after=1.0).until == 5.0


def test_a_provider_cannot_close_itself_for_ever() -> None:
    assert opened(retry_after=1e12).until == LONGEST_RETRY_AFTER


@given(st.lists(st.tuples(st.floats(0, 4.9), WAITS), max_size=20))
def test_its_deadline_only_ever_moves_away(reports: list[tuple[float, float]]) -> None:
    breaker: Breaker = opened()
    for now, retry_after in sorted(reports):
        before = breaker
        breaker = lost(breaker, Pass(0), now, retry_after)
        assert isinstance(breaker, Open)
        assert isinstance(before, Open)
        assert breaker.until == max(before.until, now + min(retry_after, LONGEST_RETRY_AFTER))


@pytest.mark.parametrize("result", [SUCCESS, NEUTRAL, FAILED])
def test_reports_of_calls_that_began_before_change_nothing(result: CallResult) -> None:
    breaker = opened()
    assert settle(breaker, Pass(0), result, policy=POLICY, now=1.0, chance=0.5) is breaker


def test_one_that_is_opened_by_hand_stays_so_until_it_is_closed_by_hand() -> None:
    breaker = trip(Closed(), 10.0, "maintenance")

    assert admit(breaker, 1e12)[1] == Refusal(inf, "maintenance")
    assert isinstance(admit(reset(breaker), 11.0)[1], Pass)


def test_one_that_is_opened_by_hand_for_a_time_probes_after_it() -> None:
    breaker = trip(Closed(), 10.0, "maintenance", 30.0)

    assert admit(breaker, 39.9)[1] == Refusal(40.0, "maintenance")
    probing, given = admit(breaker, 40.0)
    assert given == Pass(2, probe=True)
    # ... and a probe that fails is the first failure, not the second.
    again = lost(probing, Pass(2, probe=True), 40.0)
    assert isinstance(again, Open)
    assert again.until == 45.0


@given(st.floats(0, 100))
def test_opening_it_by_hand_never_makes_it_reopen_sooner(seconds: float) -> None:
    breaker = opened(retry_after=50.0)

    tripped = trip(breaker, 1.0, "maintenance", seconds)

    assert tripped.until == max(50.0, 1.0 + seconds)
    assert (tripped.cause, tripped.times) == ("maintenance", breaker.times)
