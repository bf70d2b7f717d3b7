"""The console's feed over a websocket: one frame a text message, the same as on the socket."""

from collections.abc import Awaitable, Callable

import trio

from ..console.client import Receive, SendLine
from ..console.peer import Peer
from .auth import Principal
from .console_access import visitor_of
from .websocket import OVERLOAD, POLICY, Websocket

__all__ = ["Converse", "FeedHandler"]

Converse = Callable[[Peer, Receive, SendLine], Awaitable[None]]
"""Serves one client to its end (console/console.py)."""

# Requests that wait to be looked at. A page sends one for each click.
_WAITING = 64


class FeedHandler:
    """One page, or another client of the feed."""

    __slots__ = ("_converse", "_inbox", "_lines", "_peer", "_websocket")

    def __init__(self, converse: Converse, websocket: Websocket, principal: Principal) -> None:
        visitor = visitor_of(principal)
        self._peer = Peer(visitor.by, "web", visitor.role)
        self._converse = converse
        self._websocket = websocket
        self._inbox, self._lines = trio.open_memory_channel[str](_WAITING)
        # The feed makes a frame when there is room for it, and none before.
        websocket.outbox.patient = True
        websocket.start(self._run)

    def receive(self, message: str | bytes) -> None:
        """Queue a request. Who asks faster than it is answered is closed with a policy violation."""
        try:
            self._inbox.send_nowait(message if isinstance(message, str) else "")
        except trio.WouldBlock:
            self._websocket.close(POLICY, "you ask faster than you are answered")

    def gone(self) -> None:
        """The client has left."""
        self._inbox.close()

    async def _run(self) -> None:
        await self._converse(self._peer, self._next, self._send)
        # It was full, or is just being started again: the page comes back by itself.
        self._websocket.close(OVERLOAD, "the console is busy or begins anew; come back")

    async def _next(self) -> str | None:
        try:
            return await self._lines.receive()
        except trio.EndOfChannel:
            return None

    async def _send(self, line: str) -> None:
        self._websocket.outbox.frame(line)
        await self._websocket.outbox.wait_for_room()
