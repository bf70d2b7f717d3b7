"""The body of a response: what one read of the socket gave, at a time."""

import httpx
import trio

from .connection import TransportConnection
from .decoding import Decompressor
from .pool import ConnectionLease
from .reader import ResponseReader

__all__ = ["ResponseBody"]


class ResponseBody(httpx.AsyncByteStream):
    """Yields the content of one read of the socket at a time, unpacked.

    It is its own iterator and starts nothing: no generator, task, timer or
    cancel scope stands between the caller and the socket. The connection goes
    back to the pool as soon as the last byte has been read from it, which for a
    short answer is before the response is handed out. Any error, and any
    cancellation, closes it.

    Reading raises `httpx.ReadError`, `httpx.RemoteProtocolError` (also for a
    body over its limit), `httpx.DecodingError`, and `httpx.StreamClosed` after
    `aclose` or an error.
    """

    __slots__ = (
        "_broken",
        "_connection",
        "_decompressor",
        "_lease",
        "_left",
        "_reader",
        "_request",
    )

    def __init__(
        self,
        request: httpx.Request,
        lease: ConnectionLease[TransportConnection],
        connection: TransportConnection,
        reader: ResponseReader,
        decompressor: Decompressor | None,
        limit: int | None,
    ) -> None:
        self._request = request
        self._lease = lease
        self._connection = connection
        self._reader = reader
        self._decompressor = decompressor
        self._left = limit
        self._broken = False
        if reader.complete:
            lease.end(reusable=reader.reusable)

    def __aiter__(self) -> "ResponseBody":
        return self

    async def __anext__(self) -> bytes:
        reader = self._reader
        try:
            content = self._ready()
            while not content and not reader.complete:
                await self._connection.read_into(reader)
                if reader.complete:
                    self._lease.end(reusable=reader.reusable)
                content = self._ready()
            if self._decompressor is not None:
                # One read may unpack to a thousand pieces; others want to run meanwhile.
                await trio.lowlevel.checkpoint()
                if not content:
                    self._decompressor.finish()
        except BaseException as error:
            self._give_up()
            if isinstance(error, httpx.RequestError):
                error.request = self._request
            raise
        if not content:
            raise StopAsyncIteration
        return content

    async def aclose(self) -> None:
        """Give the place in the pool on; the connection is closed if the body has not ended."""
        self._give_up()

    def _give_up(self) -> None:
        self._lease.end(reusable=False)
        self._broken = True

    def _ready(self) -> bytes:
        """What can be handed out without another read."""
        if self._broken:
            raise httpx.StreamClosed
        content = self._reader.take()
        if self._decompressor is not None:
            if content:
                self._decompressor.feed(content)
            content = self._decompressor.read()
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise httpx.RemoteProtocolError("the body of the response is over its limit")
        return content
