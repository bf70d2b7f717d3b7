"""A listener without sockets, so that servers can be tested in virtual time."""

import math
from collections.abc import Awaitable, Callable

import trio
from trio.testing import memory_stream_pair

__all__ = ["MemoryListener", "Stream"]

AsyncHook = Callable[[], Awaitable[object]]
Stream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class MemoryListener(trio.abc.Listener[Stream]):
    """Accepts what `connect` opens."""

    def __init__(self) -> None:
        self._arrive, self._waiting = trio.open_memory_channel[Stream](math.inf)

    def connect(self, before_read: AsyncHook | None = None) -> Stream:
        """A connection to the server that accepts here; the server runs `before_read`
        before each of its reads."""
        ours, theirs = memory_stream_pair()
        theirs.receive_stream.receive_some_hook = before_read
        self._arrive.send_nowait(theirs)
        return ours

    async def accept(self) -> Stream:
        return await self._waiting.receive()

    async def aclose(self) -> None:
        await self._waiting.aclose()
