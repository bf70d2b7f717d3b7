"""The kinds of provider that come with this package, and what a configuration makes of a kind.

What a kind is stands in wire/kind.py. A kind of our own reads its options from
keys of the provider's table itself, which have their checks in
config/provider.py; a plug-in's come from the table `options`.

A wire is imported where a provider of its kind is made: each takes some ms of a
program's start, and few programs speak all of them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..catalog.facts import ModelRef
from ..catalog.models import ModelCatalog, family_of
from ..config import ProviderConfig, Secret
from ..config.provider import ApiVersion
from ..policy.key_verdict import key_id
from ..wire.codec import Codec
from ..wire.kind import (
    MaxTokensField,
    ModelTraits,
    NoOptions,
    ProviderKind,
    ProviderSettings,
    bearer,
)
from ..wire.openai import OpenAICodec
from ..wire.plugins import find_plugin

__all__ = ["BUILT_IN", "authorization", "authorizations", "codec_for", "find_kind"]

Headers = list[tuple[str, str]]

# Anthropic's wire demands a limit. Every model that it has had allows this one.
_ANTHROPIC_MAX_TOKENS = 4096

# The version that all models answer to, and the last that has a header of its own for the key.
_ANTHROPIC_VERSION: ApiVersion = "2023-06-01"


@attrs.frozen(kw_only=True)
class _AnthropicOptions:
    api_version: ApiVersion | None = None


@attrs.frozen(kw_only=True)
class _OllamaOptions:
    num_ctx: int | None = None
    keep_alive: str | int | None = None


@attrs.frozen(kw_only=True)
class _OpenAIOptions:
    lenient_finish: bool = False
    skip_malformed: int = 0


@attrs.frozen(kw_only=True)
class _ResponsesOptions:
    skip_malformed: int = 0


def _anthropic(settings: ProviderSettings[_AnthropicOptions]) -> Codec:
    from ..wire.anthropic import AnthropicCodec  # noqa: PLC0415 - see above

    in_url = settings.base_url.rstrip("/").endswith("/v1")
    return AnthropicCodec(
        max_tokens_default=_ANTHROPIC_MAX_TOKENS,
        version=settings.options.api_version or _ANTHROPIC_VERSION,
        path="/messages" if in_url else "/v1/messages",
    )


def _anthropic_key(settings: ProviderSettings[_AnthropicOptions], key: str) -> Headers:
    # The later version takes what everybody else takes.
    if (settings.options.api_version or _ANTHROPIC_VERSION) == _ANTHROPIC_VERSION:
        return [("x-api-key", key)]
    return bearer(settings, key)


def _ollama(settings: ProviderSettings[_OllamaOptions]) -> Codec:
    from ..wire.ollama import OllamaCodec  # noqa: PLC0415 - see above

    return OllamaCodec(num_ctx=settings.options.num_ctx, keep_alive=settings.options.keep_alive)


def _local(_settings: ProviderSettings[NoOptions]) -> Codec:
    return OpenAICodec(max_tokens_field="max_tokens")


def _max_tokens_field(settings: ProviderSettings[Any]) -> Callable[[str], MaxTokensField | None]:
    return lambda model: settings.traits(model).max_tokens_field


def _openai(settings: ProviderSettings[_OpenAIOptions]) -> Codec:
    # OpenAI's reasoning models refuse `max_tokens`; most servers know only that. So where
    # the server is decides for a model of which nobody has said it.
    host = urlsplit(settings.base_url).hostname or ""
    of_openai = host.endswith((".openai.com", ".openai.azure.com"))
    return OpenAICodec(
        max_tokens_field="max_completion_tokens" if of_openai else "max_tokens",
        max_tokens_field_of=_max_tokens_field(settings),
        lenient_finish=settings.options.lenient_finish,
        skip_malformed=settings.options.skip_malformed,
    )


def _responses(settings: ProviderSettings[_ResponsesOptions]) -> Codec:
    from ..wire.responses import ResponsesCodec  # noqa: PLC0415 - see above

    def reasons(model: str) -> bool:
        # Of a model that no table has: those that are new do.
        return settings.traits(model).reasoning is not False

    return ResponsesCodec(reasons=reasons, skip_malformed=settings.options.skip_malformed)


_KINDS: tuple[ProviderKind[Any], ...] = (
    ProviderKind(
        name="anthropic",
        codec=_anthropic,
        options=_AnthropicOptions,
        authorization=_anthropic_key,
        example_url="https://api.anthropic.com",
    ),
    # What runs on this machine says its own address.
    ProviderKind(name="local", codec=_local, options=NoOptions),
    ProviderKind(
        name="ollama",
        codec=_ollama,
        options=_OllamaOptions,
        example_url="http://127.0.0.1:11434",
    ),
    ProviderKind(
        name="openai",
        codec=_openai,
        options=_OpenAIOptions,
        example_url="https://api.openai.com/v1",
    ),
    ProviderKind(
        name="openai-responses",
        codec=_responses,
        options=_ResponsesOptions,
        example_url="https://api.openai.com/v1",
    ),
)

BUILT_IN: Mapping[str, ProviderKind[Any]] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""The kinds that come with this package, by name."""


def find_kind(name: str) -> ProviderKind[Any]:
    """The kind of that name, of our own or of a plug-in. Raises ConfigError."""
    return BUILT_IN.get(name) or find_plugin(name)


def codec_for(config: ProviderConfig, models: ModelCatalog | None = None) -> Codec:
    """The codec of a provider; one for all its requests, since it remembers what it encoded.

    `models` are those that the configuration has overridden facts of; without
    it a model is what the table says. Raises ConfigError where there is no such kind, or it does not know its options.
    """
    kind = find_kind(config.kind)
    return kind.codec(_settings(kind, config, models))


def authorization(config: ProviderConfig, key: Secret | None = None) -> Headers:
    """The headers that show `key`; None is the first one. None are needed without a key."""
    if key is None and config.api_keys:
        key = config.api_keys[0]
    if key is None:
        return []
    kind = find_kind(config.kind)
    return list(kind.authorization(_settings(kind, config), key.reveal()))


def authorizations(config: ProviderConfig) -> dict[str, Headers]:
    """The headers that show each key, by the key's id; under "" those of the first one, if any.

    Made once for a provider, so that a call looks up what it shows.
    """
    shown = {key_id(key.reveal()): authorization(config, key) for key in config.api_keys}
    return {"": authorization(config), **shown}


def _settings(
    kind: ProviderKind[Any], config: ProviderConfig, models: ModelCatalog | None = None
) -> ProviderSettings[Any]:
    if kind.name in BUILT_IN:
        keys = [field.name for field in attrs.fields(kind.options)]
        options = kind.options(**{key: getattr(config, key) for key in keys})
    else:
        options = kind.read_options(config.options)
    return ProviderSettings(
        name=config.name,
        base_url=config.base_url,
        options=options,
        traits=_traits(config, models or ModelCatalog()),
    )


def _traits(config: ProviderConfig, models: ModelCatalog) -> Callable[[str], ModelTraits]:
    family = family_of(config.kind, config.base_url)

    def traits(model: str) -> ModelTraits:
        facts = models.find(ModelRef(config.name, model, family))
        return ModelTraits(reasoning=facts.reasoning, max_tokens_field=facts.max_tokens_field)

    return traits
