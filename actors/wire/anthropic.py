"""The codec of Anthropic's Messages, and of those who speak it.

Reading order: anthropic_encode.py (requests), anthropic_content.py (parts as
content blocks), anthropic_decode.py (streams), anthropic_message.py (events as
chunks), anthropic_answer.py (whole bodies), anthropic_values.py (JSON as our
values), anthropic_errors.py (refusals).
"""

from collections.abc import Mapping
from typing import Literal

import attrs

from ..chat import ChatRequest, Completion
from .anthropic_answer import read_answer
from .anthropic_content import encode_content
from .anthropic_decode import AnthropicDecoder
from .anthropic_encode import encode_body
from .encoded import Encoded
from .http import HttpRequest
from .sse import MAX_EVENT

__all__ = ["AnthropicCodec", "Version"]

Version = Literal["2023-06-01", "2026-10-21"]
"""A version of the API. From 2026-10-21 on, sampling parameters are refused."""


def _encoded() -> Encoded:
    return Encoded(encode_content)


@attrs.frozen(kw_only=True)
class AnthropicCodec:
    """The `Codec` of the Messages of Anthropic.

    `max_tokens_default` is the limit of an answer, in tokens, for requests that
    name none: this wire demands one. `version` goes into the header
    anthropic-version, `betas` into anthropic-beta. `send_sampling` False leaves
    temperature and top_p out for models that refuse them; version 2026-10-21
    always does. `path` is what base_url lacks of the endpoint: `/messages`
    where it ends in /v1. `max_event` bounds one event of a stream, in bytes.

    What is in a request's `extra` is merged into the body: `thinking`,
    `cache_control`, `service_tier` and whatever else the wire knows. `tools`
    there (server tools) are added to those of the request; what the request
    itself says (`messages`, `model`, `stream`, `system`) is refused there.
    """

    max_tokens_default: int = attrs.field(validator=attrs.validators.ge(0))
    version: Version = "2023-06-01"
    betas: tuple[str, ...] = ()
    send_sampling: bool = True
    path: str = "/v1/messages"
    max_event: int = MAX_EVENT
    _messages: Encoded = attrs.field(factory=_encoded, init=False, repr=False, eq=False)

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        """The request, without what authorizes it.

        Raises ProviderError (INVALID_REQUEST) for what JSON or the wire cannot say.
        """
        headers = [
            ("content-type", "application/json"),
            ("accept", "text/event-stream" if stream else "application/json"),
            ("anthropic-version", self.version),
        ]
        if self.betas:
            headers.append(("anthropic-beta", ",".join(self.betas)))
        return HttpRequest(
            method="POST",
            path=self.path,
            headers=tuple(headers),
            body=encode_body(
                request,
                stream=stream,
                max_tokens_default=self.max_tokens_default,
                sampling=self.send_sampling and self.version == "2023-06-01",
                messages=self._messages,
            ),
        )

    def stream(self) -> AnthropicDecoder:
        """A decoder for one streamed answer with status 200, whatever its content type."""
        return AnthropicDecoder(max_event=self.max_event)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        """A whole answer.

        Raises ProviderError for a refusal, or with kind PROTOCOL_ERROR for what
        is no answer; StreamTruncated where the body breaks off.
        """
        return read_answer(status, headers, body)
