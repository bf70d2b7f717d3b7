"""A conversation with a server that outlives its connections.

    async with open_link("ws://127.0.0.1:8700/acp", token, patience=600) as link:
        link.send(frame)
        frame = await link.receive()

Where a connection is lost, another one is made and goes on where that one ended
(relay.py); whoever uses the link notices nothing but time.

One task reads and waits only for who is far behind, so that pings are answered
while a person thinks; one task writes and is in no cancel scope of a caller, for a
cancelled send leaves half a frame on the wire.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from ..wire.jsonrpc import RpcFault
from .connect import open_websocket
from .errors import CannotConnect, ClientError, ConnectionLost, lost
from .relay import Relay

__all__ = ["ServerLink", "open_link"]

# Seconds between two tries, from the first to the last.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
# Frames that wait for the server to read, or for a connection; a turn has two.
_MOST_OUTGOING = 64
# Frames that wait for the client; beyond, the server's outbox merges, and drops us in the end.
_MOST_INCOMING = 4096
# Close codes after which nobody should come again: no protocol, and the server's policy.
_FOR_GOOD = (1002, 1007, 1008)


def _nobody(_: str) -> None:
    """For who wants to hear of nothing."""


@asynccontextmanager
async def open_link(
    url: str,
    token: str | None = None,
    *,
    patience: float = 0.0,
    notice: Callable[[str], None] = _nobody,
) -> AsyncGenerator["ServerLink"]:
    """A link to the server at `url` (ws: or wss:), for the length of the block.

    `token` is sent as the bearer's. A connection that is lost is made again for
    `patience` seconds; at 0 the link ends with it. `notice` is told, in words, when
    one is lost and when it is there again. Raises CannotConnect where the first one
    does not come about.
    """
    link = ServerLink(url, token, patience, notice)
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(link.live)
            yield link
        except BaseException as error:  # noqa: BLE001 - raised below, ungrouped
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class ServerLink:
    """Made by `open_link`."""

    def __init__(
        self, url: str, token: str | None, patience: float, notice: Callable[[str], None]
    ) -> None:
        self.url = url
        self._token = token
        self._patience = patience
        self._notice = notice
        self._relay = Relay()
        self._outgoing: deque[str] = deque()
        # Wake who writes, who receives, and who reads on.
        self._to_write = trio.Event()
        self._arrived = trio.lowlevel.ParkingLot()
        self._taken = trio.lowlevel.ParkingLot()
        self._failure: ClientError | None = None

    # Whoever uses it.

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection, or hope for one."""
        return self._failure is None

    def check(self) -> None:
        """Raise ConnectionLost or CannotConnect where there is no hope."""
        match self._failure:
            case ConnectionLost() as error:
                raise ConnectionLost(str(error), error.code)
            case CannotConnect() as error:
                raise CannotConnect(str(error), error.status)
            case _:
                pass

    @property
    def has_room(self) -> bool:
        """Whether one more frame can be sent."""
        return len(self._outgoing) < _MOST_OUTGOING

    def send(self, frame: str) -> None:
        """Send `frame` when those before it have left.

        Raises ClientError where too many wait, and what `check` raises.
        """
        self.check()
        if not self.has_room:
            raise ClientError(f"{self.url} has stopped reading what we send")
        self._outgoing.append(frame)
        self._to_write.set()

    async def receive(self) -> str:
        """The server's next frame. Raises what `check` raises where there will be none."""
        waiting = self._relay.to_client
        while not waiting:
            self.check()
            await self._arrived.park()
        self._taken.unpark_all()
        return waiting.popleft()

    def receive_nowait(self) -> str | None:
        """The server's next frame, if it is here."""
        return self._relay.to_client.popleft() if self._relay.to_client else None

    async def wait_sent(self) -> None:
        """Wait until all that was to be sent has left."""
        while self.is_alive and (self._outgoing or self._relay.to_server):
            await self._taken.park()

    # Its connections.

    async def live(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Talk until there is no hope; says when there is a connection."""
        is_first = True
        try:
            async with open_websocket(self.url, self._token) as websocket:
                is_first = False
                task_status.started()
                ended = await self._talk(websocket)
            while True:
                ended = await self._reconnect(ended)
        except ClientError as error:
            if is_first:
                raise
            self._failure = error
            self._arrived.unpark_all()
            self._taken.unpark_all()

    async def _reconnect(self, ended: ConnectionLost) -> ConnectionLost:
        """Talk over another connection; how that one has ended. Raises ClientError."""
        if not self._patience or ended.code in _FOR_GOOD:
            raise ended
        self._relay.lost()
        self._notice(f"{ended}; trying again")
        wait, until = _FIRST_WAIT, trio.current_time() + self._patience
        while True:
            try:
                async with open_websocket(self.url, self._token) as websocket:
                    self._notice(f"connected to {self.url} again")
                    self._relay.again()
                    self._arrived.unpark_all()
                    return await self._talk(websocket)
            except CannotConnect as error:
                # A server that does not let us in will not do so in a minute.
                if error.status in (401, 403) or trio.current_time() + wait > until:
                    raise
            await trio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _talk(self, websocket: WebSocketConnection) -> ConnectionLost:
        """Talk over one connection; how it has ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, websocket)
            ended = await self._read(websocket)
            nursery.cancel_scope.cancel()
        return ended

    async def _write(self, websocket: WebSocketConnection) -> None:
        relay = self._relay
        with suppress(ConnectionClosed):
            while True:
                while relay.is_ready and self._outgoing:
                    relay.client_says(self._outgoing.popleft())
                # The relay may have answered it itself.
                self._arrived.unpark_all()
                self._taken.unpark_all()
                if relay.to_server:
                    await websocket.send_message(relay.to_server.popleft())
                    self._taken.unpark_all()
                    continue
                self._to_write = trio.Event()
                await self._to_write.wait()

    async def _read(self, websocket: WebSocketConnection) -> ConnectionLost:
        relay = self._relay
        try:
            while True:
                frame = await websocket.get_message()
                if isinstance(frame, str):
                    relay.server_says(frame)
                    self._to_write.set()
                    self._arrived.unpark_all()
                while len(relay.to_client) >= _MOST_INCOMING:
                    await self._taken.park()
        except ConnectionClosed as closed:
            reason = closed.reason
            if reason is None:
                return lost(self.url)
            return lost(self.url, reason.code, reason.reason or "")
        except RpcFault as fault:
            return ConnectionLost(f"what {self.url} sends is no ACP: {fault.message}", 1002)
