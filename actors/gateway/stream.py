"""A client's byte stream with what the gateway must know of it.

It plays back bytes that were read before, notes when something last moved in
either direction, and can be cut off at once from any task. The watchdog reads
the notes, so that no connection needs a timer of its own.
"""

import os
import select
import socket
import struct
from contextlib import suppress

import trio

__all__ = ["ClientStream", "Unread"]

# A long send is made in slices of this size, so that a reader that is slow is
# told from one that does not read.
_SLICE = 64 * 1024
# Read and thrown away at the end (see `finish`): more than the largest message
# that a confused client may be in the middle of.
_LINGER_BYTES = 64 * 1024 * 1024
# Read without one whole message, beside four bytes for each of its characters: only
# endless empty fragments come here, which trio-websocket would collect.
_UNFINISHED_BYTES = 1024 * 1024
# Whoever sends no more than this at once is let through when others send too much.
_SMALL = 64 * 1024
# SO_LINGER on, zero seconds: closing sends a reset and frees the buffers.
_RESET = struct.pack("ii", 1, 0)
# The other side has said that it sends no more. Where a system (not Linux) has no
# such event, only a connection that is gone altogether is noticed.
_LEFT = getattr(select, "POLLRDHUP", 0)


class Unread:
    """How many bytes have come of what is not whole yet, over all connections: `most` are
    borne. A message is bounded by itself, and there are as many as there are clients."""

    __slots__ = ("_most", "held")

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def has_room(self, mine: int) -> bool:
        """Whether somebody may go on of whose message `mine` bytes have come."""
        return self.held <= self._most or mine <= _SMALL


def _address(stream: trio.abc.Stream) -> str:
    if isinstance(stream, trio.SocketStream):
        with suppress(OSError):  # it may have left already
            name = stream.socket.getpeername()
            return str(name[0]) if isinstance(name, tuple) else ""
    return ""


