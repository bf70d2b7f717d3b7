"""What a client meets instead of a conversation, each with the words for a person.

TrouperError
└── ClientError
    ├── CannotConnect      no connection came about; `status` is HTTP's, if one was sent
    └── ConnectionLost     it was there and is gone; `code` is the websocket's
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

from ...runtime.errors import TrouperError
from ..json_reading import read_json

__all__ = [
    "CannotConnect",
    "ClientError",
    "ConnectionLost",
    "lost",
    "not_ours",
    "rejected",
    "unreachable",
]

# Close codes, RFC 6455 7.1.5 and IANA's registry: nobody said goodbye; the server
# restarts, which is what ours says when it is stopped.
_ABNORMAL = 1006
_RESTART = 1012


class ClientError(TrouperError):
    """Base of what goes wrong between a client and its server."""


class CannotConnect(ClientError):
    """No connection came about; `status` is HTTP's where the server has refused, else None."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConnectionLost(ClientError):
    """The connection has ended before the conversation did; `code` is the websocket's close code.

    1006 is nobody's: it was lost. Connect again; the session is still there, if the
    server is.
    """

    def __init__(self, message: str, code: int = _ABNORMAL) -> None:
        super().__init__(message)
        self.code = code


def unreachable(url: str, error: BaseException) -> CannotConnect:
    """No connection to `url`, for the reason in `error`."""
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return CannotConnect(
            f"nothing listens at {url}; start a server there, as with: trouper serve --config FILE"
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return CannotConnect(f"nobody knows the host of {url}; check its spelling")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CannotConnect(f"the certificate of {url} is not good: {cause.verify_message}")
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return CannotConnect(f"{url} cannot be reached: {said[-1] if said else error}")


def not_ours(url: str, what: str) -> CannotConnect:
    """Whoever is at `url` does `what`."""
    return CannotConnect(f"what answers at {url} is no trouper server: {what}; check the address")


def rejected(url: str, status: int, body: bytes | None) -> CannotConnect:
    """An HTTP answer from `url` in place of a websocket."""
    said = _server_words(body)
    match status:
        case 401:
            message = f"the server at {url} wants a valid token: {said or 'unauthorized'}"
        case 403 | 429 | 503 if said:
            message = f"the server at {url} does not let you in ({status}): {said}"
        case 404 if said:
            message = f"the server at {url} has no sessions there ({status}): {said}"
        case _:
            message = str(not_ours(url, f"it answers with HTTP status {status}"))
    return CannotConnect(message, status)


def lost(url: str, code: int = _ABNORMAL, reason: str = "") -> ConnectionLost:
    """A connection to `url` that was closed with `code`."""
    match code:
        case _ if code == _RESTART:
            message = "the server is stopping or restarting; connect again in a moment"
        case _ if code == _ABNORMAL:
            message = f"the connection to {url} was lost; see whether the server is still running"
        case _:
            message = f"the server closed the connection ({code}): {reason or 'it says no more'}"
    return ConnectionLost(message, code)


def _server_words(body: bytes | None) -> str:
    """The message of a problem as gateway/http.py words it; empty for anything else."""
    try:
        loaded: Any = read_json(body or b"")
        return str(loaded["error"]["message"])[:500]
    except (ValueError, LookupError, TypeError):
        return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
