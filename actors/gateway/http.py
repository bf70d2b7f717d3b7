"""HTTP/1.1 on one connection: requests read by h11, responses written, all within bounds.

Errors are JSON in the shape that OpenAI's clients read, so that one body
serves a person and a program: {"error": {"message", "type", "code"}}.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import attrs
import h11
import orjson
import trio

from ...runtime.errors import TrouperError
from .limits import Limits
from .stream import ClientStream

__all__ = [
    "HttpConnection",
    "HttpFault",
    "Request",
    "Response",
    "announced_body",
    "problem",
    "text",
]

# One read; the head's limit is h11's to watch.
_READ = 16 * 1024


class HttpFault(TrouperError):
    """A request that is answered by an error status."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        code: str | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.headers = headers
        self.code = code
        """What a program reads; None says no more than the status."""


@attrs.frozen
class Request:
    """A request's head. Header names are in lower case; of a repeated one the
    values are joined by ", "."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = attrs.field(hash=False, repr=False)
    version: str = "1.1"
    address: str = ""
    """Where it comes from, as 192.0.2.1; empty where that is not known."""


@attrs.frozen
class Response:
    """A whole response."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def text(status: int, words: str) -> Response:
    """A response for a person."""
    return Response(status, words.encode())


def problem(
    status: int,
    message: str,
    headers: tuple[tuple[str, str], ...] = (),
    *,
    code: str | None = None,
) -> Response:
    """A response that says what went wrong and what to do."""
    phrase = code or HTTPStatus(status).phrase.lower().replace(" ", "_")
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "code": phrase}}
    return Response(status, orjson.dumps(body), "application/json", headers)


