"""Budgets: whose they are, when they renew, how long an answer they still pay, when they warn."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.catalog.rates import FREE, Rate, Rates, ceiling
from trouper.actors.chat import ChatRequest
from trouper.actors.policy.budget import (
    AlertKind,
    Budget,
    BudgetScope,
    Per,
    alert_between,
    guarded_input,
    least_output,
    limit_of,
    limits_of,
    longest_output,
    own_limit,
    renews_at,
    window_at,
)
from trouper.actors.store.ledger import Limit, Opening

DOLLAR = 1_000_000_000
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
TIMES = st.integers(0, 4_000_000_000)

CALL = Opening(
    op_id="op",
    request_id="request",
    attempt=1,
    at=NOON,
    provider="openai",
    model="gpt-x",
    reserved=0,
    session="s-1",
    user="alice",
)


def budget(
    scope: BudgetScope = "all",
    *,
    per: Per = "day",
    only: str | None = None,
    limit: int = 5 * DOLLAR,
    name: str = "daily",
) -> Budget:
    return Budget(name=name, limit=limit, per=per, scope=scope, only=only)


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ("all", "all"),
        ("provider", "provider:openai"),
        ("model", "model:openai/gpt-x"),
        ("session", "session:s-1"),
        ("user", "user:alice"),
    ],
)
def test_each_one_of_a_kind_has_a_limit_of_its_own(scope: BudgetScope, wanted: str) -> None:
    assert limit_of(budget(scope), CALL) == Limit(wanted, "2026-11-21", 5 * DOLLAR)


def test_a_budget_for_one_is_nobody_elses() -> None:
    hers = budget("user", only="alice")

    assert limit_of(hers, CALL) == Limit("user:alice", "2026-11-21", 5 * DOLLAR)
    assert limit_of(hers, attrs.evolve(CALL, user="bob")) is None


def test_who_leaves_the_name_out_does_not_leave_the_budget() -> None:
    assert limit_of(budget("user"), attrs.evolve(CALL, user="")) == Limit(
        "user:", "2026-11-21", 5 * DOLLAR
    )


def test_a_budget_with_one_limit_can_be_looked_at_without_a_call() -> None:
    assert own_limit(budget(), NOON) == Limit("all", "2026-11-21", 5 * DOLLAR)
    assert own_limit(budget("user", only="bob", per="total"), NOON) == Limit(
        "user:bob", "total", 5 * DOLLAR
    )
    assert own_limit(budget("user"), NOON) is None


def test_of_two_budgets_for_the_same_the_smaller_holds() -> None:
    small, large = budget(limit=1, name="small"), budget(limit=2, name="large")
    month = budget(per="month")

    for both in ([small, large, month], [large, small, month]):
        assert limits_of(both, CALL) == (
            (small, Limit("all", "2026-11-21", 1)),
            (month, Limit("all", "2026-11", 5 * DOLLAR)),
        )


def test_budgets_that_do_not_apply_set_no_limit() -> None:
    assert limits_of([budget("provider", only="other"), budget("model", only="gpt-x")], CALL) == ()


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        ("2026-11-30T23:59:59.999999+00:00", "2026-11-30", "2026-11"),
        ("2026-12-01T00:00:00+00:00", "2026-12-01", "2026-12"),
        ("2027-01-01T01:30:00+02:00", "2026-12-31", "2026-12"),
        ("2028-02-29T12:00:00+00:00", "2028-02-29", "2028-02"),
    ],
)
def test_days_and_months_are_those_of_utc(at: str, day: str, month: str) -> None:
    moment = datetime.fromisoformat(at).timestamp()

    assert window_at("day", moment) == day
    assert window_at("month", moment) == month
    assert window_at("total", moment) == "total"


@given(TIMES)
def test_a_window_ends_where_the_next_one_begins(at: int) -> None:
    for per in ("day", "month"):
        renews = renews_at(per, at)

        assert renews is not None
        assert at < renews <= at + timedelta(days=31 if per == "month" else 1).total_seconds()
        assert window_at(per, renews - 1) == window_at(per, at)
        assert window_at(per, renews) > window_at(per, at)
    assert renews_at("total", at) is None


RATES = st.builds(
    Rates,
    input=st.builds(Rate, st.integers(0, 10**8), st.just(()) | st.just(((1_000, 10**8),))),
    output=st.builds(Rate, st.integers(0, 10**8)),
    reasoning=st.none() | st.builds(Rate, st.integers(0, 10**8)),
    request=st.integers(0, 10**10),
    price_id=st.just("test"),
)


@given(st.integers(-DOLLAR, DOLLAR), st.integers(0, 5_000), st.integers(0, 5_000), RATES)
def test_the_longest_answer_fits_and_one_token_more_does_not(
    left: int, prompt: int, most: int, rates: Rates
) -> None:
    longest = longest_output(left, prompt, most, rates)

    assert 0 <= longest <= most
    if longest:
        assert ceiling(prompt, longest, rates) <= left
    if longest < most:
        assert ceiling(prompt, longest + 1, rates) > left


def test_what_is_free_is_never_shortened() -> None:
    assert longest_output(0, 1_000, 4_096, FREE) == 4_096
    assert longest_output(-1, 1_000, 4_096, FREE) == 0


@given(st.integers(0, 10**7))
def test_a_prompt_is_reserved_with_a_tenth_more(estimate: int) -> None:
    assert guarded_input(estimate) * 10 >= estimate * 11
    assert (guarded_input(estimate) - 1) * 10 < max(1, estimate * 11)


LIMIT = Limit("all", "2026-11-21", 5 * DOLLAR)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (0, 4 * DOLLAR - 1, None),
        (0, 4 * DOLLAR, AlertKind.NEAR),
        (4 * DOLLAR, 5 * DOLLAR - 1, None),
        (4 * DOLLAR, 5 * DOLLAR, AlertKind.SPENT),
        (0, 6 * DOLLAR, AlertKind.SPENT),
        (5 * DOLLAR, 6 * DOLLAR, None),
    ],
)
def test_who_crosses_a_threshold_says_so(before: int, after: int, kind: AlertKind | None) -> None:
    alert = alert_between(budget(), LIMIT, before, after)

    assert (alert and alert.kind) == kind
    assert alert is None or alert.spent == after


@given(st.lists(st.integers(0, DOLLAR), max_size=30))
def test_each_threshold_is_told_at_most_once_in_a_window(costs: list[int]) -> None:
    told: list[AlertKind] = []
    total = 0
    for cost in costs:
        alert = alert_between(budget(), LIMIT, total, total + cost)
        total += cost
        if alert is not None:
            told.append(alert.kind)

    assert len(told) == len(set(told))
    assert (AlertKind.SPENT in told) == (total >= 5 * DOLLAR)
    assert bool(told) == (total >= 4 * DOLLAR)


def test_a_threshold_is_exact() -> None:
    assert Budget(name="b", limit=10, per="day", alert_at=0.7).alert_above == 7
    assert Budget(name="b", limit=11, per="day", alert_at=0.1).alert_above == 2


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"per": "week"}, {"scope": "tenant"}, {"alert_at": 0}, {"alert_at": 1.1}],
)
def test_what_is_no_budget_cannot_be_made(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"name": "b", "limit": 1, "per": "day"}

    with pytest.raises(ValueError, match=next(iter(wrong))):
        Budget(**{**right, **wrong})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("effort", "extra", "least"),
    [
        (None, {}, 256),
        ("none", {}, 256),
        ("minimal", {}, 384),
        ("low", {}, 1_280),
        ("medium", {}, 2_304),
        ("high", {}, 4_352),
        ("max", {}, 8_448),
        ("a word of tomorrow", {}, 8_448),
        ("low", {"thinking": {"type": "enabled", "budget_tokens": 10_000}}, 10_256),
        (None, {"thinking": {"type": "adaptive"}}, 256),
        (None, {"thinking": {"type": "enabled", "budget_tokens": True}}, 256),
        (None, {"thinking": "yes"}, 256),
    ],
)
def test_an_answer_that_is_thought_about_is_not_shortened_to_its_thoughts(
    effort: str | None, extra: dict[str, object], least: int
) -> None:
    request = ChatRequest(model="m", messages=(), reasoning_effort=effort, extra=extra)
    assert least_output(request) == least
