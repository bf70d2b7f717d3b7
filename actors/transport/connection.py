"""One HTTP/1.1 connection: a trio stream, and the reading of one response after another."""

import contextlib
import socket
from math import inf

import httpx
import trio

from .reader import ResponseReader

__all__ = ["READ_SIZE", "SendFailed", "TransportConnection"]

# Measured: below 16 KiB bulk streams cost more a chunk, above 64 KiB nothing is gained.
READ_SIZE = 65536

# Seconds. Who comes back so late has waited for something else, as paced readers do,
# and finds bytes there; who comes at once would only be told that there are none.
_LATE = 0.04


class SendFailed(Exception):
    """The request could not be sent; its cause says why."""


class TransportConnection:
    """A stream and the socket under it.

    Both are needed: with TLS the stream is not the socket, but whether the
    server has gone is asked of the socket, and only it closes without waiting.

    Where there is no TLS, the socket itself is written and read: trio's own calls
    try to read before they wait, which a stream's reader does in vain, and give
    others their turn after each, which costs more than both. Here each read of a
    body waits, and gives them theirs so, but for one that comes late.
    """

    __slots__ = ("_bare", "_plain", "_read_at", "_socket", "idle_since", "stream")

    def __init__(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        self.stream = stream
        self._socket = sock
        # On the same descriptor, because trio's has no call that neither waits
        # nor gives others their turn; trio has made the descriptor non-blocking.
        self._bare = socket.socket(sock.family, sock.type, sock.proto, sock.fileno())
        self._plain = isinstance(stream, trio.SocketStream)
        # inf: nothing of this answer yet, which is waited for.
        self._read_at = inf
        self.idle_since = 0.0

    def __del__(self) -> None:
        # A second object would close it a second time, when it may be another's.
        self._bare.detach()

    def close(self) -> None:
        """Close the socket, at once. Who reads or writes on it finds that out."""
        # First: the descriptor is not this one's to close, and may soon be another's.
        self._bare.detach()
        self._socket.close()

    def is_stale(self) -> bool:
        """Whether an idle connection is of no more use.

        One look into the socket's buffer: an end of stream, an error and bytes
        that nobody asked for all say so. (The bytes may be a TLS record without
        content; then a good connection is lost, which harms nobody. Bytes that
        TLS has already taken from the socket are not seen.)
        """
        try:
            self._bare.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def send(self, data: bytes) -> None:
        """Raises `SendFailed`."""
        sent = 0
        if self._plain:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                sent = self._bare.send(data)
            except BlockingIOError:
                pass  # nothing fits now; the stream waits until it does
            except OSError as error:
                raise SendFailed(str(error)) from error
            if sent == len(data):
                return
        try:
            await self.stream.send_all(data[sent:] if sent else data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise SendFailed(_reason(error)) from error

    async def read_head(self, reader: ResponseReader) -> None:
        """Read until the headers are complete; part of the body may come with them.

        Raises `httpx.ReadError` and `httpx.RemoteProtocolError`.
        """
        self._read_at = inf
        while not reader.headers_complete:
            await self.read_into(reader, min(READ_SIZE, reader.wanted))

    async def read_into(self, reader: ResponseReader, most: int = READ_SIZE) -> None:
        """One read of the socket. Raises as `read_head` does."""
        try:
            if self._plain:
                data: bytes | bytearray = await self._received(most)
            else:
                data = await self.stream.receive_some(most)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _broke(error) from error
        if data:
            reader.feed(data)
        else:
            reader.end_of_stream()

    async def _received(self, most: int) -> bytes:
        now = trio.current_time
        if now() - self._read_at < _LATE:
            await trio.lowlevel.wait_readable(self._bare)
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                data = self._bare.recv(most)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._bare)
            else:
                self._read_at = now()
                return data


def _broke(error: BaseException) -> httpx.ReadError:
    return httpx.ReadError(f"the connection broke while the response was read: {_reason(error)}")


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
