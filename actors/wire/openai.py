"""The codec of OpenAI's Chat Completions, and of all who speak it.

Reading order: openai_encode.py (requests), openai_decode.py (streams),
openai_tools.py (tool calls out of fragments), openai_answer.py (whole bodies),
openai_values.py (JSON as our values), extra.py (what callers add),
openai_errors.py (refusals).
"""

from collections.abc import Callable, Mapping

import attrs

from ..chat import ChatRequest, Completion
from .http import HttpRequest
from .kind import MaxTokensField
from .openai_answer import read_answer
from .openai_decode import OpenAIDecoder
from .openai_encode import EncodedMessages, encode_body
from .sse import MAX_EVENT

__all__ = ["OpenAICodec"]


def _no_other(_model: str) -> MaxTokensField | None:
    return None


@attrs.frozen(kw_only=True)
class OpenAICodec:
    """The `Codec` of chat completions, OpenAI's and of all that are compatible.

    `max_tokens_field` names the limit of the answer: OpenAI's reasoning models
    refuse `max_tokens`, and most compatible servers know nothing else.
    `max_tokens_field_of` says it of a model by its name, where that is known.
    `lenient_finish` lets a bare [DONE] end an answer, for servers that never
    send a finish_reason; without it such an answer is StreamTruncated.
    `max_event` bounds one event of a stream, in bytes. `skip_malformed` is how
    many events of a stream that are no JSON are passed over: none, because an
    answer with a hole in it is worse than an error that can be retried.

    What is in a request's `extra` is merged into the body: `n`, `logprobs`,
    `prediction`, `safety_identifier`, `service_tier` and whatever else the
    server knows. What it says of `metadata`, `stream_options` and `tools` (custom
    ones) is joined with what the request says, and a limit of the answer under
    either of its names replaces the request's. It cannot name model, messages
    or stream.
    """

    max_tokens_field: MaxTokensField = "max_tokens"
    max_tokens_field_of: Callable[[str], MaxTokensField | None] = _no_other
    lenient_finish: bool = False
    max_event: int = MAX_EVENT
    skip_malformed: int = 0
    _encoded: EncodedMessages = attrs.field(
        factory=EncodedMessages, init=False, repr=False, eq=False
    )

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        """The request, without what authorizes it.

        Raises ProviderError (INVALID_REQUEST) for what JSON or the wire cannot
        say, and for an `extra` that would replace model, messages or stream.
        """
        return HttpRequest(
            method="POST",
            path="/chat/completions",
            headers=(
                ("content-type", "application/json"),
                ("accept", "text/event-stream" if stream else "application/json"),
            ),
            body=encode_body(
                request,
                stream=stream,
                max_tokens_field=self.max_tokens_field_of(request.model) or self.max_tokens_field,
                messages=self._encoded,
            ),
        )

    def stream(self) -> OpenAIDecoder:
        """A decoder for one streamed answer with status 200, whatever its content type."""
        return OpenAIDecoder(
            lenient_finish=self.lenient_finish,
            max_event=self.max_event,
            skip_malformed=self.skip_malformed,
        )

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        """A whole answer.

        Raises ProviderError for a refusal, or with kind PROTOCOL_ERROR for what
        is no answer; StreamTruncated where the body breaks off.
        """
        return read_answer(status, headers, body)
