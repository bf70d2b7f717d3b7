"""A half open breaker: one call at a time finds out whether it is well again."""

import pytest

from trouper.actors.policy.breaker import (
    PROBES_TO_CLOSE,
    Breaker,
    BreakerPolicy,
    Closed,
    HalfOpen,
    Open,
    Pass,
    Refusal,
    admit,
    reset,
    settle,
    trip,
)
from trouper.actors.policy.outcome import NEUTRAL, SUCCESS, CallResult, Outcome

FAILED = CallResult(Outcome.FAILURE, what="server_error (HTTP 503)")
LOST = CallResult(Outcome.UNREACHABLE, what="timeout")
HALF_OPEN = HalfOpen(generation=7, times=2, cause="5 of 10 calls failed")


def probed(breaker: Breaker, *results: CallResult, now: float = 0.0) -> Breaker:
    """The breaker after probes with these results."""
    for result in results:
        breaker, given = admit(breaker, now)
        assert isinstance(given, Pass)
        assert given.probe
        breaker = told(breaker, given, result, now)
    return breaker


def told(breaker: Breaker, given: Pass, result: CallResult, now: float = 0.0) -> Breaker:
    return settle(breaker, given, result, policy=BreakerPolicy(), now=now, chance=0.0)


def test_one_call_may_try_and_the_others_are_refused() -> None:
    probing, given = admit(HALF_OPEN, 0.0)

    assert given == Pass(7, probe=True)
    for _ in range(100):
        assert admit(probing, 1e6) == (probing, Refusal(None, HALF_OPEN.cause))


def test_two_successes_close_it_and_what_comes_then_is_counted_afresh() -> None:
    once = probed(HALF_OPEN, SUCCESS)
    closed = probed(once, SUCCESS)

    assert PROBES_TO_CLOSE == 2
    assert isinstance(once, HalfOpen)
    assert isinstance(closed, Closed)
    assert closed.window.calls == 0


@pytest.mark.parametrize("result", [FAILED, LOST])
def test_one_failure_opens_it_for_longer_and_says_so(result: CallResult) -> None:
    for breaker in (HALF_OPEN, probed(HALF_OPEN, SUCCESS)):
        opened = probed(breaker, result, now=100.0)

        assert isinstance(opened, Open)
        assert opened.times == HALF_OPEN.times + 1
        assert opened.until == 120.0
        assert opened.cause == f"a probe failed with {result.what}"


def test_successes_do_not_outlive_a_failure() -> None:
    opened = probed(HALF_OPEN, SUCCESS, FAILED)
    assert isinstance(opened, Open)

    again = probed(opened, SUCCESS, now=opened.until)

    assert isinstance(again, HalfOpen)
    assert again.successes == 1


def test_a_probe_that_says_nothing_gives_its_place_to_the_next() -> None:
    breaker = probed(HALF_OPEN, SUCCESS, *[NEUTRAL] * 20)

    assert isinstance(breaker, HalfOpen)
    assert (breaker.successes, breaker.probing) == (1, False)
    assert isinstance(probed(breaker, SUCCESS), Closed)


def test_a_probe_counts_once_however_often_it_is_reported() -> None:
    probing, given = admit(HALF_OPEN, 0.0)
    assert isinstance(given, Pass)
    once = told(probing, given, SUCCESS)

    assert told(once, given, SUCCESS) == once
    assert told(once, given, FAILED) == once


def test_the_report_of_an_earlier_probe_does_not_free_the_place_of_the_next() -> None:
    probing, first = admit(HALF_OPEN, 0.0)
    assert isinstance(first, Pass)
    second, _ = admit(told(probing, first, NEUTRAL), 0.0)

    assert told(second, first, NEUTRAL) == second
    assert admit(second, 0.0)[1] == Refusal(None, HALF_OPEN.cause)


@pytest.mark.parametrize("result", [SUCCESS, NEUTRAL, FAILED, LOST])
def test_calls_that_began_before_it_opened_say_nothing_any_more(result: CallResult) -> None:
    for breaker in (HALF_OPEN, admit(HALF_OPEN, 0.0)[0]):
        assert told(breaker, Pass(5), result) == breaker


def test_a_probe_that_ends_after_it_was_opened_by_hand_says_nothing_any_more() -> None:
    probing, given = admit(HALF_OPEN, 0.0)
    assert isinstance(given, Pass)
    tripped = trip(probing, 0.0, "maintenance", 10.0)
    probing_again, _ = admit(tripped, 10.0)

    assert tripped.times == HALF_OPEN.times
    assert told(tripped, given, SUCCESS) == tripped
    assert told(probing_again, given, SUCCESS, now=10.0) == probing_again


def test_closing_it_by_hand_ends_the_probing() -> None:
    probing, given = admit(HALF_OPEN, 0.0)
    assert isinstance(given, Pass)
    closed = reset(probing)

    assert told(closed, given, FAILED) == closed
    assert not any(pass_.probe for pass_ in [admit(closed, 0.0)[1]] if isinstance(pass_, Pass))
