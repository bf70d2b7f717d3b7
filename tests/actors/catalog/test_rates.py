"""Costs are whole nano-dollars, and exact."""

import attrs
import pytest
from hypothesis import given, strategies as st

from trouper.actors.catalog.rates import FREE, Cost, Rate, Rates, ceiling, cost_of
from trouper.actors.chat import Usage

# claude-sonnet-5-5: 2 $, 10 $, cache 0.1 $, 2.5 $ and for an hour 4 $ a million.
SONNET = Rates(
    input=Rate(2_000_000),
    output=Rate(10_000_000),
    cache_read=Rate(100_000),
    cache_write=Rate(2_500_000),
    cache_write_1h=Rate(4_000_000),
    price_id="sonnet",
)
# 0.0375 $ a million tokens: 37.5 nano-dollars a token.
FINE = Rates(input=Rate(37_500), output=Rate(0), price_id="fine")
CLIFF = Rates(
    input=Rate(100_000, ((100_000, 500_000), (200_000, 900_000))),
    output=Rate(500_000, ((100_000, 2_500_000),)),
    price_id="cliff",
)


def nano(usage: Usage, rates: Rates) -> int:
    return cost_of(usage, rates).nano_dollars


def test_every_kind_of_token_has_its_rate() -> None:
    usage = Usage(
        input=10_000, output=500, cache_read=6_000, cache_write=3_000, cache_write_1h=1_000
    )

    # 1,000 plain, 6,000 read, 2,000 written, 1,000 written for an hour, 500 out.
    assert cost_of(usage, SONNET) == Cost(
        nano_dollars=1_000 * 2_000 + 6_000 * 100 + 2_000 * 2_500 + 1_000 * 4_000 + 500 * 10_000,
        price_id="sonnet",
    )


def test_a_rate_of_a_fraction_of_a_nano_dollar_is_rounded_once() -> None:
    assert nano(Usage(input=1), FINE) == 38
    assert nano(Usage(input=2), FINE) == 75
    assert nano(Usage(input=1_000_001), FINE) == 37_500_038


def test_above_a_step_every_token_costs_more() -> None:
    assert nano(Usage(input=100_000, output=10), CLIFF) == 100_000 * 100 + 10 * 500
    assert nano(Usage(input=100_001, output=10), CLIFF) == 100_001 * 500 + 10 * 2_500
    assert nano(Usage(input=200_001), CLIFF) == 200_001 * 900


def test_a_part_without_a_rate_costs_what_it_lies_within() -> None:
    usage = Usage(
        input=100, output=10, cache_read=40, cache_write=30, cache_write_1h=5, reasoning=4
    )
    plain = Rates(input=Rate(2_000_000), output=Rate(10_000_000), price_id="plain")

    assert nano(usage, plain) == 100 * 2_000 + 10 * 10_000
    thinking = attrs.evolve(plain, reasoning=Rate(3_000_000), cache_write=Rate(5_000_000))
    assert nano(usage, thinking) == 70 * 2_000 + 30 * 5_000 + 6 * 10_000 + 4 * 3_000


def test_a_request_may_have_a_price_of_its_own() -> None:
    assert nano(Usage(), attrs.evolve(FREE, request=5_000_000_000)) == 5_000_000


def test_what_is_free_is_free_and_says_so() -> None:
    assert cost_of(Usage(input=10**9, output=10**9), FREE) == Cost(nano_dollars=0, price_id="local")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input=10, cache_read=11),
        Usage(input=10, cache_read=6, cache_write=6),
        Usage(input=10, cache_write=2, cache_write_1h=3),
        Usage(output=10, reasoning=11),
    ],
)
def test_a_usage_that_contradicts_itself_is_cut_down_and_told(usage: Usage) -> None:
    cost = cost_of(usage, SONNET)

    assert "contradicts itself" in cost.assumed
    assert 0 < cost.nano_dollars <= 10 * 10_000


def test_an_assumed_rate_makes_an_assumed_cost() -> None:
    assert cost_of(Usage(), attrs.evolve(FREE, assumed="no such tier")).assumed == "no such tier"


tokens = st.integers(0, 3_000_000)
rates = st.builds(
    Rate,
    st.integers(0, 10**8),
    st.lists(st.tuples(tokens, st.integers(0, 10**8)), max_size=3).map(
        lambda at: tuple(sorted(at))
    ),
)
maybe = st.none() | rates
anything = st.builds(
    Rates,
    input=rates,
    output=rates,
    cache_read=maybe,
    cache_write=maybe,
    cache_write_1h=maybe,
    reasoning=maybe,
    request=st.integers(0, 10**10),
    price_id=st.just("any"),
)


@given(anything, st.builds(Usage, tokens, tokens, tokens, tokens, tokens, tokens))
def test_no_cost_is_negative_or_above_the_most_that_was_reserved(
    rates: Rates, usage: Usage
) -> None:
    cost = nano(usage, rates)

    assert 0 <= cost <= ceiling(usage.input, usage.output, rates)


def test_the_most_that_a_request_can_cost_counts_cache_writes() -> None:
    assert ceiling(1_000, 100, SONNET) == 1_000 * 4_000 + 100 * 10_000
    assert ceiling(1, 0, FINE) == 38
    assert ceiling(100_001, 1, CLIFF) == 100_001 * 500 + 2_500
