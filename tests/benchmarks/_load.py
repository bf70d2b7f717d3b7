"""Clients that do next to nothing: they count the text of each frame, and how late it was.

On asyncio and raw frames, so that thousands of chunks a second fit beside the
stub on the other core. Which chunk a text ends with follows from its length: the
stub's words come round in eights.
"""

import asyncio
import itertools
import struct
import time
from collections.abc import Awaitable, Callable

import attrs
import orjson

__all__ = ["Heard", "Load", "open_clients"]

_WORDS = (" the", " actor", " a", " supervised", " mailbox", ".", " streaming", " over")
_ENDS = tuple(itertools.accumulate(len(word) for word in _WORDS))
_ROUND = _ENDS[-1]
_INDEX = {end: index for index, end in enumerate(_ENDS)}


def chunks_in(length: int) -> int:
    """How many chunks make a text of this length."""
    rounds, rest = divmod(length, _ROUND)
    return rounds * len(_WORDS) + (_INDEX[rest] + 1 if rest else 0)


@attrs.define
class Heard:
    """What all clients together have heard. Lateness is in seconds, one entry a chunk."""

    chunks: int = 0
    frames: int = 0
    lateness: list[float] = attrs.field(factory=list)
    errors: list[str] = attrs.field(factory=list)


class Client(asyncio.Protocol):
    """One websocket; speaks just enough of the session protocol."""

    def __init__(self, heard: Heard, interval: float) -> None:
        self.heard = heard
        self.interval = interval
        self.session = ""
        self._numbers = itertools.count()
        self._answer: asyncio.Future[dict[str, object]] | None = None
        self._head: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = b""
        self._upgraded = False
        self._began = 0.0
        self._length = 0
        self._index = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            b"GET /acp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self._head, self._answer):
            if future is not None and not future.done():
                future.set_exception(ConnectionError(f"the server hung up: {exc}"))

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._data = data
                return
            data = data[end + 4 :]
            self._upgraded = True
            self._head.set_result(None)
        place = 0
        while len(data) - place >= 2:
            size, start = data[place + 1], place + 2
            if size == 126:
                if len(data) < start + 2:
                    break
                size, start = struct.unpack_from("!H", data, start)[0], start + 2
            elif size == 127:
                if len(data) < start + 8:
                    break
                size, start = struct.unpack_from("!Q", data, start)[0], start + 8
            if len(data) < start + size:
                break
            self._frame(data[place] & 15, data[start : start + size])
            place = start + size
        self._data = data[place:]

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == 9:
            self._send(10, payload)
        elif kind == 8:
            self.heard.errors.append(f"closed: {payload[2:].decode()}")
        elif b'"agent_message_chunk"' in payload:
            begin = payload.index(b'"text":"') + 8
            self._text(payload.index(b'"', begin) - begin)
        elif b'"session/update"' not in payload and self._answer is not None:
            self._answer.set_result(orjson.loads(payload))

    def _text(self, length: int) -> None:
        now = time.monotonic()
        self._length += length
        index = chunks_in(self._length)
        late = now - self._began
        heard = self.heard
        heard.lateness.extend(late - n * self.interval for n in range(self._index, index))
        heard.chunks += index - self._index
        heard.frames += 1
        self._index = index

    def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        head = (
            bytes((128 | kind, 128 | size))
            if size < 126
            else struct.pack("!BBH", 128 | kind, 254, size)
        )
        # Masked with zeros, which leaves the payload as it is.
        self.transport.write(head + b"\0\0\0\0" + payload)

    async def call(self, method: str, **params: object) -> dict[str, object]:
        self._answer = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        self._send(1, orjson.dumps(message))
        answer = await self._answer
        if "error" in answer:
            self.heard.errors.append(str(answer["error"]))
        return answer

    async def open_session(self) -> None:
        answer = await self.call("session/new", cwd="/", mcpServers=[])
        self.session = answer["result"]["sessionId"]  # type: ignore[index]

    async def begin(self) -> None:
        await self._head
        await self.call("initialize", protocolVersion=1)
        await self.open_session()

    async def turn(self) -> None:
        """Prompt once, and read the answer to its end."""
        self._length = self._index = 0
        self._began = time.monotonic()
        await self.call(
            "session/prompt", sessionId=self.session, prompt=[{"type": "text", "text": "go on"}]
        )


async def open_clients(port: int, count: int, heard: Heard, interval: float) -> list[Client]:
    """Connect `count` clients, some at a time, each with one session."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(heard, interval), "127.0.0.1", port)
        await client.begin()
        clients.append(client)
    return clients


@attrs.frozen
class Load:
    """`clients` that each take `turns` turns, begun within `spread` seconds."""

    clients: int
    turns: int = 1
    interval: float = 0.0
    spread: float = 0.0

    def run(self, port: int, cpu: Callable[[], float]) -> tuple[Heard, float]:
        """What was heard, and the server's CPU seconds while it spoke."""
        return asyncio.run(self._run(port, cpu))

    async def _run(self, port: int, cpu: Callable[[], float]) -> tuple[Heard, float]:
        heard = Heard()
        clients = await open_clients(port, self.clients, heard, self.interval)
        before = cpu()
        await asyncio.gather(
            *(
                self._turns(client, self.spread * number / len(clients))
                for number, client in enumerate(clients)
            )
        )
        spent = cpu() - before
        for client in clients:
            client.transport.abort()
        return heard, spent

    async def _turns(self, client: Client, after: float) -> None:
        await asyncio.sleep(after)
        for _ in range(self.turns):
            await client.turn()


Go = Callable[[], Awaitable[None]]
