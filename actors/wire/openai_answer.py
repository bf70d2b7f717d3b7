"""A whole answer of an OpenAI-compatible server, or the error that it is."""

from collections.abc import Mapping
from typing import Any

import orjson

from ..chat import Completion
from ..errors import StreamTruncated
from ..json_reading import read_json
from .http import request_id
from .openai_errors import error_in_answer, not_the_wire
from .openai_values import completion_of

__all__ = ["is_error", "load_answer", "load_json", "read_answer"]


def load_json(data: bytes) -> Any:
    """JSON out of bytes that should be UTF-8; those that are not become U+FFFD.

    Raises orjson.JSONDecodeError.
    """
    try:
        return read_json(data)
    except orjson.JSONDecodeError:
        return read_json(data.decode("utf-8", "replace"))


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an error, whatever status or frame it came in."""
    if body.get("error"):
        return True
    if "choices" in body:
        return False
    return body.get("object") == "error" or "detail" in body or "message" in body


def load_answer(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of a body that should hold an answer.

    Raises ProviderError with kind PROTOCOL_ERROR for what is no JSON, and
    StreamTruncated for JSON that breaks off.
    """
    if not body.strip():
        raise not_the_wire("an empty body", b"", headers, in_stream=False)
    try:
        return load_json(body)
    except orjson.JSONDecodeError as fault:
        if body.lstrip().startswith(b"{") and "unexpected end" in fault.msg:
            raise StreamTruncated(
                message=f"the answer broke off after {len(body)} bytes",
                status=status,
                request_id=request_id(headers),
                in_stream=False,
            ) from None
        what = "HTML" if body.lstrip().startswith(b"<") else "text that is not JSON"
        raise not_the_wire(what, body, headers, in_stream=False) from None


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Completion:
    """The completion in a body. Of several choices it is the one with index 0.

    Raises ProviderError for a status or a body that is an error, with kind
    PROTOCOL_ERROR where the body is something else altogether, and
    StreamTruncated where it breaks off.
    """
    if not 200 <= status < 300:
        raise error_in_answer(status, headers, body)
    raw = load_answer(status, headers, body)
    if isinstance(raw, list) and raw and isinstance(raw[0], dict) and is_error(raw[0]):
        raw = raw[0]
    if isinstance(raw, dict):
        if is_error(raw):
            raise error_in_answer(status, headers, body)
        choices = raw.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                return completion_of(raw, choice)
    raise not_the_wire("JSON that is no chat completion", body, headers, in_stream=False)
