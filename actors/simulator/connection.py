"""One client's connection: requests in by h11, heads out by h11, everything bounded.

The reader is strict and quick to give up; what it cannot read becomes an
`UnreadableRequest`, which carries the status to answer with. After a refusal the
connection ends.
"""

import struct
from collections.abc import Mapping
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET

import attrs
import h11
import trio

__all__ = ["ReceivedRequest", "ServedConnection", "UnreadableRequest"]

# nginx allows 32 KiB for a head, h11 and tomcat 16 KiB and 8 KiB.
_MAX_HEAD = 16 * 1024
# A conversation of a million tokens is about 4 MiB of text.
_MAX_BODY = 8 * 1024 * 1024
# Bytes that a client may send ahead while its answer is under way.
_MAX_AHEAD = 64 * 1024
_READ = 64 * 1024
# Seconds. nginx's keepalive_timeout is 75 s; a head takes one round trip.
_IDLE, _HEAD, _BODY, _LINGER = 75.0, 10.0, 30.0, 1.0
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class UnreadableRequest(Exception):
    """The request cannot be read; `status` and `message` are for its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


@attrs.frozen
class ReceivedRequest:
    """A whole request; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ServedConnection:
    """Reads the requests of one client, one after the other, and frames the responses."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._method = ""
        self._ends_body = False
        self._ahead = 0

    async def next_request(self) -> ReceivedRequest | None:
        """The next request, or None where the client sends no more.

        Raises UnreadableRequest, and BrokenResourceError where the client is gone.
        """
        self._ahead = 0
        try:
            head = await self._head()
            if head is None:
                return None
            self._method = head.method.decode("ascii")
            body = await self._body(head)
        except h11.RemoteProtocolError as error:
            raise UnreadableRequest(error.error_status_hint, f"malformed HTTP: {error}") from error
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        return ReceivedRequest(self._method, _path(head.target), headers, body)

    async def _head(self) -> h11.Request | None:
        begun = False
        with trio.move_on_after(_IDLE) as scope:
            while True:
                event = self._wire.next_event()
                if isinstance(event, h11.Request):
                    return event
                if event is not h11.NEED_DATA:
                    return None
                data = await self.stream.receive_some(_READ)
                self._wire.receive_data(bytes(data))
                if not begun:
                    begun, scope.deadline = True, trio.current_time() + _HEAD
        if begun:
            raise UnreadableRequest(408, f"no whole head of a request within {_HEAD:g} s")
        return None

    async def _body(self, head: h11.Request) -> bytes:
        length = dict(head.headers).get(b"content-length", b"0")
        if int(length) > _MAX_BODY:  # h11 has seen to it that these are digits
            raise UnreadableRequest(413, f"a body of more than {_MAX_BODY} bytes")
        parts, size = list[bytes](), 0
        with trio.move_on_after(_BODY):
            if self._wire.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[])
                await self.stream.send_all(self._wire.send(proceed) or b"")
            while True:
                event = self._wire.next_event()
                if event is h11.NEED_DATA:
                    self._wire.receive_data(bytes(await self.stream.receive_some(_READ)))
                elif isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
                    size += len(event.data)
                    if size > _MAX_BODY:
                        raise UnreadableRequest(413, f"a body of more than {_MAX_BODY} bytes")
                else:
                    return b"".join(parts)
        raise UnreadableRequest(408, f"no whole body of a request within {_BODY:g} s")

    async def wait_client_left(self) -> None:
        """Return when the client closes its side; what it sends ahead is kept, within bounds."""
        while self._ahead <= _MAX_AHEAD:
            try:
                data = await self.stream.receive_some(_READ)
            except trio.BrokenResourceError:
                return
            if not data:
                return
            self._ahead += len(data)
            self._wire.receive_data(bytes(data))
        await trio.sleep_forever()

    def begin(
        self, status: int, headers: Mapping[str, str], body: bytes | None, *, close: bool = False
    ) -> tuple[bytes, bool]:
        """The head of the response, and whether its body goes in chunks; see `Responder`."""
        listed = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        reason = _REASONS.get(status, b"")
        if close:
            # By hand: h11 would not let a body end with the connection towards HTTP/1.1.
            self._ends_body = True
            lines = [b"HTTP/1.1 %d %b" % (status, reason), b"Connection: close"]
            lines += [b"%b: %b" % header for header in listed]
            return b"\r\n".join([*lines, b"", b""]), False
        if body is not None:
            listed.append((b"content-length", b"%d" % len(body)))
        response = h11.Response(status_code=status, headers=listed, reason=reason)
        head = self._wire.send(response) or b""
        if body is not None:
            if self._method != "HEAD":
                self._wire.send(h11.Data(data=body))
            self._wire.send(h11.EndOfMessage())
            return head, False
        return head, (self._wire.their_http_version or b"1.0") >= b"1.1"

    async def respond(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with a whole body."""
        head, _ = self.begin(status, headers, body)
        await self.stream.send_all(head if self._method == "HEAD" else head + body)

    async def refuse(self, status: int, body: bytes) -> None:
        """Answer what could not be read, if it still can be, and let the client read it."""
        if self._wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self.respond(status, body, {"content-type": "application/json"})
        await self.linger()

    def next_cycle(self) -> bool:
        """Whether the connection goes on to another request."""
        if self._ends_body:
            return False
        if self._wire.our_state is h11.SEND_BODY:
            self._wire.send(h11.EndOfMessage())
        if self._wire.our_state is h11.DONE and self._wire.their_state is h11.DONE:
            self._wire.start_next_cycle()
            return True
        return False

    async def linger(self) -> None:
        """Close our side and read on a little: closing with bytes unread would
        reset the connection, and the client would lose the answer."""
        await self.stream.send_eof()
        left = _MAX_BODY
        with trio.move_on_after(_LINGER):
            while left > 0 and (data := await self.stream.receive_some(_READ)):
                left -= len(data)

    def reset_on_close(self) -> None:
        """Make closing a reset (RST). Bytes that the client's kernel has not taken are lost."""
        if isinstance(self.stream, trio.SocketStream):
            self.stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def _path(target: bytes) -> str:
    """The path of a request target, also of the absolute ones that a proxy gets."""
    text = target.decode("latin-1").partition("?")[0]
    if "://" in text:
        text = "/" + text.partition("://")[2].partition("/")[2]
    return text
