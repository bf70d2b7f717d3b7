"""Prices of the configuration: read exactly, refused with their keys."""

import tomllib

import attrs
import pytest

from trouper.actors.catalog.overrides import price_overrides
from trouper.actors.catalog.rates import Rate, cost_of
from trouper.actors.chat import Usage
from trouper.actors.errors import ConfigError

BIG = """
["acme/big-1"]
input = 2.0
output = 10
cache_read = 0.2
tiers.batch = {input = 1.0, output = 5.0}
above = [
    {tokens = 500_000, input = 9.0, output = 30.0},
    {tokens = 272_000, input = 4.0, output = 15.0, cache_read = 0.4},
]
"""


def test_prices_are_dollars_a_million_tokens() -> None:
    rates = price_overrides(tomllib.loads(BIG))["acme/big-1"].rates("config acme/big-1")

    assert rates.input == Rate(2_000_000, ((272_000, 4_000_000), (500_000, 9_000_000)))
    assert rates.output == Rate(10_000_000, ((272_000, 15_000_000), (500_000, 30_000_000)))
    # What a step does not say costs there what it lies within.
    assert rates.cache_read == Rate(200_000, ((272_000, 400_000), (500_000, 9_000_000)))
    assert rates.cache_write == rates.input
    assert rates.price_id == "config acme/big-1"
    assert not rates.assumed


def test_a_stated_tier_has_its_own_prices_and_another_is_assumed_to_cost_the_same() -> None:
    override = price_overrides(tomllib.loads(BIG))["acme/big-1"]
    usage = Usage(input=1_000, output=100)

    batch = cost_of(usage, override.rates("config", "batch"))
    flex = cost_of(usage, override.rates("config", "flex"))

    assert (batch.nano_dollars, batch.price_id, batch.assumed) == (1_500_000, "config batch", "")
    assert flex.nano_dollars == 3_000_000
    assert flex.assumed == "the configuration has no price for tier 'flex'"


@pytest.mark.parametrize(
    ("price", "pico"), [(0.15, 150_000), (0.0375, 37_500), (1e-06, 1), (10_000, 10**10), (0, 0)]
)
def test_a_price_is_what_its_digits_say(price: float, pico: int) -> None:
    override = price_overrides({"a/b": {"input": price, "output": price}})["a/b"]

    assert override.rates("x").input == Rate(pico)


def test_wrong_prices_are_refused_all_at_once_with_their_keys() -> None:
    with pytest.raises(ConfigError) as caught:
        price_overrides(
            {
                "a/b": {"input": "2.0", "cached": 1},
                "c/d": {
                    "input": -1,
                    "output": float("nan"),
                    "reasoning": True,
                    "cache_read": 10_001,
                    "tiers": {"batch": {"input": 1}, "flex": 3},
                    "above": [{"tokens": 0, "input": 1, "output": 1}],
                },
                "e/f": {"input": 1, "output": 1, "tiers": ["batch"]},
                "g/h": 7,  # type: ignore[dict-item]
            }
        )

    said = str(caught.value).splitlines()
    for begin in (
        "prices: 'a/b'.input: must be dollars a million tokens from 0 to 10000, not '2.0'",
        "prices: 'a/b'.output: is missing",
        "prices: 'a/b'.cached: this version of trouper does not know this key",
        "prices: 'c/d'.input: must be dollars",
        "prices: 'c/d'.output: must be dollars",
        "prices: 'c/d'.reasoning: must be dollars",
        "prices: 'c/d'.cache_read: must be dollars",
        "prices: 'c/d'.tiers.batch.output: is missing",
        "prices: 'c/d'.tiers.flex: must be a table",
        "prices: 'c/d'.above[0].tokens: must be a whole number of tokens above 0, not 0",
        "prices: 'e/f'.tiers: must be a table",
        "prices: 'g/h': must be a table",
    ):
        assert any(line.startswith(begin) for line in said), (begin, said)


def test_an_override_is_a_value() -> None:
    one, other = (price_overrides(tomllib.loads(BIG))["acme/big-1"] for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)
    assert attrs.evolve(one, input=3.0) != other
