"""What takes long to load, and is loaded before the application runs."""

from collections.abc import Mapping
from typing import Any

from .catalog.facts import ModelRef
from .catalog.models import ModelCatalog, family_of
from .catalog.prices import PriceBook, load_price_book
from .config import AppConfig
from .provider.knowledge import Knowledge

__all__ = ["load_knowledge"]


def _facts(config: AppConfig) -> dict[str, Mapping[str, Any]]:
    """What the configuration says of models: also of local ones, with what window they run."""
    facts = dict(config.facts)
    for model in config.models.values():
        for target in model.targets:
            provider = config.providers[target.provider]
            if provider.kind == "local":
                window = {"max_input_tokens": provider.local.context_tokens}
                facts[str(target)] = {**window, **config.facts.get(str(target), {})}
    return facts


async def load_knowledge(config: AppConfig) -> Knowledge:
    """What is known of the configured models, with all that takes long to load."""
    providers = config.providers.values()
    # A quarter of a second and 27 MiB, which nobody needs who pays for nothing.
    free = all(family_of(each.kind, each.base_url) == "local" for each in providers)
    prices = await load_price_book(config.prices) if config.prices or not free else PriceBook()
    knowledge = Knowledge(ModelCatalog(_facts(config)), prices)
    targets = {target for model in config.models.values() for target in model.targets}
    for target in sorted(targets, key=str):
        provider = config.providers[target.provider]
        family = knowledge.family(provider.kind, provider.base_url)
        await knowledge.prepare(ModelRef(provider.name, target.model, family))
    return knowledge
