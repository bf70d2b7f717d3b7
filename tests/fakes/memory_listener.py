"""A listener without sockets, so that servers can be tested in virtual time."""

import math

import trio
from trio.testing import memory_stream_pair

__all__ = ["MemoryListener"]

Stream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class MemoryListener(trio.abc.Listener[Stream]):
    """Accepts what `connect` opens."""

    def __init__(self) -> None:
        self._arrive, self._waiting = trio.open_memory_channel[Stream](math.inf)

    def connect(self) -> Stream:
        """A connection to the server that accepts here."""
        ours, theirs = memory_stream_pair()
        self._arrive.send_nowait(theirs)
        return ours

    async def accept(self) -> Stream:
        return await self._waiting.receive()

    async def aclose(self) -> None:
        await self._waiting.aclose()
