"""Wires: requests into bytes and bytes into answers, without I/O.

Reading order: codec (what every wire is), kind (what a provider of some kind
is), plugins (the kinds of other packages); then a wire from its codec inwards,
as openai.py says for its own.

The names below are what a package needs that brings a kind of provider of its
own (docs/how-to/add-a-provider.md): public and stable. They are imported when
they are first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .anthropic import AnthropicCodec
    from .assembly import Assembly
    from .codec import Codec, Decoder
    from .http import HttpRequest
    from .kind import NoOptions, ProviderKind, ProviderSettings, bearer
    from .ndjson import NdjsonDecoder
    from .ollama import OllamaCodec
    from .openai import OpenAICodec
    from .openai_errors import error_in_answer, error_in_stream
    from .responses import ResponsesCodec
    from .sse import SseDecoder

__all__ = [
    "AnthropicCodec",
    "Assembly",
    "Codec",
    "Decoder",
    "HttpRequest",
    "NdjsonDecoder",
    "NoOptions",
    "OllamaCodec",
    "OpenAICodec",
    "ProviderKind",
    "ProviderSettings",
    "ResponsesCodec",
    "SseDecoder",
    "bearer",
    "error_in_answer",
    "error_in_stream",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "anthropic": ("AnthropicCodec",),
        "assembly": ("Assembly",),
        "codec": ("Codec", "Decoder"),
        "http": ("HttpRequest",),
        "kind": ("NoOptions", "ProviderKind", "ProviderSettings", "bearer"),
        "ndjson": ("NdjsonDecoder",),
        "ollama": ("OllamaCodec",),
        "openai": ("OpenAICodec",),
        "openai_errors": ("error_in_answer", "error_in_stream"),
        "responses": ("ResponsesCodec",),
        "sse": ("SseDecoder",),
    },
)
