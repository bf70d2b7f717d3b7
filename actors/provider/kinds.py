"""What a kind of provider is: the wire that it speaks, and how a request shows its key."""

import httpx

from ..config import ProviderConfig
from ..errors import ConfigError
from ..wire.anthropic import AnthropicCodec
from ..wire.codec import Codec
from ..wire.ollama import OllamaCodec
from ..wire.openai import OpenAICodec

__all__ = ["authorization", "codec_for"]

# Anthropic's wire demands a limit. Every model that it has had allows this one.
_ANTHROPIC_MAX_TOKENS = 4096


def codec_for(config: ProviderConfig) -> Codec:
    """The codec of a provider; one for all its requests, since it remembers what it encoded."""
    match config.kind:
        case "anthropic":
            in_url = config.base_url.rstrip("/").endswith("/v1")
            return AnthropicCodec(
                max_tokens_default=_ANTHROPIC_MAX_TOKENS,
                version=config.api_version or "2023-06-01",
                path="/messages" if in_url else "/v1/messages",
            )
        case "ollama":
            return OllamaCodec(num_ctx=config.num_ctx)
        case "openai" | "local":
            # OpenAI's reasoning models refuse `max_tokens`; most servers know only that.
            host = httpx.URL(config.base_url).host
            of_openai = host.endswith((".openai.com", ".openai.azure.com"))
            return OpenAICodec(
                max_tokens_field="max_completion_tokens" if of_openai else "max_tokens"
            )
        case _:
            raise ConfigError(config.name, [f"kind: no provider of kind {config.kind} is known"])


def authorization(config: ProviderConfig) -> list[tuple[str, str]]:
    """The header that shows the key, where there is one."""
    if not config.api_keys:
        return []
    key = config.api_keys[0].reveal()
    # Anthropic's later version takes what everybody else takes.
    if config.kind == "anthropic" and (config.api_version or "2023-06-01") == "2023-06-01":
        return [("x-api-key", key)]
    return [("authorization", f"Bearer {key}")]
