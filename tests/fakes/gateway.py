"""A gateway with fake sessions behind it, and a client that speaks ACP without a library."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import trio
import trio.testing
from trio_websocket import WebSocketConnection, open_websocket_url, wrap_client_stream

from tests.fakes.sessions import Behaviour, FakeSessions
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.listening import Listening

PATIENCE = 30.0  # seconds: a test that waits longer has failed


@attrs.define(eq=False)
class Running:
    """A gateway that serves, on a real loopback port."""

    gateway: Gateway
    listening: Listening
    sessions: FakeSessions
    scope: trio.CancelScope
    ended: trio.Event

    @property
    def acp(self) -> str:
        return self.listening.url.replace("http", "ws") + "/acp"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(self.listening.host, self.listening.port)

    async def wait_connections(self, count: int) -> None:
        """Wait until so many connections are there."""
        with trio.fail_after(PATIENCE):
            while self.gateway.connections != count:  # noqa: ASYNC110 - as below
                await trio.sleep(0.01)

    async def settled(self) -> None:
        """Wait until no connection is left."""
        with trio.fail_after(PATIENCE):
            while self.gateway.connections:  # noqa: ASYNC110 - the gateway announces it to nobody
                await trio.sleep(0.01)


async def start_gateway(
    nursery: trio.Nursery, behaviour: Behaviour | None = None, **options: Any
) -> Running:
    sessions = FakeSessions(nursery, behaviour)
    gateway = Gateway("127.0.0.1", 0, sessions.as_sessions, version="0.0.test", **options)
    scope, ended = trio.CancelScope(), trio.Event()

    async def run(task_status: trio.TaskStatus[Listening]) -> None:
        with scope:
            await gateway.run(task_status=task_status)
        ended.set()

    listening: Listening = await nursery.start(run)
    return Running(gateway, listening, sessions, scope, ended)


@attrs.define(eq=False)
class AcpClient:
    """One websocket; every answer and update in the order in which it came."""

    ws: WebSocketConnection
    updates: list[dict[str, Any]] = attrs.Factory(list)
    notices: list[dict[str, Any]] = attrs.Factory(list)
    _last: int = 0

    async def send(self, body: dict[str, Any] | str) -> None:
        await self.ws.send_message(body if isinstance(body, str) else json.dumps(body))

    async def begin(self, method: str, params: dict[str, Any]) -> int:
        self._last += 1
        await self.send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def next(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        with trio.fail_after(PATIENCE):
            body: dict[str, Any] = json.loads(await self.ws.get_message())
        return body

    def keep(self, body: dict[str, Any]) -> None:
        """Note what was told without being asked for."""
        told = self.updates if body["method"] == "session/update" else self.notices
        told.append(body["params"])

    async def answer(self, id: int | None) -> dict[str, Any]:
        """Collect updates until the answer to `id` comes; it must be the next answer."""
        while "method" in (body := await self.next()):
            self.keep(body)
        assert body["id"] == id
        return body

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return await self.answer(await self.begin(method, params))

    async def initialize(self) -> dict[str, Any]:
        return await self.call("initialize", {"protocolVersion": 1})

    async def open(self) -> str:
        """Initialize and open a session."""
        await self.initialize()
        answer = await self.call("session/new", {"cwd": "/", "mcpServers": []})
        session_id: str = answer["result"]["sessionId"]
        return session_id

    async def prompt(self, session_id: str, words: str = "hello") -> int:
        content = [{"type": "text", "text": words}]
        return await self.begin("session/prompt", {"sessionId": session_id, "prompt": content})

    @property
    def said(self) -> str:
        """The text of all updates so far."""
        return "".join(
            update["update"]["content"]["text"]
            for update in self.updates
            if update["update"]["sessionUpdate"] == "agent_message_chunk"
        )


@asynccontextmanager
async def open_acp(where: Listening, **options: Any) -> AsyncGenerator[WebSocketConnection]:
    """A websocket for ACP."""
    url = where.url.replace("http", "ws") + "/acp"
    async with open_websocket_url(url, **options) as ws:
        try:
            yield ws
        finally:
            # trio-websocket's client does not close the socket after a goodbye of the server's.
            await ws.aclose()
            await trio.aclose_forcefully(ws._stream)


@asynccontextmanager
async def acp_client(running: Running, **options: Any) -> AsyncGenerator[AcpClient]:
    async with open_acp(running.listening, **options) as ws:
        yield AcpClient(ws)


class Pausing(trio.abc.Stream):
    """A socket with a small buffer whose owner may stop to read it."""

    def __init__(self, inner: trio.SocketStream) -> None:
        self.inner = inner
        self.resumed = trio.Event()
        self.resumed.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self.inner.receive_some(max_bytes)
        await self.resumed.wait()
        return bytes(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def acp_pausing(
    running: Running, nursery: trio.Nursery
) -> AsyncGenerator[tuple[AcpClient, Pausing]]:
    """A client that can be made to stop reading."""
    sock = trio.socket.socket()
    sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
    await sock.connect((running.listening.host, running.listening.port))
    stream = Pausing(trio.SocketStream(sock))
    ws = await wrap_client_stream(nursery, cast("trio.SocketStream", stream), "x", "/acp")
    yield AcpClient(ws), stream
    await ws.aclose()
    await trio.aclose_forcefully(stream)


@asynccontextmanager
async def acp_in_memory(
    running: Running, nursery: trio.Nursery, path: str = "/acp"
) -> AsyncGenerator[AcpClient]:
    """A client without a socket, for tests in virtual time."""
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(running.gateway.serve_stream, theirs)
    ws = await wrap_client_stream(nursery, cast("trio.SocketStream", ours), "x", path)
    yield AcpClient(ws)
    await ws.aclose()
    await trio.aclose_forcefully(ours)
