"""One websocket: a reader that never stops, a writer that is never cancelled alone.

Why so, all learned from trio-websocket 0.12: where nobody takes messages, pings
are not answered; a send that is cancelled leaves half a frame on the wire, and
the next frame is then read as its rest; `aclose` waits for the other side
without an end. So the reader does nothing that waits, the writer sits in no
cancel scope of its own, and what must not last for ever is cut off from
outside, by `sweep`, which one watchdog calls for all connections.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Protocol

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from .limits import Limits
from .outbox import Outbox
from .stream import ClientStream
from .watchdog import Watchdog

__all__ = [
    "BUG",
    "OVERLOAD",
    "POLICY",
    "RESTART",
    "Conversation",
    "Websocket",
    "converse",
]

log = structlog.get_logger("trouper.gateway")

# Close codes, RFC 6455 7.4.1 and IANA's registry. Clients that reconnect by
# themselves do so after 1011, 1012 and 1013, and not after 1008 and 1009.
POLICY = 1008
BUG = 1011
RESTART = 1012
OVERLOAD = 1013


class Conversation(Protocol):
    """What is spoken over a websocket. All of it is called by the websocket's tasks."""

    def receive(self, message: str | bytes) -> None:
        """Take a message; must not wait. An exception closes the websocket with 1011."""
        ...

    def gone(self) -> None:
        """The client has left; called once, last."""
        ...


class Websocket:
    """One accepted websocket."""

    __slots__ = (
        "_allowance",
        "_close_by",
        "_limits",
        "_nursery",
        "_pinging",
        "_refilled",
        "_stream",
        "_talk",
        "_ws",
        "outbox",
    )

    def __init__(
        self,
        ws: WebSocketConnection,
        stream: ClientStream,
        nursery: trio.Nursery,
        limits: Limits,
        begin: "Callable[[Websocket], Conversation]",
    ) -> None:
        self._ws = ws
        self._stream = stream
        self._nursery = nursery
        self._limits = limits
        self._allowance = float(limits.messages_burst)
        self._refilled = trio.current_time()
        self._close_by: float | None = None
        self._pinging = False
        self.outbox = Outbox(limits.outbox_bytes, limits.outbox_events, self._too_slow)
        self._talk = begin(self)

    def start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run `function` as long as this websocket lives; its fault ends the websocket only."""
        self._nursery.start_soon(self._guard, function, *args)

    async def _guard(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        with self._faults_close():
            await function(*args)

    @contextmanager
    def _faults_close(self) -> Generator[None]:
        """Whatever goes wrong in here ends this websocket, and nothing else."""
        try:
            yield
        except Exception:
            log.exception("websocket handler failed")
            self.close(BUG, "a fault in the server; it has been logged")

    def _too_slow(self) -> None:
        self.close(OVERLOAD, "you read too slowly; the session goes on, come back to it")

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then say goodbye. Later messages are not looked at.

        `reason` is at most 123 bytes long, the protocol's limit.
        """
        if self._close_by is None:
            self._close_by = trio.current_time() + self._limits.close_seconds
            self.outbox.shut_down((code, reason))

    def abort(self, reason: str) -> None:
        """Cut the connection off, without a goodbye: there is no way to get one through."""
        # At a restart all who do not say goodbye come here at once.
        note = log.debug if self._close_by is not None else log.info
        note("websocket cut off", reason=reason)
        self._stream.abort()
        self.outbox.hang_up()
        self._nursery.cancel_scope.cancel()

    def sweep(self, now: float) -> None:
        """Look whether anything has taken too long. Called about once a second."""
        limits, stream = self._limits, self._stream
        silent = now - stream.received
        if stream.sending and now - stream.progress > limits.stall_seconds:
            self.abort("it has stopped reading")
        elif self._close_by is not None:
            if now > self._close_by:
                self.abort("it does not finish the closing handshake")
        elif silent > limits.ping_seconds + limits.pong_seconds:
            self.abort("it does not answer pings")
        elif silent > limits.ping_seconds and not self._pinging:
            self._pinging = True
            self._nursery.start_soon(self._ping)

    async def _ping(self) -> None:
        # Any bytes that come count as life (`sweep`), so nobody waits for this.
        with suppress(ConnectionClosed):
            await self._ws.ping()
        self._pinging = False

    async def run(self) -> None:
        """Serve the websocket until it is closed by either side."""
        try:
            self._nursery.start_soon(self._read)
            await self._write()
        finally:
            self.outbox.hang_up()
            self._talk.gone()

    async def _read(self) -> None:
        get_message = self._ws.get_message
        try:
            while True:
                message = await get_message()
                self._stream.whole_message()
                if self._close_by is None and self._within_rate():
                    with self._faults_close():
                        self._talk.receive(message)
        except ConnectionClosed:
            # In a closing handshake of ours the writer knows better when to end.
            if self._close_by is None:
                self.outbox.hang_up()

    def _within_rate(self) -> bool:
        self._allowance -= 1
        if self._allowance >= 0:
            return True
        limits, now = self._limits, trio.current_time()
        earned = (now - self._refilled) * limits.messages_per_second
        self._allowance = min(limits.messages_burst, self._allowance + earned)
        self._refilled = now
        if self._allowance < 0:
            self.close(POLICY, f"more than {limits.messages_per_second:g} messages a second")
        return self._allowance >= 0

    async def _write(self) -> None:
        outbox = self.outbox
        send_message = self._ws.send_message
        try:
            while True:
                frame = outbox.take()
                if frame is not None:
                    await send_message(frame)
                elif outbox.shut:
                    break
                else:
                    await outbox.wait()
            if outbox.goodbye is not None:
                await self._ws.aclose(*outbox.goodbye)
        except ConnectionClosed:
            pass


async def converse(
    stream: ClientStream,
    head: bytes,
    limits: Limits,
    begin: Callable[[Websocket], Conversation],
    watchdog: Watchdog,
    *,
    subprotocol: str | None,
    headers: list[tuple[bytes, bytes]],
    early: bytes = b"",
) -> None:
    """Answer the handshake in `head`, which has been found good, and serve what follows.

    `early` is what came behind the head already. Returns when the stream may be
    finished.
    """
    stream.replay(head, early)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(limits.head_seconds):
            request = await wrap_server_stream(
                nursery,
                stream,
                max_message_size=limits.frame_chars,
                receive_buffer_size=None,
            )
            ws = await request.accept(subprotocol=subprotocol, extra_headers=headers)
        stream.open_gate()
        websocket = Websocket(ws, stream, nursery, limits, begin)
        with watchdog.watching(websocket):
            await websocket.run()
        nursery.cancel_scope.cancel()
