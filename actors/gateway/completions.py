"""OpenAI's chat completions over HTTP: POST /v1/chat/completions and GET /v1/models.

There is one reader and no session here: an answer goes from the provider's
connection to the client's in one task, so that a client that reads slowly slows
the provider down and fills no memory. A client that leaves cancels its request.

The status of an answer is decided by its first batch. What fails later ends the
stream with a frame that holds the error, as OpenAI's own streams do.
"""

import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing
from urllib.parse import unquote

import attrs
import structlog
import trio

from ...runtime.errors import ActorError
from ..chat import Chunk
from ..config.tokens import Scope
from ..errors import ProviderError
from ..provider.call import Call
from ..wire.openai_faults import ApiFault, fault_of
from ..wire.openai_frames import FrameWriter
from ..wire.openai_served_request import RefusedRequest, ServedRequest, read_served_request
from ..wire.openai_serving import completion_body, model_body, models_body
from .auth import Principal
from .door import Door
from .exchange import Exchange, Verdict
from .http import HttpConnection, HttpFault, Request, Response, announced_body
from .limits import Limits
from .models import AnswerUnderWay, Models
from .watchdog import Watchdog

__all__ = ["CHAT", "MODELS", "Completions"]

log = structlog.get_logger("trouper.gateway")

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"

# Seconds: whoever leaves costs no more than this of an answer that nobody reads.
_SWEEP = 0.5

_CODES = {
    401: "invalid_api_key",
    403: "origin_refused",
    405: "method_not_allowed",
    413: "request_too_large",
    429: "rate_limit_exceeded",
}


@attrs.frozen
class _Asked:
    """A request to answer, and the id that it goes by, here and in the ledger."""

    request: Request
    http: HttpConnection
    id: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
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


class Completions:
    """Answers the requests of OpenAI's clients, each in the task of its connection.

    `door` says who may come in, and how many requests each may have under way.
    `run` must be running.
    """

    def __init__(self, models: Models, door: Door, limits: Limits) -> None:
        self._models = models
        self._door = door
        self._limits = limits
        self._watchdog = Watchdog(_SWEEP)
        self._stopping = False
        # That of no model is known; clients want one.
        self._created = int(time.time())

    @property
    def under_way(self) -> int:
        """Requests that are being answered now."""
        return len(self._watchdog)

    @property
    def paths(self) -> tuple[str, ...]:
        """What there is, for who asks for something else."""
        return (CHAT, MODELS)

    def takes(self, path: str) -> bool:
        """Whether requests for `path` are answered here."""
        return path in (CHAT, MODELS) or path.startswith(f"{MODELS}/")

    async def run(self) -> None:
        """Look after all requests, for ever."""
        await self._watchdog.run()

    async def stop(self) -> None:
        """Take no more requests, and wait until those under way have ended."""
        self._stopping = True
        await self._watchdog.close_all(0, "")

    async def serve(self, request: Request, http: HttpConnection) -> bool:
        """Answer `request`; whether the connection may be used again."""
        asked = _Asked(request, http, secrets.token_hex(12))
        more: tuple[tuple[str, str], ...] = ()
        try:
            if self._stopping:
                return await asked.refuse(_STOPPED, close=True)
            return await self._route(asked)
        except RefusedRequest as refused:
            fault = refused.fault
        except HttpFault as wrong:
            code = wrong.code or _CODES.get(wrong.status)
            fault, more = (
                ApiFault(status=wrong.status, message=wrong.message, code=code),
                wrong.headers,
            )
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise
        except ProviderError as failed:
            fault = fault_of(failed)
        except ActorError as failed:
            log.warning("request failed", request_id=f"req_{asked.id}", error=str(failed))
            fault = _UNAVAILABLE
        except Exception:
            log.exception("request failed", request_id=f"req_{asked.id}")
            fault = _BROKEN
        if http.begun:
            return await http.end_events(fault.frame)
        return await asked.refuse(fault, *more)

    async def _route(self, asked: _Asked) -> bool:
        path, method = asked.request.path, asked.request.method
        allowed = "OPTIONS, POST" if path == CHAT else "GET, HEAD, OPTIONS"
        if method == "OPTIONS":
            # Without a header for pages of other origins: a browser asks no further.
            headers = (("Allow", allowed), *asked.headers)
            return await asked.http.respond(Response(200, headers=headers))
        if method not in allowed.split(", "):
            raise HttpFault(405, f"{path} takes {allowed}, not {method}", (("Allow", allowed),))
        principal = self._door.admit(asked.request, Scope.MODELS)
        if path == CHAT:
            with self._door.request(principal):
                return await self._chat(asked, principal)
        await asked.http.body()
        if path == MODELS:
            return await asked.say(models_body(self._models.names, self._created))
        return await self._one_model(asked, unquote(path.removeprefix(f"{MODELS}/")))

    async def _one_model(self, asked: _Asked, name: str) -> bool:
        known = self._models.names
        if name in known:
            return await asked.say(model_body(name, self._created))
        return await asked.refuse(
            ApiFault(
                status=404,
                message=f"no model {name[:80]!r} is configured; configured are: {', '.join(known)}",
                code="model_not_found",
                param="model",
            )
        )

    async def _chat(self, asked: _Asked, principal: Principal) -> bool:
        limits, http = self._limits, asked.http
        coding = asked.request.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":
            raise HttpFault(415, f"a body in {coding[:40]!r} is not read here; send it plain")
        announced_body(asked.request, limits, limits.chat_body_bytes)
        served = read_served_request(await http.body(limits.chat_body_bytes))
        call = Call(
            request_id=f"req_{asked.id}",
            user=served.user or principal.name,
            deadline=trio.current_time() + limits.answer_seconds,
        )
        exchange = Exchange(http.stream, limits)
        with self._watchdog.watching(exchange), exchange.scope:
            answer = self._stream if served.stream else self._complete
            return await answer(asked, served, call)
        if exchange.verdict is not Verdict.STOPPED:
            log.debug("request left", request_id=call.request_id, verdict=str(exchange.verdict))
            return False
        if http.begun:
            await http.end_events(_STOPPED.frame)
            return False
        return await asked.refuse(_STOPPED, close=True)

    async def _complete(self, asked: _Asked, served: ServedRequest, call: Call) -> bool:
        completion = await self._models.complete(served.request, call)
        return await asked.say(
            completion_body(completion, id=f"chatcmpl-{asked.id}", model=served.request.model)
        )

    async def _stream(self, asked: _Asked, served: ServedRequest, call: Call) -> bool:
        http = asked.http
        frames = FrameWriter(
            id=f"chatcmpl-{asked.id}",
            model=served.request.model,
            include_usage=served.include_usage,
        )
        begun = False
        async with aclosing(self._models.stream(served.request, call)) as answer:
            while (batch := await _next(answer)) is not None:
                data = frames.take(batch)
                if not data:
                    continue
                if begun:
                    await http.send_events(data)
                else:
                    begun = True
                    await http.begin_events(asked.headers, data)
        return await http.end_events()


async def _next(answer: AnswerUnderWay) -> Sequence[Chunk] | None:
    try:
        return await anext(answer)
    except StopAsyncIteration:
        return None


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

_BROKEN = ApiFault(
    status=500,
    message="a fault in the server; it has been logged",
    type="server_error",
    code="server_error",
    retryable=False,
)
