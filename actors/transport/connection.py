"""One HTTP/1.1 connection: a trio stream, and the reading of one response after another."""

import contextlib
import socket

import httpx
import trio

from .reader import ResponseReader

__all__ = ["READ_SIZE", "Connection", "SendFailed"]

# Measured: below 16 KiB bulk streams cost more a chunk, above 64 KiB nothing is gained.
READ_SIZE = 65536


class SendFailed(Exception):
    """The request could not be sent; its cause says why."""


class Connection:
    """A stream and the socket under it.

    Both are needed: with TLS the stream is not the socket, but whether the
    server has gone is asked of the socket, and only it closes without waiting.
    """

    __slots__ = ("_socket", "idle_since", "receive", "stream")

    def __init__(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        self.stream = stream
        self._socket = sock
        self.receive = stream.receive_some
        self.idle_since = 0.0

    def close(self) -> None:
        """Close the socket, at once. Who reads or writes on it finds that out."""
        self._socket.close()

    def is_stale(self) -> bool:
        """Whether an idle connection is of no more use.

        One look into the socket's buffer: an end of stream, an error and bytes
        that nobody asked for all say so. (The bytes may be a TLS record without
        content; then a good connection is lost, which harms nobody. Bytes that
        TLS has already taken from the socket are not seen.)
        """
        # A second socket object on the same descriptor, because trio's has no
        # call that neither waits nor takes the bytes out; trio has made the
        # descriptor non-blocking.
        probe = socket.socket(
            self._socket.family, self._socket.type, self._socket.proto, self._socket.fileno()
        )
        try:
            probe.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        else:
            return True
        finally:
            probe.detach()

    async def send(self, data: bytes) -> None:
        """Raises `SendFailed`."""
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise SendFailed(_reason(error)) from error

    async def read_head(self, reader: ResponseReader) -> None:
        """Read until the headers are complete; part of the body may come with them.

        Raises `httpx.ReadError` and `httpx.RemoteProtocolError`.
        """
        while not reader.headers_complete:
            await self.read_into(reader, min(READ_SIZE, reader.wanted))

    async def read_into(self, reader: ResponseReader, most: int = READ_SIZE) -> None:
        """One read of the socket. Raises as `read_head` does."""
        try:
            data = await self.receive(most)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpx.ReadError(
                f"the connection broke while the response was read: {_reason(error)}"
            ) from error
        if data:
            reader.feed(data)
        else:
            reader.end_of_stream()


def set_keepalive(sock: trio.socket.SocketType) -> None:
    """Let the kernel find out that a peer has vanished without a word.

    First asked after a minute, then each 15 seconds, four times: two minutes
    in all, where Linux by default takes two hours.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Not every system lets them be set.
    wanted = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
    for name in wanted.keys() & vars(socket).keys():
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), wanted[name])


def _reason(error: BaseException) -> str:
    return str(error.__cause__ or error)
