"""Responses over a websocket: a client's events read, and ours as frames.

One socket has lanes: a client event with a `stream_id` gets its answers with the
same, and one without gets them without. What a request is refused for is an event
of the type `error`, with the status that HTTP would have.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from .encoded import dump_json
from .openai_faults import ApiFault
from .openai_served_request import load_body, refused
from .responses_serving import Event

__all__ = [
    "CREATE",
    "STEER",
    "ClientEvent",
    "error_frame",
    "event_frame",
    "read_client_event",
    "steer_refused",
]

CREATE: Final = "response.create"
STEER: Final = "response.steer"

# As OpenAI's own client has it.
_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")


@attrs.frozen
class ClientEvent:
    """What a client sent: its type, the lane it belongs to (None is the one without a name), and
    all of it."""

    kind: str
    lane: str | None
    body: Mapping[str, Any] = attrs.field(repr=False)


def read_client_event(message: str | bytes) -> ClientEvent:
    """The event in a frame. Raises RefusedRequest."""
    if not isinstance(message, str):
        raise refused(("this was a binary frame; send JSON as text frames",))
    body = load_body(message)
    kind, lane = body.get("type"), body.get("stream_id")
    if lane is not None and not (isinstance(lane, str) and _LANE.fullmatch(lane)):
        words = "must be 1 to 256 letters, digits, underscores, hyphens or periods"
        raise refused((f"stream_id: {words}",))
    if kind not in (CREATE, STEER):
        raise refused((f"type: must be {CREATE}, not {str(kind)[:80]!r}",))
    return ClientEvent(kind, lane, body)


def event_frame(event: Event, lane: str | None) -> str:
    """An event of a response, in its lane."""
    text = event.data.decode()
    # A lane's name has no character that JSON would write in another way.
    return text if lane is None else f'{text[:-1]},"stream_id":"{lane}"}}'


def error_frame(fault: ApiFault, lane: str | None) -> str:
    """What a client is told of a request that is refused."""
    frame: dict[str, Any] = {
        "type": "error",
        "status": fault.status,
        "error": fault.error,
    }
    if fault.headers:
        frame["headers"] = {name.lower(): value for name, value in fault.headers}
    if lane is not None:
        frame["stream_id"] = lane
    return dump_json(frame).decode()


def steer_refused(body: Mapping[str, Any]) -> str:
    """The answer to a steering: what was to be said is given back, to be asked as a request."""
    steer = {"previous_response_id": body.get("previous_response_id"), "input": body.get("input")}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "steering is not supported; send the input with response.create when the "
        "response has ended",
    }
    kind = "response.steer.failed"
    return dump_json({"type": kind, "sequence_number": 0, "steer": steer, "error": error}).decode()
