"""A whole answer of the Responses endpoint, or the error that it is."""

from collections.abc import Mapping

from ..chat import Chunk, Completion
from .assembly import Assembly
from .openai_answer import is_error, load_answer
from .openai_errors import error_in_answer, not_the_wire
from .responses_errors import failure_of, unfinished
from .responses_items import OutputItems

__all__ = ["answer_chunks", "read_answer"]


def answer_chunks(status: int, headers: Mapping[str, str], body: bytes) -> list[Chunk]:
    """The chunks of the stream that would have given the answer in a body.

    Raises what `read_answer` raises.
    """
    if not 200 <= status < 300:
        raise error_in_answer(status, headers, body)
    raw = load_answer(status, headers, body)
    if not isinstance(raw, Mapping) or not isinstance(raw.get("output"), list):
        listed = raw[0] if isinstance(raw, list) and raw else raw
        if isinstance(listed, Mapping) and is_error(listed):
            raise error_in_answer(status, headers, body)
        raise not_the_wire("JSON that is no response", body, headers, in_stream=False)
    match raw.get("status"):
        case "failed" | "cancelled":
            raise failure_of(raw, in_stream=False)
        case "queued" | "in_progress" as state:
            raise unfinished(state)
        case _:
            pass  # whatever else it is called, it has its output
    chunks: list[Chunk] = []
    OutputItems().end(raw, chunks)
    return chunks


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Completion:
    """The completion in a body.

    Raises ProviderError for a status or a body that is an error, for an answer
    that failed or is not there yet, with kind PROTOCOL_ERROR where the body is
    something else altogether, and StreamTruncated where it breaks off.
    """
    assembly = Assembly()
    assembly.extend(answer_chunks(status, headers, body))
    return assembly.completion()
