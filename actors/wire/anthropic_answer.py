"""A whole answer of the Messages endpoint, or the error that it is."""

from collections.abc import Mapping

from ..chat import Chunk, Completion
from .anthropic_errors import error_in_answer
from .anthropic_message import MessageEvents
from .assembly import Assembly
from .openai_answer import is_error, load_answer
from .openai_errors import not_the_wire

__all__ = ["answer_chunks", "read_answer"]


def answer_chunks(status: int, headers: Mapping[str, str], body: bytes) -> list[Chunk]:
    """The chunks of the stream that would have given the answer in a body.

    Raises what `read_answer` raises.
    """
    if not 200 <= status < 300:
        raise error_in_answer(status, headers, body)
    raw = load_answer(status, headers, body)
    content = raw.get("content") if isinstance(raw, Mapping) else None
    if not isinstance(content, list):
        listed = raw[0] if isinstance(raw, list) and raw else raw
        if isinstance(listed, Mapping) and is_error(listed):
            raise error_in_answer(status, headers, body)
        raise not_the_wire("JSON that is no message", body, headers, in_stream=False)
    message = MessageEvents()
    chunks: list[Chunk] = []
    message.start(raw, chunks)
    for index, block in enumerate(content):
        message.start_block(index, block, chunks)
        message.stop_block(index, chunks)
    message.change(raw, raw.get("usage"), chunks)
    message.end(chunks)
    return chunks


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Completion:
    """The completion in a body.

    Raises ProviderError for a status or a body that is an error, with kind
    PROTOCOL_ERROR where the body is something else altogether, and
    StreamTruncated where it breaks off.
    """
    assembly = Assembly()
    assembly.extend(answer_chunks(status, headers, body))
    return assembly.completion()
