"""What all calls of OpenAI's clients have in common: who may ask, how errors are told, who leaves.

Each request has an id, which its answer's head names, and the ledger too. A
client that leaves cancels its request; when the server stops, those under way have
some seconds to come to their end. Before an answer has begun, what goes wrong is
its status; after that, it ends with words that `Asked.last_words` makes of the error.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import structlog
import trio

from ...runtime.errors import ActorError
from ..errors import ProviderError
from ..wire.openai_faults import ApiFault, fault_of
from ..wire.openai_served_request import RefusedRequest
from .admission import Admission
from .exchange import CancelReason, Exchange
from .http import HttpConnection, HttpFault, Request, Response, announced_body
from .limits import Limits
from .watchdog import Watchdog

__all__ = ["BROKEN", "TOLD", "ApiCalls", "Asked", "fault_told"]

log = structlog.get_logger("trouper.gateway")

# Seconds: whoever leaves costs no more than this of an answer that nobody reads.
_SWEEP = 0.5

_CODES = {
    401: "invalid_api_key",
    403: "origin_refused",
    405: "method_not_allowed",
    413: "request_too_large",
    429: "rate_limit_exceeded",
}


def _frame(fault: ApiFault) -> bytes:
    return fault.frame


@attrs.define(eq=False)
class Asked:
    """A request to answer, and the id that it goes by, here and in the ledger.

    `last_words` are what ends an answer that fails behind its beginning.
    """

    request: Request
    http: HttpConnection
    id: str
    last_words: Callable[[ApiFault], bytes] = _frame

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What the head of every answer has."""
        return (("X-Request-Id", f"req_{self.id}"),)

    async def say(self, body: bytes) -> bool:
        """Answer with JSON; whether the connection may be used again."""
        response = Response(200, body, "application/json", self.headers)
        return await self.http.respond(response, bodiless=self.request.method == "HEAD")

    async def refuse(self, fault: ApiFault, *more: tuple[str, str], close: bool = False) -> bool:
        """Answer with an error; whether the connection may be used again."""
        headers = (*self.headers, *fault.headers, *more)
        response = Response(fault.status, fault.body, "application/json", headers)
        bodiless = self.request.method == "HEAD"
        return await self.http.respond(response, bodiless=bodiless, close=close)

    async def events(self, piece: bytes) -> None:
        """Tell more of an answer that is told in events, or begin it."""
        if self.http.begun:
            await self.http.send_events(piece)
        else:
            await self.http.begin_events(self.headers, piece)


class ApiCalls(ABC):
    """Answers requests, each in the task of its connection. `run` must be running.

    `admission` says who may come in, and how many requests each may have under way.
    """

    def __init__(self, admission: Admission, limits: Limits) -> None:
        self._admission = admission
        self._limits = limits
        self._watchdog = Watchdog(_SWEEP)
        self._stopping = False

    async def run(self) -> None:
        """Look after all requests, for ever."""
        await self._watchdog.run()

    async def stop(self) -> None:
        """Take no more requests, and wait until those under way have ended."""
        self._stopping = True
        await self._watchdog.stop_all()

    @abstractmethod
    async def _route(self, asked: Asked) -> bool:
        """Answer; whether the connection may be used again. What it raises is told."""

    def _worded(self, fault: ApiFault) -> ApiFault:
        """An error in the words of these calls."""
        return fault

    async def serve(self, request: Request, http: HttpConnection) -> bool:
        """Answer `request`; whether the connection may be used again."""
        asked = Asked(request, http, secrets.token_hex(12))
        more: tuple[tuple[str, str], ...] = ()
        try:
            if self._stopping:
                return await asked.refuse(_STOPPED, close=True)
            return await self._route(asked)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise
        except TOLD as failed:
            fault = self._worded(fault_told(failed, asked.id))
            more = failed.headers if isinstance(failed, HttpFault) else ()
        except Exception:
            log.exception("request failed", request=f"req_{asked.id}")
            fault = BROKEN
        if http.begun:
            return await http.end_events(asked.last_words(fault))
        return await asked.refuse(fault, *more)

    async def _options(self, asked: Asked, allowed: str) -> bool | None:
        """Answer who asks only what may be asked: whether the connection may be used again.

        None for all others. Raises HttpFault for a method that is not allowed.
        """
        path, method = asked.request.path, asked.request.method
        if method not in allowed.split(", "):
            raise HttpFault(405, f"{path} takes {allowed}, not {method}", (("Allow", allowed),))
        if method != "OPTIONS":
            return None
        # Without a header for pages of other origins: a browser asks no further.
        return await asked.http.respond(Response(200, headers=(("Allow", allowed), *asked.headers)))

    async def _body(self, asked: Asked) -> bytes:
        """The body of a request to a model. Raises HttpFault."""
        limits = self._limits
        coding = asked.request.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":
            raise HttpFault(415, f"a body in {coding[:40]!r} is not read here; send it plain")
        announced_body(asked.request, limits, limits.chat_body_bytes)
        return await asked.http.body(limits.chat_body_bytes)

    async def _watched(self, asked: Asked, answer: Callable[[], Awaitable[bool]]) -> bool:
        """Answer as long as somebody waits for it."""
        http = asked.http
        exchange = Exchange(http.stream, self._limits)
        with self._watchdog.watching(exchange), exchange.scope:
            return await answer()
        why = _TOLD_WHY.get(exchange.verdict)
        if why is None:
            log.debug("request left", request=f"req_{asked.id}", verdict=str(exchange.verdict))
            return False
        if http.begun:
            await http.end_events(asked.last_words(why))
            return False
        return await asked.refuse(why, close=True)


TOLD: Final = (RefusedRequest, HttpFault, ActorError)
"""What is told to who asked; all else is a fault of ours."""


def fault_told(error: RefusedRequest | HttpFault | ActorError, id: str) -> ApiFault:
    """What a client is told of an error; the log has it by the request's id."""
    match error:
        case RefusedRequest():
            return error.fault
        case HttpFault():
            code = error.code or _CODES.get(error.status)
            return ApiFault(status=error.status, message=error.message, code=code)
        case ProviderError():
            return fault_of(error)
        case _:
            log.warning("request failed", request=f"req_{id}", error=str(error))
            return _UNAVAILABLE


_STOPPED = ApiFault(
    status=503,
    message="the server restarts; ask again in some seconds",
    type="server_error",
    code="server_restarts",
    retry_after=5.0,
)

_UNAVAILABLE = ApiFault(
    status=503,
    message="a part of the server is not available now; ask again in some seconds",
    type="server_error",
    code="service_unavailable",
    retry_after=1.0,
)

BROKEN: Final = ApiFault(
    status=500,
    message="a fault in the server; it has been logged",
    type="server_error",
    code="server_error",
    retryable=False,
)

_TOLD_WHY: Final[dict[CancelReason | None, ApiFault]] = {
    CancelReason.STOPPED: _STOPPED,
    CancelReason.FAILED: BROKEN,
}
