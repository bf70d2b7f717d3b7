"""A way to a server that a test can cut."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import trio

__all__ = ["Way", "open_way"]


class Way:
    """A port of this machine that leads to another one; `cut` ends what goes through it."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.closed = False
        """Whether nobody gets through; connections are taken, and closed at once."""
        self.taken = 0
        self._open: list[trio.SocketStream] = []

    @property
    def acp(self) -> str:
        return f"ws://127.0.0.1:{self.port}/acp"

    def cut(self) -> None:
        """End all connections, as a network does that is gone."""
        for stream in self._open:
            stream.socket.close()
        self._open.clear()

    async def carry(self, client: trio.SocketStream) -> None:
        if self.closed:
            return
        self.taken += 1
        server = await trio.open_tcp_stream("127.0.0.1", self._target)
        self._open += [client, server]
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, client, server, nursery)
            nursery.start_soon(_copy, server, client, nursery)


async def _copy(source: trio.SocketStream, to: trio.SocketStream, nursery: trio.Nursery) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            await to.send_all(data)
    nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_way(port: int) -> AsyncGenerator[Way]:
    """A way to that port of this machine."""
    way = Way(port)
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    way.port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, way.carry, [listener])
        yield way
        nursery.cancel_scope.cancel()
