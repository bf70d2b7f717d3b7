"""What tokens cost, in integers: rates in pico-dollars a token, costs in nano-dollars.

A rate of 0.0375 $ a million tokens is 37,500 pico-dollars a token, so every
published rate is a whole number and a cost is rounded once, at its end. The
rates of `Usage` are nested as its tokens are: what is cached is within the
input, what is written for an hour within what is written, reasoning within the
output; a part without a rate of its own costs what it lies within.
"""

from typing import Final

import attrs

from ..chat import Usage

__all__ = ["FREE", "Cost", "Rate", "Rates", "UnknownPrice", "ceiling", "cost_of"]

_PICO_A_NANO = 1_000


@attrs.frozen
class Rate:
    """Pico-dollars a token: `base`, or those of the last of `steps` (above how many
    input tokens, pico-dollars) that the request's whole input exceeds."""

    base: int
    steps: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        """The rate of every token, in pico-dollars, of a request with so many `input_tokens`."""
        found = self.base
        for above, rate in self.steps:
            if input_tokens > above:
                found = rate
        return found


@attrs.frozen(kw_only=True)
class Rates:
    """What one model costs at one time. `price_id` names it in a ledger: the list, the
    model in it and the tier; with the time of the call they are found again by it.

    `input` and `output` are for tokens of those kinds; `cache_read`, `cache_write`,
    `cache_write_1h` and `reasoning` for the parts of them that Usage tells apart. A
    part whose rate is None costs what it lies within. `request` is what each request costs beside its tokens, in pico-dollars.
    `assumed` is a sentence where the price is not the one that was asked for
    but the nearest known, and empty where it is.
    """

    input: Rate
    output: Rate
    price_id: str
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    request: int = 0
    assumed: str = ""


FREE: Final = Rates(input=Rate(0), output=Rate(0), price_id="local")
"""What a model on one's own machine costs."""


@attrs.frozen
class UnknownPrice:
    """Nobody has said what this costs. It is not zero; `why` says what to do about it."""

    why: str


@attrs.frozen(kw_only=True)
class Cost:
    """What a usage costs, in `nano_dollars`, by the prices that `price_id` names.

    `assumed` is empty where that is exact, and else a sentence that says what is not.
    """

    nano_dollars: int
    price_id: str
    assumed: str = ""


def cost_of(usage: Usage, rates: Rates) -> Cost:
    """What this usage costs, to the nano-dollar, halves rounded up.

    `cache_write_1h` is taken for a part of `cache_write`. A usage whose parts
    are more than their whole is cut down to the whole, and the cost says so.
    """
    read = min(usage.cache_read, usage.input)
    written = min(usage.cache_write, usage.input - read)
    written_1h = min(usage.cache_write_1h, written)
    reasoned = min(usage.reasoning, usage.output)
    parts = (usage.cache_read, usage.cache_write, usage.cache_write_1h, usage.reasoning)
    assumed = rates.assumed
    if (read, written, written_1h, reasoned) != parts:
        assumed = "the provider's usage contradicts itself: a part is more than the whole"

    size = usage.input
    pico = (
        (usage.input - read - written) * rates.input.at(size)
        + (usage.output - reasoned) * rates.output.at(size)
        + rates.request
    )
    if read:
        pico += read * (rates.cache_read or rates.input).at(size)
    if written:
        write = rates.cache_write or rates.input
        pico += (written - written_1h) * write.at(size)
        pico += written_1h * (rates.cache_write_1h or write).at(size)
    if reasoned:
        pico += reasoned * (rates.reasoning or rates.output).at(size)
    nano = (pico + _PICO_A_NANO // 2) // _PICO_A_NANO
    return Cost(nano_dollars=nano, price_id=rates.price_id, assumed=assumed)


def ceiling(input_tokens: int, output_tokens: int, rates: Rates) -> int:
    """The most that a request of this size can cost, in nano-dollars: what to reserve.

    Every token at the dearest rate that it may have (Anthropic's cache writes
    cost more than plain input), and rounded up.
    """
    inputs = (rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h)
    dearest_in = _dearest(input_tokens, *inputs)
    dearest_out = _dearest(input_tokens, rates.output, rates.reasoning)
    pico = input_tokens * dearest_in + output_tokens * dearest_out + rates.request
    return -(-pico // _PICO_A_NANO)


def _dearest(input_tokens: int, *rates: Rate | None) -> int:
    dearest = 0
    for rate in rates:
        if rate is not None:
            # Few have steps.
            each = rate.at(input_tokens) if rate.steps else rate.base
            if each > dearest:
                dearest = each
    return dearest
