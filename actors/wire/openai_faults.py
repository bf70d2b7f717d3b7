"""Errors as OpenAI words them: what a server of that wire answers where it has no answer.

The official clients choose the class of their exception by the status, read
`code`, `type` and `param` out of the body, and try again by themselves after
408, 409, 429 and 5xx unless `x-should-retry` says that it is of no use.
"""

import math
from typing import Any

import attrs

from ..errors import ErrorKind, ProviderError
from .encoded import dump_json

__all__ = ["ApiFault", "fault_of"]

_INVALID = "invalid_request_error"
_SERVER = "server_error"

# Status, type, code. A provider's refusal of our key is no 401: that would send the
# caller to look at the caller's own, which is good.
_BY_KIND: dict[ErrorKind, tuple[int, str, str]] = {
    ErrorKind.INVALID_REQUEST: (400, _INVALID, "invalid_request"),
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: (400, _INVALID, "context_length_exceeded"),
    ErrorKind.CONTENT_POLICY: (400, _INVALID, "content_policy_violation"),
    ErrorKind.REQUEST_TOO_LARGE: (413, _INVALID, "request_too_large"),
    ErrorKind.AUTH: (502, _SERVER, "upstream_key_refused"),
    ErrorKind.PERMISSION: (502, _SERVER, "upstream_permission_denied"),
    ErrorKind.MODEL_NOT_FOUND: (404, _INVALID, "model_not_found"),
    ErrorKind.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    ErrorKind.QUOTA_EXHAUSTED: (429, "insufficient_quota", "insufficient_quota"),
    ErrorKind.OVERLOADED: (503, _SERVER, "server_is_overloaded"),
    ErrorKind.SERVER_ERROR: (502, _SERVER, "upstream_error"),
    ErrorKind.TIMEOUT: (504, _SERVER, "timeout"),
    ErrorKind.CONFLICT: (409, _INVALID, "conflict"),
    ErrorKind.CONNECTION_FAILED: (502, _SERVER, "upstream_unreachable"),
    ErrorKind.STREAM_TRUNCATED: (502, _SERVER, "stream_truncated"),
    ErrorKind.PROTOCOL_ERROR: (502, _SERVER, "upstream_garbled"),
    ErrorKind.CIRCUIT_OPEN: (503, _SERVER, "service_unavailable"),
    ErrorKind.LIMITER_TIMEOUT: (429, "rate_limit_error", "rate_limit_exceeded"),
    # The type is the one that clients know as "waiting does not help".
    ErrorKind.BUDGET_EXCEEDED: (429, "insufficient_quota", "budget_exceeded"),
    ErrorKind.PRICE_UNKNOWN: (500, _SERVER, "price_unknown"),
    ErrorKind.UNAVAILABLE: (503, _SERVER, "service_unavailable"),
}

_PARAMS: dict[ErrorKind, str] = {
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "messages",
    ErrorKind.MODEL_NOT_FOUND: "model",
}

_RETRIED = (408, 409, 429)


@attrs.frozen(kw_only=True)
class ApiFault:
    """An error for a client: the status that tells its kind, and the words of its body.

    `param` names the field of the request that is wrong; `retry_after` is in
    seconds; `retryable` is whether the same request may succeed later.
    """

    status: int
    message: str
    type: str = _INVALID
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    retryable: bool = True

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }

    @property
    def body(self) -> bytes:
        """The body of an answer; within a stream it is the data of a frame, too."""
        return dump_json({"error": self.error})

    @property
    def frame(self) -> bytes:
        """The event that ends a stream whose beginning was sent already."""
        return b"data: %b\n\n" % self.body

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What the head of the answer says of trying again."""
        headers: list[tuple[str, str]] = []
        if self.retry_after is not None:
            # Whole seconds for everybody, and the exact time for who reads it.
            headers.append(("Retry-After", str(max(1, math.ceil(self.retry_after)))))
            headers.append(("Retry-After-Ms", str(math.ceil(self.retry_after * 1000))))
        if not self.retryable and (self.status >= 500 or self.status in _RETRIED):
            headers.append(("X-Should-Retry", "false"))
        return tuple(headers)


def fault_of(error: ProviderError) -> ApiFault:
    """What a client is told of a provider's failure."""
    status, type, code = _BY_KIND[error.kind]
    where = f"{error.provider}: " if error.provider else ""
    return ApiFault(
        status=status,
        message=f"{where}{error.message}",
        type=type,
        code=code,
        param=_PARAMS.get(error.kind),
        retry_after=error.retry_after,
        retryable=error.retryable,
    )
