"""Our answers as OpenAI's Responses: the response object, and the events that tell of it.

The way back from responses_values.py, for programs that speak to our port as they
would to OpenAI. An event is its type and its JSON; how it is framed is a matter
of the transport (`sse_frames`, and responses_serving_socket.py).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from ..chat import Finish, Usage
from .encoded import dump_json
from .openai_faults import ApiFault

__all__ = [
    "ALIVE",
    "Event",
    "error_of",
    "event_of",
    "incomplete_reason",
    "response_object",
    "sse_frames",
    "usage_words",
]

ALIVE: Final = b": alive\n\n"
"""A comment within a stream: proxies see that the connection lives, and clients nothing."""


class Event(NamedTuple):
    """One event of a response, and its JSON."""

    kind: str
    data: bytes


_INCOMPLETE: dict[Finish, str] = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT_WINDOW: "max_output_tokens",
    Finish.CONTENT_FILTER: "content_filter",
}


def incomplete_reason(finish: Finish) -> str | None:
    """Why a response is incomplete; None where it is complete."""
    return _INCOMPLETE.get(finish)


def usage_words(usage: Usage) -> dict[str, Any]:
    """Tokens by the names of this wire."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def error_of(fault: ApiFault) -> dict[str, Any]:
    """The error of a response that failed.

    When to try again stands in its message, where clients of this wire look for it.
    """
    message = fault.message
    if fault.retry_after is not None:
        message = f"{message}. Please try again in {fault.retry_after:.3g}s."
    return {"code": fault.code or "server_error", "message": message}


def response_object(
    *,
    id: str,
    created: int,
    model: str,
    status: str,
    echo: Mapping[str, Any],
    output: Iterable[Any] = (),
    usage: Usage | None = None,
    error: Mapping[str, Any] | None = None,
    incomplete: str | None = None,
    store: bool = True,
    tier: str | None = None,
) -> dict[str, Any]:
    """A response as it stands. `echo` is what it says of its request."""
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": error,
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
        "model": model,
        "output": list(output),
        **echo,
        "service_tier": tier or "default",
        "store": store,
        "usage": None if usage is None else usage_words(usage),
    }


def sse_frames(events: Iterable[Event]) -> bytes:
    """Events as they stand in a stream over HTTP."""
    return b"".join([b"event: %b\ndata: %b\n\n" % (kind.encode(), data) for kind, data in events])


def event_of(kind: str, number: int, **members: Any) -> Event:
    """The event of that kind, which is the response's `number`th, from 0."""
    return Event(kind, dump_json({"type": kind, "sequence_number": number, **members}))
