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

import attrs
import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from ..wire.websocket_frames import server_frames
from .admission import Slot
from .limits import Limits
from .outbox import Outbox
from .stream import ClientStream
from .watchdog import Watchdog

__all__ = [
    "BUG",
    "OVERLOAD",
    "POLICY",
    "RESTART",
    "Opening",
    "TurnHold",
    "Websocket",
    "WebsocketHandler",
    "converse",
]

log = structlog.get_logger("trouper.gateway")

# Close codes, RFC 6455 7.4.1 and IANA's registry. Clients that reconnect by
# themselves do so after 1011, 1012 and 1013, and not after 1008 and 1009.
POLICY = 1008
BUG = 1011
RESTART = 1012
OVERLOAD = 1013


# Characters of frames that wait behind each other and are sent as one piece: the last
# frames of a turn, mostly. What is taken does not merge any more.
_AT_ONCE = 16 * 1024

# Seconds of the grace of a server that stops which are left for saying goodbye.
_LAST_WORDS = 1.0


class WebsocketHandler(Protocol):
    """What is spoken over a websocket. All of it is called by the websocket's tasks."""

    def receive(self, message: str | bytes) -> None:
        """Take a message; must not wait. An exception closes the websocket with 1011."""
        ...

    def gone(self) -> None:
        """The client has left; called once, last."""
        ...


@attrs.frozen(kw_only=True)
class Opening:
    """A websocket that may be opened.

    `head` is its handshake, which has been found good, and `early` what came
    behind it already. `begin` is called when it is open; `slot` gives a turn its
    slot among those of the same client, and raises HttpFault where there is none.
    """

    head: bytes
    early: bytes
    begin: "Callable[[Websocket], WebsocketHandler]"
    slot: Callable[[], Slot]
    subprotocol: str | None
    headers: list[tuple[bytes, bytes]]
    frame_chars: int


class TurnHold:
    """A turn under way on a websocket, which does not end before it because of its age."""

    __slots__ = ("_slot", "_websocket")

    def __init__(self, websocket: "Websocket", slot: Slot) -> None:
        self._websocket = websocket
        self._slot = slot

    def end(self) -> None:
        """Say that it is over: its last frame is in the outbox. Again does nothing.

        The end of the websocket is the end of all its turns.
        """
        if self._websocket._turn_ended(self):  # noqa: SLF001 - a turn is a part of its websocket
            self._slot.leave()


class Websocket:
    """One accepted websocket."""

    __slots__ = (
        "_allowance",
        "_close_by",
        "_limits",
        "_nursery",
        "_old_at",
        "_pinging",
        "_refilled",
        "_slot",
        "_stream",
        "_talk",
        "_turns",
        "_ws",
        "finishes_turns",
        "outbox",
    )

    def __init__(
        self,
        ws: WebSocketConnection,
        stream: ClientStream,
        nursery: trio.Nursery,
        limits: Limits,
        opening: Opening,
    ) -> None:
        self._ws = ws
        self._stream = stream
        self._nursery = nursery
        self._limits = limits
        self._allowance = float(limits.messages_burst)
        self._refilled = trio.current_time()
        self._old_at = self._refilled + limits.connection_seconds
        self._close_by: float | None = None
        self._pinging = False
        self._slot = opening.slot
        self._turns: set[TurnHold] = set()
        self.finishes_turns = False
        """Whether turns are given some seconds where the server stops: for a conversation of
        which nothing can be had later."""
        self.outbox = Outbox(limits.outbox_bytes, limits.outbox_events, self._too_slow)
        self._talk = opening.begin(self)

    def start(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run `function` as long as this websocket lives; its fault ends the websocket only."""
        self._nursery.start_soon(self._guard, function, *args)

    def begin_turn(self) -> TurnHold:
        """Count a turn of this client until it is told to be over.

        Raises HttpFault 429 where the client has as many under way as it may.
        """
        turn = TurnHold(self, self._slot())
        self._turns.add(turn)
        return turn

    def _turn_ended(self, turn: TurnHold) -> bool:
        if turn not in self._turns:
            return False
        self._turns.remove(turn)
        self._end_of_age(trio.current_time())
        return True

    def _end_of_age(self, now: float) -> None:
        """Close what is old, once nothing is under way or it lasts beyond all measure."""
        late = now - self._old_at
        if late >= 0 and (not self._turns or late >= self._limits.answer_seconds):
            self._retire("this connection is old; open another one and go on")

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
            self.close_faulty()

    def _too_slow(self) -> None:
        self.close(OVERLOAD, "you read too slowly; the session goes on, come back to it")

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then say goodbye. Later messages are not looked at.

        `reason` is at most 123 bytes long, the protocol's limit.
        """
        if self._close_by is None:
            self._close_by = trio.current_time() + self._limits.close_seconds
            self.outbox.shut_down((code, reason))

    def close_faulty(self) -> None:
        """Close it after a fault of ours, which has been logged."""
        self.close(BUG, "a fault in the server; it has been logged")

    def stop(self) -> None:
        """The server stops: the client is to come back to the next one."""
        self._retire("the server restarts; come back")

    def fail(self) -> None:
        """A look at it has failed: cut it off."""
        self.abort("a fault in the server")

    def _retire(self, reason: str) -> None:
        """Close it as one that is to be opened anew, once turns of which nothing can be had
        later have had some seconds to end."""
        if self._turns and self.finishes_turns:
            # It is old from now on, and so old that it ends with its turns or in time for that.
            grace = self._limits.close_seconds - _LAST_WORDS
            self._old_at = trio.current_time() - self._limits.answer_seconds + grace
            self.finishes_turns = False
        else:
            self.close(RESTART, reason)

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
        else:
            self._end_of_age(now)
            if silent > limits.ping_seconds and not self._pinging:
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
            for turn in tuple(self._turns):
                turn.end()

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
        try:
            while True:
                texts = outbox.take_some(_AT_ONCE)
                if texts:
                    await self._send(texts)
                elif outbox.shut:
                    break
                else:
                    await outbox.wait()
            if outbox.goodbye is not None:
                await self._ws.aclose(*outbox.goodbye)
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _send(self, texts: list[str]) -> None:
        # trio-websocket's own way costs as much again as all else that a frame does.
        # It knows best when nothing may be sent any more, and who else is sending.
        if self._ws.closed is None and await self._stream.send_at_once(server_frames(texts)):
            return
        for text in texts:
            await self._ws.send_message(text)


async def converse(
    stream: ClientStream, opening: Opening, limits: Limits, watchdog: Watchdog
) -> None:
    """Answer a handshake and serve what follows. Returns when the stream may be finished."""
    stream.replay(opening.head, opening.early)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(limits.head_seconds):
            request = await wrap_server_stream(
                nursery,
                stream,
                max_message_size=opening.frame_chars,
                receive_buffer_size=None,
            )
            ws = await request.accept(
                subprotocol=opening.subprotocol, extra_headers=opening.headers
            )
        stream.open_gate(opening.frame_chars)
        websocket = Websocket(ws, stream, nursery, limits, opening)
        with watchdog.watching(websocket):
            await websocket.run()
        nursery.cancel_scope.cancel()
