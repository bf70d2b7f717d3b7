"""What an operator should know of a configuration that is right, and may still not do."""

import datetime
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from ..catalog.facts import ModelFacts, ModelRef
from ..catalog.models import ModelCatalog, families, family_of, warnings
from ..catalog.prices import PriceBook
from ..catalog.rates import UnknownPrice
from ..catalog.validation import validate
from ..chat import ChatRequest, Sampling
from ..wire.converter import key_path, suggestion
from .addresses import is_loopback
from .app import AppConfig
from .assistant_advice import warnings_of_assistants, warnings_of_tools
from .chain import Target
from .models import ModelConfig
from .provider import ProviderConfig

__all__ = ["ref_of", "warnings_of"]

# The wire of each kind of provider, as the table of models calls it.
_APIS = {"anthropic": "messages", "openai": "chat", "openai-responses": "responses"}
_KINDS = {api: kind for kind, api in _APIS.items()}


def ref_of(provider: ProviderConfig, model: str, book: PriceBook | None = None) -> ModelRef:
    """The model of this provider as the catalog looks it up. A price book knows more families."""
    family = family_of(provider.kind, provider.base_url)
    if not family and book is not None:
        family = book.family(provider.base_url)
    return ModelRef(provider.name, model, family)


def warnings_of(
    config: AppConfig,
    today: datetime.date,
    book: PriceBook | None = None,
    *,
    own_tools: Collection[str] | None = None,
) -> tuple[str, ...]:
    """What is not wrong and will do harm all the same: sentences that begin with their key.

    Models that are shut down by `today` or within 60 days, that nobody knows,
    or that do not take what they are to be asked; keys that are missing, or
    sent in clear. Prices that nobody knows are looked for in `book`, which
    holds `config.prices`; without a book, or without budgets, nobody asks.
    Assistants whose tools nobody has, programs that are not on this machine;
    `own_tools` are those that the program brings, None where nobody knows them.
    """
    return tuple(_warnings(config, today, book, own_tools))


def _warnings(
    config: AppConfig,
    today: datetime.date,
    book: PriceBook | None,
    own_tools: Collection[str] | None,
) -> Iterator[str]:
    for provider in config.providers.values():
        yield from _of_provider(provider)
    facts = ModelCatalog(config.facts)
    for name, model in config.models.items():
        for place, target in model.places():
            ref = ref_of(config.providers[target.provider], target.model, book)
            key = f"{key_path('models', name)}.targets{place}"
            kind = config.providers[target.provider].kind
            for words in _of_target(ref, kind, model, facts, today):
                yield f"{key}: {words}"
            if book is not None and config.budgets:
                yield from _of_price(key, ref, today, book)

    def facts_of(target: Target) -> ModelFacts:
        return facts.find(ref_of(config.providers[target.provider], target.model, book))

    yield from warnings_of_assistants(config, facts_of, own_tools)
    yield from warnings_of_tools(config)


def _of_provider(provider: ProviderConfig) -> Iterator[str]:
    url = urlsplit(provider.base_url)
    if not url.hostname or is_loopback(url.hostname):
        return
    key = key_path("providers", provider.name)
    if not provider.api_keys:
        yield (
            f"{key}.api_keys: there are none, and {url.hostname} is another machine; "
            'if it asks for a key, add api_keys = ["env:NAME"]'
        )
    elif url.scheme == "http":
        yield (
            f"{key}.base_url: the key goes to {url.hostname} in clear, for everybody on the way "
            "to read; use https"
        )


def _of_target(
    ref: ModelRef, kind: str, model: ModelConfig, models: ModelCatalog, today: datetime.date
) -> Iterator[str]:
    facts = models.find(ref)
    yield from warnings(facts, today)
    if not facts.known and ref.family in families():
        names = [one.name for one in models.known(ref.family)]
        near = suggestion(ref.model, names)
        # All names would be a page.
        near = near if near.startswith("did you mean") else "`trouper models` lists those that are."
        yield (
            f"this version of trouper knows no {ref.model}; {near} If it is new, say what is "
            f'known of it under facts."{ref.key}"'
        )
    api = _APIS.get(kind)
    if facts.apis and api is not None and api not in facts.apis:
        kinds = [_KINDS[other] for other in facts.apis if other in _KINDS]
        yield (
            f"{ref.model} does not answer a provider of kind {kind}; "
            f"ask it through one of kind {' or '.join(kinds) or 'another API'}"
        )
    asked = ChatRequest(
        model=ref.model,
        messages=(),
        sampling=Sampling(temperature=model.temperature),
        max_output_tokens=model.max_output_tokens,
        reasoning_effort=model.reasoning_effort,
    )
    yield from validate(asked, facts)


def _of_price(key: str, ref: ModelRef, today: datetime.date, book: PriceBook) -> Iterator[str]:
    at = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
    rates = book.rates(ref, at=at)
    if isinstance(rates, UnknownPrice):
        yield f"{key}: {rates.why}; until then budgets refuse its calls"
