"""Calls over one client's websocket: numbered, answered in any order, with updates between.

One task reads and never waits for anybody, so that pings are answered while a
person thinks; one task writes and is in no cancel scope of a caller, for a
cancelled send leaves half a frame on the wire. Neither raises: what ended them
is raised by whoever waits, as ConnectionLost.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from ..errors import SessionError, TurnFailed
from ..wire.jsonrpc import RpcFault
from ..wire.session import TURN_FAILED
from ..wire.session_client import Answered, Refused, Update, read_server_frame
from .errors import ClientError, ConnectionLost, lost

__all__ = ["Calls", "Listener", "Reply", "result_of"]

# Frames that wait for the server to read; one turn has two.
_MOST_OUTGOING = 64


class Listener(Protocol):
    """Who hears the updates of a session."""

    def take(self, update: Update) -> None:
        """Take the next update; must not wait."""
        ...


class Reply:
    """What one call waits for; `lot` wakes whoever looks for news of it."""

    __slots__ = ("answer", "lot")

    def __init__(self) -> None:
        self.answer: Answered | Refused | None = None
        self.lot = trio.lowlevel.ParkingLot()


class Calls:
    """The calls under way on `websocket`, and who hears which session."""

    def __init__(self, websocket: WebSocketConnection, url: str) -> None:
        self.url = url
        self.listeners: dict[str, Listener] = {}
        """By session id."""
        self._websocket = websocket
        self._lost: ConnectionLost | None = None
        self._last = 0
        self._replies: dict[int, Reply] = {}
        self._outgoing, self._to_send = trio.open_memory_channel[str](_MOST_OUTGOING)

    @property
    def alive(self) -> bool:
        """Whether the connection is still there."""
        return self._lost is None

    def check(self) -> None:
        """Raise ConnectionLost if it is not."""
        if self._lost is not None:
            raise ConnectionLost(str(self._lost), self._lost.code)

    def begin(self, frame: Callable[[int], str]) -> Reply:
        """Send the call that `frame` makes of its number; its answer comes into the Reply."""
        self.check()
        self._last += 1
        reply = self._replies[self._last] = Reply()
        self.send(frame(self._last))
        return reply

    def send(self, frame: str) -> None:
        """Send `frame` when those before it have left."""
        try:
            self._outgoing.send_nowait(frame)
        except trio.WouldBlock:
            raise ClientError(f"{self.url} has stopped reading what we send") from None

    async def answer(self, reply: Reply) -> Answered | Refused:
        """Wait for it. Raises ConnectionLost."""
        while reply.answer is None:
            self.check()
            await reply.lot.park()
        return reply.answer

    async def call(self, frame: Callable[[int], str], seconds: float) -> Answered:
        """Begin and wait for at most `seconds`.

        Raises SessionError where the server refuses, and ClientError.
        """
        reply = self.begin(frame)
        with trio.move_on_after(seconds):
            return result_of(await self.answer(reply))
        raise ClientError(f"{self.url} did not answer within {seconds:g} s")

    # The two tasks.

    async def write(self) -> None:
        """Send what waits, until the connection ends."""
        with suppress(ConnectionClosed):
            async for frame in self._to_send:
                await self._websocket.send_message(frame)

    async def read(self) -> None:
        """Hand on what comes, until the connection ends."""
        try:
            while True:
                frame = await self._websocket.get_message()
                if isinstance(frame, str):
                    self._take(frame)
        except ConnectionClosed as closed:
            reason = closed.reason
            self._lost = (
                lost(self.url)
                if reason is None
                else lost(self.url, reason.code, reason.reason or "")
            )
        except RpcFault as fault:
            self._lost = ConnectionLost(f"what {self.url} sends is no ACP: {fault.message}")
        for reply in self._replies.values():
            reply.lot.unpark_all()

    def _take(self, frame: str) -> None:
        message = read_server_frame(frame)
        if isinstance(message, Update):
            listener = self.listeners.get(message.session_id)
            if listener is not None:
                listener.take(message)
        elif message is not None:
            reply = self._replies.pop(message.id, None)
            if reply is not None:
                reply.answer = message
                reply.lot.unpark_all()


def result_of(answer: Answered | Refused) -> Answered:
    """The answer. Raises SessionError, with the server's words, where it is a refusal."""
    if isinstance(answer, Answered):
        return answer
    if answer.code == TURN_FAILED:
        raise TurnFailed(answer.message, retryable=answer.retryable)
    raise SessionError(answer.message)
