"""The codec of Ollama's native /api/chat.

Reading order: ollama_encode.py (requests), ollama_decode.py (streams),
ollama_answer.py (whole bodies), ollama_values.py (JSON as our values),
ollama_errors.py (refusals), ndjson.py (lines out of bytes).
"""

from collections.abc import Mapping

import attrs

from ..chat import ChatRequest, Completion
from .http import HttpRequest
from .ndjson import MAX_LINE
from .ollama_answer import read_answer
from .ollama_decode import OllamaDecoder
from .ollama_encode import encode_body

__all__ = ["OllamaCodec"]


@attrs.frozen(kw_only=True)
class OllamaCodec:
    """The `Codec` of Ollama's /api/chat. Paths are relative to the server's
    root, http://127.0.0.1:11434 on a machine of one's own.

    `num_ctx` is the model's window in tokens, prompt and answer together; None
    leaves the server's, which may be as small as 4,096 whatever the model can.
    A change of it makes the server load the model again.
    `keep_alive` says how long the model stays loaded after the answer: seconds,
    less than 0 for ever, or text as "10m"; None leaves the server's, 5 minutes.
    `truncate` lets the server forget the oldest messages where they do not fit
    into the window, as it does by itself and without a word; False, the default
    here, makes that an error (CONTEXT_WINDOW_EXCEEDED).
    `max_line` bounds one line of a stream, in bytes.
    """

    num_ctx: int | None = None
    keep_alive: str | float | None = None
    truncate: bool = False
    max_line: int = MAX_LINE

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        """The request, without what authorizes it.

        Raises ProviderError (INVALID_REQUEST) for what JSON or the wire cannot say:
        an image that is no data URL, a file, a tool_choice other than auto and none.
        """
        return HttpRequest(
            method="POST",
            path="/api/chat",
            headers=(
                ("content-type", "application/json"),
                ("accept", "application/x-ndjson" if stream else "application/json"),
            ),
            body=encode_body(
                request,
                stream=stream,
                num_ctx=self.num_ctx,
                keep_alive=self.keep_alive,
                truncate=self.truncate,
            ),
        )

    def stream(self) -> OllamaDecoder:
        """A decoder for one streamed answer with status 200, whatever its content type."""
        return OllamaDecoder(max_line=self.max_line)

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        """A whole answer.

        Raises ProviderError for a refusal, or with kind PROTOCOL_ERROR for what
        is no answer; StreamTruncated where the body breaks off.
        """
        return read_answer(status, headers, body)
