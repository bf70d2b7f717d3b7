"""A whole answer of Ollama, or the error that it is."""

from collections.abc import Mapping

import orjson

from ..chat import Chunk, Completion
from ..errors import ProviderError, StreamTruncated
from .assembly import Assembly
from .http import request_id
from .ollama_decode import OllamaDecoder
from .ollama_errors import error_in_answer
from .ollama_values import Frames, is_frame
from .openai_answer import is_error, load_json
from .openai_errors import not_the_wire

__all__ = ["read_answer"]

_MARK = b"\xef\xbb\xbf"


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Completion:
    """The completion in a body; one that was streamed all the same is put together.

    Raises ProviderError for a status or a body that is an error, with kind
    PROTOCOL_ERROR where the body is something else altogether, and
    StreamTruncated where it breaks off.
    """
    if not 200 <= status < 300:
        raise error_in_answer(status, headers, body)
    body = body.removeprefix(_MARK)
    if not body.strip():
        raise not_the_wire("an empty body", b"", headers, in_stream=False)
    try:
        frame = load_json(body)
    except orjson.JSONDecodeError:
        return _of_lines(status, headers, body)
    if isinstance(frame, list) and frame:
        frame = frame[0]
    if not isinstance(frame, dict) or not (frame.get("error") or is_frame(frame)):
        if isinstance(frame, dict) and is_error(frame):
            raise error_in_answer(status, headers, body)
        raise not_the_wire("JSON that is no chat answer", body, headers, in_stream=False)
    if frame.get("error"):
        raise error_in_answer(status, headers, body)
    frames = Frames()
    chunks: list[Chunk] = []
    frames.take(frame, chunks)
    if not frames.whole:
        raise StreamTruncated(
            message="the answer says that it is not done",
            status=status,
            request_id=request_id(headers),
            in_stream=False,
        )
    return _completion(chunks)


def _of_lines(status: int, headers: Mapping[str, str], body: bytes) -> Completion:
    """What is no JSON as a whole: several lines of it, or a part, or something else."""
    decoder = OllamaDecoder(max_line=len(body))
    try:
        return _completion([*decoder.feed(body), *decoder.eof()])
    except ProviderError as error:
        error.in_stream = False
        error.status = status
        error.request_id = request_id(headers)
        raise


def _completion(chunks: list[Chunk]) -> Completion:
    assembly = Assembly()
    assembly.extend(chunks)
    return assembly.completion()
