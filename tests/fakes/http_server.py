"""A scripted HTTP/1.1 server on a real loopback socket, which sends exactly the bytes it is told to.

A handler is called once a request and may send anything, hang up or reset. After
it the next request of the same connection is read, unless the handler hung up.
"""

import ssl
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from socket import SO_LINGER, SOL_SOCKET

import attrs
import trio

__all__ = ["Asked", "Handler", "HttpServer", "Peer", "answer", "start_server"]


@attrs.frozen
class Asked:
    """A request as it came over the wire; `body` is without its chunks."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes


@attrs.define(eq=False)
class Peer:
    """One connection, seen from the server."""

    stream: trio.abc.Stream
    socket: trio.socket.SocketType
    buffer: bytes = b""
    gone: bool = False

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def hang_up(self) -> None:
        self.gone = True
        await self.stream.aclose()

    async def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.gone = True
        self.socket.close()

    async def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            await self.more()
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    async def exactly(self, length: int) -> bytes:
        while len(self.buffer) < length:
            await self.more()
        found, self.buffer = self.buffer[:length], self.buffer[length:]
        return found

    async def more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError
        self.buffer += data

    async def asked(self) -> Asked:
        line, *rest = (await self.until(b"\r\n\r\n")).split(b"\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (item.partition(b":") for item in rest)
        }
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size)
                await self.until(b"\r\n")
            await self.until(b"\r\n")
        else:
            body = await self.exactly(int(headers.get(b"content-length", b"0")))
        return Asked(line, headers, body)


Handler = Callable[[Peer, Asked], Awaitable[None]]


@attrs.define(eq=False)
class HttpServer:
    """What a test sees of it: where it is, and what it has been asked."""

    port: int
    scheme: str
    asked: list[Asked] = attrs.field(factory=list)
    connections: int = 0
    open: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/"


def answer(content: bytes = b"hello", status: bytes = b"200 OK", *headers: bytes) -> Handler:
    """A handler that gives this answer to everything."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(content), *headers]

    async def handler(peer: Peer, _: Asked) -> None:
        await peer.send(b"\r\n".join(lines) + b"\r\n\r\n" + content)

    return handler


async def start_server(
    nursery: trio.Nursery, handler: Handler, tls: ssl.SSLContext | None = None
) -> HttpServer:
    """Serve on a port of localhost until the nursery is cancelled."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = HttpServer(listener.socket.getsockname()[1], "https" if tls else "http")
    serve = partial(_serve, server, handler, tls)
    nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
    return server


async def _serve(
    server: HttpServer, handler: Handler, tls: ssl.SSLContext | None, tcp: trio.SocketStream
) -> None:
    server.connections += 1
    server.open += 1
    stream: trio.abc.Stream = tcp
    if tls is not None:
        stream = trio.SSLStream(tcp, tls, server_side=True, https_compatible=True)
    peer = Peer(stream, tcp.socket)
    try:
        while not peer.gone:
            asked = await peer.asked()
            server.asked.append(asked)
            await handler(peer, asked)
    except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the client has gone, as clients do
    finally:
        server.open -= 1
        tcp.socket.close()
