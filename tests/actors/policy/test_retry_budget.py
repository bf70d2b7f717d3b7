"""Retries are a share of the requests, and a few for who asks rarely."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.retry_budget import Account, Allowance, deposit, withdraw

ALLOWANCES = st.builds(
    Allowance,
    share=st.floats(0, 1),
    floor=st.floats(0, 20),
    most=st.floats(0, 50),
    seconds=st.floats(0.1, 100),
)
# What happens, and how many seconds after the last.
EVENTS = st.lists(st.tuples(st.sampled_from(["request", "retry"]), st.floats(0, 30)), max_size=200)


def run(allowance: Allowance, events: list[tuple[str, float]]) -> tuple[int, int, float]:
    """Requests, retries that were allowed, seconds."""
    account, now, requests, retries = Account.opened(allowance, 0.0), 0.0, 0, 0
    for what, later in events:
        now += later
        if what == "request":
            requests += 1
            account = deposit(account, allowance, now)
        else:
            taken = withdraw(account, allowance, now)
            if taken is not None:
                retries += 1
                account = taken
    return requests, retries, now


@given(ALLOWANCES, EVENTS)
def test_never_more_is_taken_than_the_share_the_floor_and_what_time_brings(
    allowance: Allowance, events: list[tuple[str, float]]
) -> None:
    requests, retries, seconds = run(allowance, events)

    bound = allowance.floor + allowance.share * requests + seconds / allowance.seconds
    assert retries <= bound + 1e-6


@given(ALLOWANCES, EVENTS)
def test_what_is_left_is_never_negative_and_what_was_saved_is_bounded(
    allowance: Allowance, events: list[tuple[str, float]]
) -> None:
    account, now = Account.opened(allowance, 0.0), 0.0
    for what, later in events:
        now += later
        if what == "request":
            account = deposit(account, allowance, now)
        else:
            account = withdraw(account, allowance, now) or account

        assert 0 <= account.left <= max(allowance.floor, allowance.most) + 1e-6


@pytest.mark.parametrize("saved", [0, 10_000])
def test_an_outage_of_a_thousand_requests_is_at_most_a_fifth_more_whatever_was_saved(
    saved: int,
) -> None:
    allowance = Allowance()
    before = [("request", 0.01)] * saved
    outage = [("request", 0.1), ("retry", 0.05), ("retry", 0.05)] * 1000

    _, retries, _ = run(allowance, before + outage)

    assert 100 <= retries <= 200


def test_who_asks_rarely_may_retry() -> None:
    requests, retries, _ = run(Allowance(), [("request", 3600.0), ("retry", 1.0)] * 24)

    assert retries == requests


def test_time_never_brings_more_than_the_floor() -> None:
    allowance = Allowance(share=0.0, floor=3.0, seconds=1.0)
    _, retries, _ = run(allowance, [("retry", 1e6)] + [("retry", 0.0)] * 9)

    assert retries == 3


def test_nothing_is_taken_where_there_is_no_floor_and_nothing_was_asked() -> None:
    hedges = Allowance(share=0.05, floor=0.0, most=3.0)

    assert run(hedges, [("retry", 1e6)] * 9)[1] == 0
    assert run(hedges, [("request", 0.0)] * 19 + [("retry", 0.0)])[1] == 0
    assert run(hedges, [("request", 0.0)] * 20 + [("retry", 0.0)])[1] == 1