class ClientStream(trio.abc.Stream):
    """Wraps the stream of an accepted connection.

    `received` and `progress` are times on trio's clock: of the last bytes that
    came in, and of the last that the kernel took. `sending` is whether a send
    is under way. `address` is where the client is, as 192.0.2.1, or empty.
    """

    __slots__ = (
        "_aborted",
        "_first",
        "_flushed",
        "_framed",
        "_gate",
        "_inner",
        "_most_unfinished",
        "_said_end",
        "_then",
        "_unfinished",
        "address",
        "progress",
        "received",
        "sending",
        "unread",
    )

    def __init__(self, inner: trio.abc.Stream, unread: Unread | None = None) -> None:
        self._inner = inner
        self.unread = unread or Unread(_LINGER_BYTES)
        self._first = self._then = b""
        self._gate: trio.Event | None = None
        self._flushed: trio.Event | None = None
        self._framed = False
        self._unfinished = self._most_unfinished = 0
        self._aborted = self._said_end = False
        self.sending = False
        self.address = _address(inner)
        self.received = self.progress = trio.current_time()

    def replay(self, first: bytes, then: bytes = b"") -> None:
        """Have `first` read next; `then`, and what follows it, after `open_gate`.

        trio-websocket reads on before the handshake is answered, and takes
        frames of a client that is too eager for a broken handshake.
        """
        self._first, self._then = first, then
        self._gate = trio.Event()

    def open_gate(self, frame_chars: int) -> None:
        """Let the reader go on behind `first`: from here on frames come.

        Messages have at most `frame_chars` characters.
        """
        self._framed = True
        self._most_unfinished = 4 * frame_chars + _UNFINISHED_BYTES
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    def whole_message(self) -> None:
        """Note that what was read so far made a whole message, or that no more is read."""
        self.unread.held -= self._unfinished
        self._unfinished = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes; none at the end."""
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._gate is not None:
            await self._gate.wait()
        if self._then:
            then, self._then = self._then, b""
            self._count(len(then))
            return then
        data = await self._inner.receive_some(max_bytes)
        self.received = trio.current_time()
        # Calls over HTTP are bounded one by one, where they are read.
        if self._framed:
            self._count(len(data))
        return bytes(data)

    def _count(self, size: int) -> None:
        self._unfinished += size
        self.unread.held += size
        if self._unfinished > self._most_unfinished:
            raise trio.BrokenResourceError("fragments without end")
        if not self.unread.has_room(self._unfinished):
            raise trio.BrokenResourceError("too many large messages at once")

    async def send_at_once(self, data: bytes) -> bool:
        """Send whole frames where that need not wait for anybody; whether they were sent.

        If not, not a byte of them was. A checkpoint only where the kernel has no room for
        all of it. Costs a third of what trio's own stream does, which gives others their
        turn after each.
        """
        if self.sending or self._said_end:
            return False
        sent = self._taken(data)
        if 0 < sent < len(data):
            # Nobody else's bytes may come between.
            self._flushed = trio.Event()
            try:
                await self._send(memoryview(data)[sent:])
            finally:
                self._flushed.set()
                self._flushed = None
        return sent > 0

    def _taken(self, data: bytes | bytearray | memoryview) -> int:
        """How many bytes the kernel has taken at once: 0 also where they cannot be sent, as who
        sends them another way is told."""
        if isinstance(self._inner, trio.SocketStream):
            with suppress(OSError):
                return os.write(self._inner.socket.fileno(), data)
        return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`, noting each slice that the kernel takes."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._flushed is not None:
            await self._flushed.wait()
        sent = 0 if self.sending or self._said_end or not data else self._taken(data)
        if not data or sent < len(data):
            await self._send(memoryview(data)[sent:])

    async def _send(self, data: memoryview) -> None:
        self.sending = True
        self.progress = trio.current_time()
        try:
            if len(data) <= _SLICE:
                await self._inner.send_all(data)
            else:
                for start in range(0, len(data), _SLICE):
                    await self._inner.send_all(data[start : start + _SLICE])
                    self.progress = trio.current_time()
        finally:
            self.sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room to send."""
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Say that nothing more will be sent. The stream is closed by `finish`.

        trio-websocket closes as soon as it has said goodbye; with bytes unread
        that would be a reset, which takes our goodbye away from the client.
        """
        if not self._said_end and not self.sending:
            self._said_end = True
            if isinstance(self._inner, trio.SocketStream):
                # Not send_eof, which waits in the middle and would meet a send there.
                with suppress(OSError):
                    self._inner.socket.shutdown(socket.SHUT_WR)
            elif isinstance(self._inner, trio.abc.HalfCloseableStream):
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self._inner.send_eof()
        await trio.lowlevel.checkpoint()

    @property
    def left(self) -> bool:
        """Whether the client has hung up, though what it sent before may not be read yet.

        Somebody who says so and still reads is taken for gone, as by most servers:
        nothing tells the two apart before a send fails.
        """
        if not isinstance(self._inner, trio.SocketStream) or self._aborted:
            return False
        poll = select.poll()
        poll.register(self._inner.socket.fileno(), _LEFT)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """Cut the connection: tasks that read or send fail at once, buffers are freed.

        A stream that is no socket can only be closed later, by `finish`.
        """
        self._aborted = True
        if isinstance(self._inner, trio.SocketStream):
            with suppress(OSError):
                self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._inner.socket.close()

    async def finish(self, seconds: float) -> None:
        """Close, having let the client read what we sent: at most `seconds`."""
        if not self._aborted:
            await self._say_farewell(seconds)
        await trio.aclose_forcefully(self._inner)

    async def _say_farewell(self, seconds: float) -> None:
        await self.aclose()
        with trio.move_on_after(seconds):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                for _ in range(_LINGER_BYTES // _SLICE):
                    if not await self._inner.receive_some(_SLICE):
                        break
            await self._inner.aclose()
