"""Whose rates: prices by provider, model, time and tier, out of genai-prices or the configuration.

genai-prices (MIT) ships the prices of some fifty providers and needs no network.
Its import takes 0.1 to 0.5 s, so `load_price_book` does it in a thread. Only its
tables are used: costs are our own integer arithmetic (`rates`), which says what
is unknown where the library says zero (it lists models without any price).
What `Usage` does not tell (searches, audio, images made) is in no cost.
"""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import trio

from .facts import ModelRef
from .overrides import pico_dollars, price_overrides
from .rates import FREE, Rate, Rates, UnknownPrice

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

__all__ = ["BATCH", "PriceBook", "load_price_book"]

# The name of the tier of batch work; Anthropic's usage calls it so.
BATCH = "batch"

# What providers call the tier that nobody asked for.
_USUAL = frozenset({"", "auto", "default", "standard", "on_demand"})


class PriceBook:
    """Rates of models. `overrides` has tables of prices by "provider/model" or "provider/*".

    Without a `snapshot` of genai-prices it knows the overrides and what is
    free. Raises ConfigError that names each wrong key of an override.
    """

    def __init__(
        self,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        snapshot: "DataSnapshot | None" = None,
    ) -> None:
        self._overrides = price_overrides(overrides or {})
        self._snapshot = snapshot
        self._list = "" if snapshot is None else f"genai-prices-{version('genai-prices')}"
        self._found: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = {}

    def rates(
        self, ref: ModelRef, *, at: datetime.datetime, service_tier: str | None = None
    ) -> Rates | UnknownPrice:
        """What the model `ref` costs at the time `at` (aware of its zone) on this tier.

        `service_tier` is the provider's word for the tier that served, or
        BATCH. Where the tier has no price of its own, the usual one is given
        and `assumed` says so.
        """
        tier = "" if (service_tier or "") in _USUAL else str(service_tier)
        for key in (ref.key, f"{ref.provider}/*"):
            override = self._overrides.get(key)
            if override is not None:
                return override.rates(f"config {key}", tier)
        if ref.family == "local":
            return FREE
        found = self._find(ref)
        if found is None:
            return UnknownPrice(self._why(ref))
        provider, model = found
        return self._listed(provider, model, at, tier) or UnknownPrice(self._why(ref))

    def family(self, base_url: str) -> str:
        """Whose prices an API's address has; "" where nobody's are known."""
        if self._snapshot is None:
            return ""
        try:
            return self._snapshot.find_provider(None, None, base_url).id
        except LookupError:
            return ""

    def _find(self, ref: ModelRef) -> "tuple[Provider, ModelInfo] | None":
        key = (ref.family, ref.model)
        if key not in self._found:
            # Names come from the configuration; bounded, should they ever come from clients.
            if len(self._found) >= 1_024:
                self._found.clear()
            self._found[key] = self._look_up(ref)
        return self._found[key]

    def _look_up(self, ref: ModelRef) -> "tuple[Provider, ModelInfo] | None":
        if self._snapshot is None or not ref.family:
            return None
        # By exact id: the library's own search takes a name that begins alike.
        provider = next((each for each in self._snapshot.providers if each.id == ref.family), None)
        if provider is None:
            return None
        model = provider.find_model(ref.model, all_providers=self._snapshot.providers)
        return None if model is None else (provider, model)

    def _listed(
        self, provider: "Provider", model: "ModelInfo", at: datetime.datetime, tier: str
    ) -> Rates | None:
        context = _context(provider, model, at, tier)
        prices = model.get_prices(at, context)
        found = {kind: _rate(prices, f"{kind}_mtok") for kind in _MTOK}
        whole_input, whole_output = found["input"], found["output"]
        if whole_input is None or whole_output is None:
            # Listed without a price, or for something else than text.
            return None
        per_request: Decimal | TieredPrices | None = prices.requests_kcount
        named = (self._list, f"{provider.id}/{model.id}", tier if context else "")
        return Rates(
            input=whole_input,
            output=whole_output,
            cache_read=found["cache_read"],
            cache_write=found["cache_write"],
            cache_write_1h=found["cache_write_1h"],
            reasoning=found["output_reasoning"],
            # Dollars a thousand requests.
            request=pico_dollars(per_request * 1_000) if isinstance(per_request, Decimal) else 0,
            price_id=" ".join(filter(None, named)),
            assumed=(
                f"no price is known for tier {tier!r} of {model.id}" if tier and not context else ""
            ),
        )

    def _why(self, ref: ModelRef) -> str:
        table = f'put them under prices."{ref.key}" in the configuration'
        if self._snapshot is None:
            return f"the price list is not loaded; pip install 'trouper[prices]', or {table}"
        whose = (
            f"of {ref.family}" if ref.family else "of a provider that is not known by its address"
        )
        return f"no prices are known for {ref.model} {whose}; {table}"


async def load_price_book(
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> PriceBook:
    """A price book with genai-prices' list, read in a thread; without it where it is missing."""
    return PriceBook(overrides, await trio.to_thread.run_sync(_load, abandon_on_cancel=True))


def _load() -> "DataSnapshot | None":
    try:
        # 0.1 to 0.5 s and 27 MiB (pydantic, httpx2), which must not be on the loop.
        from genai_prices import data_snapshot  # noqa: PLC0415
    except ImportError:
        return None
    return data_snapshot.get_snapshot()


_MTOK = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "output_reasoning")


def _context(
    provider: "Provider", model: "ModelInfo", at: datetime.datetime, tier: str
) -> dict[str, str]:
    """What selects the tier's prices; empty where the model has none for it."""
    if not tier or not any(model is own for own in provider.models):
        # A reseller's tiers are not those of whose models it sells.
        return {}
    context = {"processing": "batch"} if tier == BATCH else {"service_tier": tier}
    for variant in model.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(at)
        if active and variant.when == context:
            return context
    return {}


def _rate(prices: "ModelPrice", key: str) -> Rate | None:
    value: Any = getattr(prices, key)
    if value is None:
        return None
    if isinstance(value, Decimal):
        return Rate(pico_dollars(value))
    steps = tuple((step.start, pico_dollars(step.price)) for step in value.tiers)
    return Rate(pico_dollars(value.base), steps)
