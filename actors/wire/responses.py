"""The codec of OpenAI's Responses, for models that speak nothing else.

Reading order: responses_encode.py (requests), responses_content.py (messages as
input items), responses_decode.py (streams), responses_items.py (output items as
chunks), responses_answer.py (whole bodies), responses_values.py (JSON as our
values), responses_errors.py (failures).
"""

from collections.abc import Callable, Mapping

import attrs

from ..chat import ChatRequest, Completion
from .encoded import Encoded
from .http import HttpRequest
from .responses_answer import read_answer
from .responses_content import encode_items
from .responses_decode import ResponsesDecoder
from .responses_encode import encode_body
from .sse import MAX_EVENT

__all__ = ["ResponsesCodec"]


def _encoded() -> Encoded:
    return Encoded(encode_items)


def _always(model: str) -> bool:
    return True


@attrs.frozen(kw_only=True)
class ResponsesCodec:
    """The `Codec` of OpenAI's Responses.

    `reasons` says of a model's name whether it reasons: only of such a model may
    the encrypted reasoning be asked for, others refuse the request with status
    400. `max_event` bounds one event of a stream, in bytes; `skip_malformed` is how
    many events that are no JSON are passed over.

    What is in a request's `extra` is merged into the body: `store`, `service_tier`,
    `truncation` and whatever else the wire knows. What it says of `include`,
    `metadata`, `reasoning`, `stream_options`, `text` and `tools` (hosted and custom
    ones) is joined with what the request says. Of the sampling, the wire knows
    temperature and top_p; the rest is left out.
    """

    reasons: Callable[[str], bool] = _always
    max_event: int = MAX_EVENT
    skip_malformed: int = 0
    _messages: Encoded = attrs.field(factory=_encoded, init=False, repr=False, eq=False)

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        """The request, without what authorizes it.

        Raises ProviderError (INVALID_REQUEST) for what JSON or the wire cannot
        say, and for an `extra` that would replace model, input or stream.
        """
        return HttpRequest(
            method="POST",
            path="/responses",
            headers=(
                ("content-type", "application/json"),
                ("accept", "text/event-stream" if stream else "application/json"),
            ),
            body=encode_body(
                request,
                stream=stream,
                encrypted_reasoning=self.reasons(request.model),
                messages=self._messages,
            ),
        )

    def stream(self) -> ResponsesDecoder:
        """A decoder for one streamed answer with status 200, whatever its content type."""
        return ResponsesDecoder(max_event=self.max_event, skip_malformed=self.skip_malformed)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        """A whole answer.

        Raises ProviderError for a refusal or a failure, or with kind
        PROTOCOL_ERROR for what is no answer; StreamTruncated where the body
        breaks off.
        """
        return read_answer(status, headers, body)