class HttpConnection:
    """The server's side of one HTTP connection."""

    def __init__(self, stream: ClientStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self._chunked = False
        self._old_at = trio.current_time() + limits.connection_seconds

    @property
    def stream(self) -> ClientStream:
        """The connection's bytes."""
        return self._stream

    @property
    def begun(self) -> bool:
        """Whether something of the answer to this request has been sent, or all of it."""
        return self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    @property
    def early(self) -> bytes:
        """Bytes that came behind the request's head."""
        return bytes(self._h11.trailing_data[0])

    async def next_request(self, *, first: bool) -> Request | None:
        """The next request's head; None where the client has left or stays idle.

        Raises HttpFault: 408 for a head that is not sent in time, 431 for one
        that is too large, 400 for what is no HTTP, 505 for another version.
        """
        limits = self._limits
        begun = first or bool(self.early)
        deadline = trio.current_time() + (limits.head_seconds if begun else limits.idle_seconds)
        taken = len(self.early)
        while (event := self._next_event()) is h11.NEED_DATA:
            data: bytes | None = None
            with trio.move_on_at(deadline):
                data = await self._receive()
            if data is None:
                if not begun:
                    return None
                raise HttpFault(408, f"no whole request head within {limits.head_seconds:g} s")
            if not begun:
                begun, deadline = True, trio.current_time() + limits.head_seconds
            taken += len(data)
            self._h11.receive_data(data)
        if not isinstance(event, h11.Request):
            return None
        # h11 looks at the size of unfinished heads only.
        if taken - len(self.early) > limits.head_bytes:
            raise self._head_too_large()
        return _request(event, self._stream.address)

    def _head_too_large(self) -> HttpFault:
        return HttpFault(431, f"the request's head is larger than {self._limits.head_bytes} bytes")

    def _next_event(self) -> Any:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                raise self._head_too_large() from None
            raise HttpFault(400, f"this is no HTTP/1.1 request: {error}") from None

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive_some(_READ)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def body(self, limit: int | None = None) -> bytes:
        """The request's body, of at most `limit` bytes (by default as `Limits` says).

        Raises HttpFault: 413 for one that is too large, 408, 400, and 503 where all
        clients together send too much.
        """
        limits, taken, unread = self._limits, bytearray(), self._stream.unread
        limit = limits.body_bytes if limit is None else limit
        try:
            # Mostly it has come with the head, and there is nothing to wait for.
            if self._take_body(taken, limit):
                return bytes(taken)
            with trio.move_on_after(limits.idle_seconds):
                while True:
                    if self._h11.they_are_waiting_for_100_continue:
                        await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                    self._h11.receive_data(await self._receive())
                    if self._take_body(taken, limit):
                        return bytes(taken)
        finally:
            unread.held -= len(taken)
        raise HttpFault(408, f"no whole request body within {limits.idle_seconds:g} s")

    def _take_body(self, taken: bytearray, limit: int) -> bool:
        """Add to `taken` what has come of the body; whether that was the end of it."""
        unread = self._stream.unread
        while (event := self._next_event()) is not h11.NEED_DATA:
            if not isinstance(event, h11.Data):
                return True
            taken += event.data
            unread.held += len(event.data)
            if len(taken) > limit:
                raise _too_large(limit)
            if not unread.has_room(len(taken)):
                raise _too_much()
        return False

    async def respond(
        self, response: Response, *, bodiless: bool = False, close: bool = False
    ) -> bool:
        """Send `response`; whether the connection may be used again.

        `bodiless` is for HEAD. With `close`, or where the request's body has
        not been read or the connection is old, the client is told that this is
        the end.
        """
        headers = [
            ("Date", _date(int(time.time()))),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        old = trio.current_time() >= self._old_at
        if close or old or self._h11.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        events: list[Any] = [h11.Response(status_code=response.status, headers=headers)]
        if not bodiless:
            events.append(h11.Data(data=response.body))
        await self._send(*events, h11.EndOfMessage())
        return self._again()

    async def begin_events(self, headers: tuple[tuple[str, str], ...], first: bytes) -> None:
        """Begin an answer of server-sent events; `first` is their first piece."""
        head = h11.Response(
            status_code=200,
            headers=[
                ("Date", _date(int(time.time()))),
                ("Content-Type", "text/event-stream; charset=utf-8"),
                ("Cache-Control", "no-cache"),
                # nginx would hold the events back until it has some kilobytes of them.
                ("X-Accel-Buffering", "no"),
                *headers,
            ],
        )
        self._chunked = self._h11.their_http_version == b"1.1"
        await self._stream.send_all((self._h11.send(head) or b"") + self._framed(first))

    async def send_events(self, piece: bytes) -> None:
        """Send more of them; waits while the client does not read."""
        await self._stream.send_all(self._framed(piece))

    async def end_events(self, last: bytes = b"") -> bool:
        """End them; whether the connection may be used again."""
        end = self._h11.send(h11.EndOfMessage()) or b""
        await self._stream.send_all((self._framed(last) if last else b"") + end)
        return self._again()

    def _framed(self, piece: bytes) -> bytes:
        # By hand: h11 takes longer over it than all else that is done for a piece.
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece

    def _again(self) -> bool:
        """Make ready for another request, if there may be one."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        if trio.current_time() >= self._old_at:
            return False
        self._h11.start_next_cycle()
        return True

    async def _send(self, *events: Any) -> None:
        parts = [self._h11.send(event) or b"" for event in events]
        await self._stream.send_all(b"".join(parts))


# That of this second, and of the one before where a clock is set back.
@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _too_large(limit: int) -> HttpFault:
    return HttpFault(413, f"the request's body is larger than {limit} bytes")


def _too_much() -> HttpFault:
    return HttpFault(
        503, "too many large requests come at once; ask again in a second", (("Retry-After", "1"),)
    )


def _request(event: h11.Request, address: str) -> Request:
    version = event.http_version.decode("ascii")
    if version not in ("1.0", "1.1"):
        raise HttpFault(505, f"HTTP/{version} is not spoken here; use HTTP/1.1")
    target = event.target.decode("ascii")
    try:
        parts = urlsplit(target)
    except ValueError:
        raise HttpFault(400, "the request's target is no valid path") from None
    headers: dict[str, str] = {}
    for name, value in event.headers:
        key, words = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {words}" if key in headers else words
    method = event.method.decode("ascii")
    return Request(method, parts.path, parts.query, headers, version, address)


def announced_body(request: Request, limits: Limits, limit: int | None = None) -> bool:
    """Whether a body follows the head. Raises HttpFault 413 where it is known to be too large.

    `limit` is in bytes, by default as `limits` says.
    """
    limit = limits.body_bytes if limit is None else limit
    length = request.headers.get("content-length", "0")
    # h11 lets digits only through; beyond 20 of them it has refused already.
    if int(length) > limit:
        raise _too_large(limit)
    return int(length) > 0 or "transfer-encoding" in request.headers
