"""Prices that the configuration states, in dollars a million tokens, as price lists do.

    [prices."acme/big-1"]
    input = 2.0
    output = 10.0
    cache_read = 0.2
    tiers.batch = {input = 1.0, output = 5.0}
    above = [{tokens = 272_000, input = 4.0, output = 15.0}]

`above` and `tiers` say all rates again that differ there.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import attrs
from cattrs.errors import BaseValidationError

from ..errors import ConfigError
from ..wire.converter import ALLOWED, CHECK, explain, key_path, make_converter, shown
from .rates import Rate, Rates

__all__ = ["PriceOverride", "Prices", "PricesAbove", "pico_dollars", "price_overrides"]

# In this order: each stands after what it lies within.
_WITHIN = {
    "input": "input",
    "output": "output",
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
}


def pico_dollars(per_million: Decimal) -> int:
    """Dollars a million tokens as pico-dollars a token, to the nearest."""
    return int((per_million * 1_000_000).to_integral_value(ROUND_HALF_UP))


def _dollars() -> dict[str, Any]:
    wanted = "dollars a million tokens from 0 to 10000"

    def check(value: object) -> str | None:
        # 10,000 $ a million is a hundred times the dearest model; more is a slip of units.
        if value is None or (type(value) in (int, float) and 0 <= float(str(value)) <= 10_000):
            return None
        return f"must be {wanted}, not {shown(value)}"

    return {CHECK: check, ALLOWED: wanted}


def _tokens() -> dict[str, Any]:
    wanted = "a whole number of tokens above 0"

    def check(value: object) -> str | None:
        if type(value) is int and value > 0:
            return None
        return f"must be {wanted}, not {shown(value)}"

    return {CHECK: check, ALLOWED: wanted}


@attrs.frozen(kw_only=True)
class Prices:
    """Dollars a million tokens; a part without its own costs what it lies within."""

    input: float = attrs.field(metadata=_dollars())
    """What a million tokens of a prompt cost."""
    output: float = attrs.field(metadata=_dollars())
    """What a million tokens of an answer cost."""
    cache_read: float | None = attrs.field(default=None, metadata=_dollars())
    """Those of the prompt that the provider had in its cache; without it as `input`."""
    cache_write: float | None = attrs.field(default=None, metadata=_dollars())
    """Those of the prompt that it put there; without it as `input`."""
    cache_write_1h: float | None = attrs.field(default=None, metadata=_dollars())
    """Those that it put there for an hour; without it as `cache_write`."""
    reasoning: float | None = attrs.field(default=None, metadata=_dollars())
    """Those of the answer that are reasoning; without it as `output`."""


@attrs.frozen(kw_only=True)
class PricesAbove(Prices):
    """The prices of a request, all of it, whose input is more than `tokens`."""

    tokens: int = attrs.field(metadata=_tokens())
    """From more input tokens than these on, all tokens of the request have these prices."""


@attrs.frozen(kw_only=True)
class PriceOverride(Prices):
    """The prices of one model; `tiers` by the provider's service tier, or "batch"."""

    above: tuple[PricesAbove, ...] = ()
    """Prices of long requests, a table for each length, with all of these keys and `tokens`."""
    tiers: Mapping[str, Prices] = attrs.field(factory=dict[str, Prices], hash=False)
    """Prices by the provider's service tier, or `batch`, a table for each with all of these
    keys."""

    def rates(self, price_id: str, tier: str = "") -> Rates:
        """These prices as rates. A tier that is not stated is assumed to cost the same."""
        stated = self.tiers.get(tier)
        if stated is not None:
            return _rates(stated, (), f"{price_id} {tier}")
        rates = _rates(self, self.above, price_id)
        if not tier:
            return rates
        return attrs.evolve(rates, assumed=f"the configuration has no price for tier {tier!r}")


def _rates(prices: Prices, above: tuple[PricesAbove, ...], price_id: str) -> Rates:
    base = _filled(prices)
    steps = [(step.tokens, _filled(step)) for step in sorted(above, key=lambda at: at.tokens)]
    rates = {
        kind: Rate(base[kind], tuple((tokens, at[kind]) for tokens, at in steps)) for kind in base
    }
    return Rates(
        input=rates["input"],
        output=rates["output"],
        cache_read=rates["cache_read"],
        cache_write=rates["cache_write"],
        cache_write_1h=rates["cache_write_1h"],
        reasoning=rates["reasoning"],
        price_id=price_id,
    )


def _filled(prices: Prices) -> dict[str, int]:
    """Every kind's pico-dollars; one without a price has that of what it lies within."""
    found: dict[str, int] = {}
    for kind, within in _WITHIN.items():
        dollars: float | None = getattr(prices, kind)
        # By way of text: 0.15 is meant, not the nearest binary fraction.
        found[kind] = found[within] if dollars is None else pico_dollars(Decimal(str(dollars)))
    return found


_CONVERTER = make_converter()


def price_overrides(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, PriceOverride]:
    """Tables by "provider/model" as values. Raises ConfigError that names each wrong key."""
    found: dict[str, PriceOverride] = {}
    faults: list[str] = []
    for key, table in raw.items():
        try:
            found[key] = _CONVERTER.structure(table, PriceOverride)
        except (BaseValidationError, TypeError) as fault:
            faults += explain(fault, key_path("", key))
    if faults:
        raise ConfigError("prices", faults)
    return found
