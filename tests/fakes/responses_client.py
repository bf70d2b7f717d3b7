"""Clients of Responses without a library: a request over HTTP, and a websocket that shows its frames."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from tests.fakes.gateway import PATIENCE, Running
from tests.fakes.http_by_hand import exchange
from tests.fakes.raw_client import RawAnswer

__all__ = ["ResponsesSocket", "ask", "open_responses", "responses_request"]

ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def responses_request(
    method: str = "POST",
    path: str = "/v1/responses",
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> bytes:
    """A request, the last on its connection; `fields` are its JSON."""
    body = json.dumps({"model": "small", "input": "hi", **fields}).encode()
    given = {"Host": "x", "Connection": "close", **(headers or {})}
    if method == "POST":
        given["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + (body if method == "POST" else b"")


async def ask(running: Running, method: str = "POST", **fields: Any) -> RawAnswer:
    """The answer to a request."""
    return RawAnswer(await exchange(running, responses_request(method, **fields)), "eof")


@attrs.define(eq=False)
class ResponsesSocket:
    """One websocket."""

    ws: WebSocketConnection

    async def send(self, **fields: Any) -> None:
        """Ask for a response."""
        await self.raw({"type": "response.create", "model": "small", "input": "hi", **fields})

    async def raw(self, body: Any) -> None:
        await self.ws.send_message(body if isinstance(body, (str, bytes)) else json.dumps(body))

    async def next(self) -> dict[str, Any]:
        """The next event."""
        with trio.fail_after(PATIENCE):
            event: dict[str, Any] = json.loads(await self.ws.get_message())
        return event

    async def rest(self) -> list[dict[str, Any]]:
        """All events up to the next one that ends a response."""
        events = [await self.next()]
        while events[-1]["type"] not in ENDS:
            events.append(await self.next())
        return events

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Ask, and give the response, or the event of an error."""
        await self.send(**fields)
        last = (await self.rest())[-1]
        told: dict[str, Any] = last.get("response", last)
        return told


@asynccontextmanager
async def open_responses(running: Running, **options: Any) -> AsyncGenerator[ResponsesSocket]:
    url = running.listening.url.replace("http", "ws") + "/v1/responses"
    async with open_websocket_url(url, max_message_size=2**26, **options) as ws:
        try:
            yield ResponsesSocket(ws)
        finally:
            # trio-websocket's client does not close the socket after a goodbye of the server's.
            await ws.aclose()
            await trio.aclose_forcefully(ws._stream)
