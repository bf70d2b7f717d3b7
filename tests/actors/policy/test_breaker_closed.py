"""A closed breaker: calls flow, and are counted."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.breaker import (
    Breaker,
    BreakerPolicy,
    Closed,
    Open,
    Pass,
    admit,
    at,
    reset,
    settle,
)
from trouper.actors.policy.outcome import NEUTRAL, SUCCESS, CallResult, Outcome

POLICY = BreakerPolicy()
FAILED = CallResult(Outcome.FAILURE, what="server_error (HTTP 500)")
LOST = CallResult(Outcome.UNREACHABLE, what="connection_failed")


def after(
    *results: CallResult, every: float = 0.0, policy: BreakerPolicy = POLICY, chance: float = 0.0
) -> Breaker:
    """A breaker after calls with these results, `every` so many seconds."""
    breaker: Breaker = Closed()
    for number, result in enumerate(results):
        breaker, given = admit(breaker, number * every)
        assert isinstance(given, Pass)
        breaker = settle(breaker, given, result, policy=policy, now=number * every, chance=chance)
    return breaker


def test_calls_flow_at_any_number_at_once() -> None:
    breaker: Breaker = Closed()
    for _ in range(1000):
        breaker, given = admit(breaker, 0.0)
        assert given == Pass(0)


def test_nine_failures_are_too_few_to_say_anything_and_ten_open_it() -> None:
    # 500s and not lost connections: the provider is there.
    assert isinstance(after(*[FAILED] * 9), Closed)
    assert isinstance(after(*[FAILED] * 10), Open)


def test_half_of_ten_calls_open_it_and_less_does_not() -> None:
    assert isinstance(after(*[SUCCESS] * 6, *[FAILED] * 4), Closed)
    assert isinstance(after(*[SUCCESS] * 5, *[FAILED] * 5), Open)


def test_only_a_failure_opens_it() -> None:
    # The tenth call makes it five of ten, and is a success.
    assert isinstance(after(*[FAILED] * 5, *[SUCCESS] * 5), Closed)


@given(
    st.integers(1, 50),
    st.floats(0.01, 1.0),
    st.lists(st.booleans(), min_size=1, max_size=120),
)
def test_it_opens_when_enough_calls_have_ended_and_enough_of_them_failed(
    min_calls: int, ratio: float, fails: list[bool]
) -> None:
    policy = BreakerPolicy(min_calls=min_calls, failure_ratio=ratio)
    breaker: Breaker = Closed()
    for number, failed in enumerate(fails, 1):
        result = FAILED if failed else SUCCESS
        breaker = settle(breaker, Pass(0), result, policy=policy, now=5.0, chance=0.5)
        failures = sum(fails[:number])
        opens = failed and number >= min_calls and failures >= ratio * number
        assert isinstance(breaker, Open if opens else Closed)
        if opens:
            break


def test_what_failed_more_than_30_seconds_ago_does_not_count() -> None:
    assert isinstance(after(*[FAILED] * 40, every=3.5), Closed)
    assert isinstance(after(*[FAILED] * 10, every=2.9), Open)


def test_five_calls_in_a_row_that_find_nobody_open_it() -> None:
    assert isinstance(after(*[LOST] * 4, every=60.0), Closed)
    assert isinstance(after(*[LOST] * 5, every=60.0), Open)


@pytest.mark.parametrize("between", [SUCCESS, FAILED])
def test_any_answer_between_them_shows_that_somebody_is_there(between: CallResult) -> None:
    assert isinstance(after(*[LOST] * 4, between, *[LOST] * 4, every=60.0), Closed)


def test_neutral_ends_count_for_nothing() -> None:
    breaker = after(*[NEUTRAL] * 1000)

    assert breaker == Closed()
    assert isinstance(after(*[LOST] * 4, NEUTRAL, LOST, every=60.0), Open)


def test_it_says_why_it_opened() -> None:
    by_ratio, by_row = after(*[SUCCESS] * 4, *[FAILED] * 6), after(*[LOST] * 5)

    assert isinstance(by_ratio, Open)
    assert by_ratio.cause == (
        "6 of 10 calls failed within 30 s, the last with server_error (HTTP 500)"
    )
    assert isinstance(by_row, Open)
    assert by_row.cause == "5 calls in a row got no answer, the last with connection_failed"


def test_closing_it_by_hand_forgets_what_was_counted() -> None:
    breaker = reset(after(*[FAILED] * 9))

    assert (breaker.window.calls, breaker.unreachable) == (0, 0)


def test_a_report_of_before_it_was_closed_by_hand_is_ignored() -> None:
    breaker = reset(after(*[FAILED] * 9))
    assert settle(breaker, Pass(0), FAILED, policy=POLICY, now=0.0, chance=0.0) == breaker


def test_looking_at_it_forgets_what_is_old_and_keeps_its_generation() -> None:
    breaker = at(after(*[FAILED] * 9), 100.0)

    assert isinstance(breaker, Closed)
    assert (breaker.generation, breaker.window.calls) == (0, 0)
