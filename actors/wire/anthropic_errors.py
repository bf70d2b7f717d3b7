"""What Anthropic means when it refuses.

`error.details.error_code` names the cause, and Anthropic asks to branch on it;
next come `error.type`, the status, and for three causes that it tells in a
sentence only, that sentence. Gateways and local servers on this wire often
refuse in OpenAI's words, so these are understood as well: see openai_errors.py.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import ErrorKind, ProviderError
from ..json_reading import read_json
from . import openai_errors

__all__ = ["error_in_answer", "error_in_stream"]

_BY_CODE: dict[str, ErrorKind] = {
    # A 429 with these never succeeds by waiting; with ramp_limit_exceeded it does.
    "contract_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "enforced_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "linked_organization_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "linked_organization_billing_unavailable": ErrorKind.QUOTA_EXHAUSTED,
    "ramp_limit_exceeded": ErrorKind.RATE_LIMITED,
    # These come under status 400, and yet no other request would fare better.
    "organization_on_hold": ErrorKind.PERMISSION,
    "organization_type_not_supported": ErrorKind.PERMISSION,
    "request_body_timeout": ErrorKind.TIMEOUT,
}

_BY_TYPE: dict[str, ErrorKind] = {
    "billing_error": ErrorKind.QUOTA_EXHAUSTED,
    "conflict_error": ErrorKind.CONFLICT,
    "timeout_error": ErrorKind.TIMEOUT,
}

_IN_WORDS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (re.compile(r"exceeds? (the )?context (limit|window)"), ErrorKind.CONTEXT_WINDOW_EXCEEDED),
    (re.compile(r"credit balance is too low"), ErrorKind.QUOTA_EXHAUSTED),
    (re.compile(r"blocked by content filtering policy"), ErrorKind.CONTENT_POLICY),
)

# A proxy's word for a client that has left; we have not, so the way between is at fault.
_CLIENT_CLOSED = 499


def error_in_answer(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an answer is: an error status, or a 200 whose body is an error."""
    error = openai_errors.error_in_answer(status, headers, body)
    if status == _CLIENT_CLOSED:
        error.kind, error.billed = ErrorKind.CONNECTION_FAILED, "maybe"
    try:
        return _told(error, read_json(body))
    except orjson.JSONDecodeError:
        return error


def error_in_stream(frame: Any) -> ProviderError:
    """The error that an event of a stream is. The status of the answer was 200."""
    return _told(openai_errors.error_in_stream(frame), frame)


def _told(error: ProviderError, body: Any) -> ProviderError:
    """`error` with what only Anthropic's words say."""
    outer = body if isinstance(body, Mapping) else {}
    inner = outer.get("error")
    inner = inner if isinstance(inner, Mapping) else outer
    details = inner.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    if isinstance(code, str):
        error.code = code
    request_id = outer.get("request_id")
    if error.request_id is None and isinstance(request_id, str):
        error.request_id = request_id
    kind = _BY_CODE.get(error.code or "") or _BY_TYPE.get(error.type or "")
    if kind is None and error.type in ("invalid_request_error", "api_error"):
        found = (kind for words, kind in _IN_WORDS if words.search(error.message))
        kind = next(found, None)
    error.kind = kind or error.kind
    return error
