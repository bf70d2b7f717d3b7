"""The two servers that the pipeline benchmark compares; run as a process of their own.

`trouper` is the whole application; `bare` has the same transport, codec, frames
and websocket library, and no actor, session or outbox between: what any server
of this kind must do at least. Both ask the stub for `knobs` whatever the prompt is.
"""

import argparse
import itertools
import sys
from functools import partial
from typing import Any

import httpx
import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from trouper.actors.app import open_app
from trouper.actors.chat import ChatRequest, Message, TextDelta, TextPart
from trouper.actors.cli.serve import collect_rarely
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.config.server import ServerConfig
from trouper.actors.config.store import StoreConfig, StorePath
from trouper.actors.logs import configure_logging
from trouper.actors.provider import connection
from trouper.actors.store.database import MEMORY
from trouper.actors.transport import TrioTransport
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.session_updates import Updates

MANY = 1024


class KnobbedTransport(TrioTransport):
    """Sends the stub's knobs with every request; with the first ones, that it be quick."""

    knobs = ""
    warm = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["x-stub"] = "n=20" if KnobbedTransport.warm else self.knobs
        KnobbedTransport.warm = max(0, KnobbedTransport.warm - 1)
        return await super().handle_async_request(request)


async def trouper(stub: str, port: int, store: str) -> None:
    # Nobody else has a use for more headers on every request.
    setattr(connection, "TrioTransport", KnobbedTransport)  # noqa: B010 - not for type checkers
    config = AppConfig(
        server=ServerConfig(
            listen=f"127.0.0.1:{port}",
            max_connections=4 * MANY,
            max_sessions=8 * MANY,
        ),
        providers={
            "stub": ProviderConfig(name="stub", kind="openai", base_url=stub, max_connections=MANY)
        },
        models={"default": ModelConfig(targets=("stub/m",))},
        assistants={"default": AssistantConfig(model="default")},
        store=StoreConfig(path=StorePath(store)),
    )
    async with open_app(config, serve=True) as app:
        print("ready", flush=True)
        await app.system.stopped()


async def bare(stub: str, port: int, _store: str) -> None:
    transport = KnobbedTransport(max_connections=MANY, trust_env=False)
    await serve_websocket(
        partial(converse, transport, httpx.URL(f"{stub}/chat/completions")),
        "127.0.0.1",
        port,
        ssl_context=None,
        handler_nursery=None,
    )


async def converse(transport: TrioTransport, url: httpx.URL, request: WebSocketRequest) -> None:
    """One websocket, one turn after the other, in one task."""
    websocket = await request.accept()
    codec = OpenAICodec()
    session = f"sess_{id(websocket)}"
    updates = Updates(session)
    numbers = itertools.count(1)
    try:
        while True:
            message: dict[str, Any] = orjson.loads(await websocket.get_message())
            match message["method"]:
                case "initialize":
                    result: dict[str, Any] = {"protocolVersion": 1}
                case "session/new":
                    result = {"sessionId": session}
                case _:
                    chat = ChatRequest(model="m", messages=(Message("user", (TextPart("hello"),)),))
                    encoded = codec.encode(chat, stream=True)
                    response = await transport.handle_async_request(
                        httpx.Request(
                            "POST", url, headers=list(encoded.headers), content=encoded.body
                        )
                    )
                    decoder = codec.stream()
                    assert isinstance(response.stream, httpx.AsyncByteStream)
                    async for data in response.stream:
                        text = "".join(
                            chunk.text
                            for chunk in decoder.feed(data)
                            if isinstance(chunk, TextDelta)
                        )
                        if text:
                            await websocket.send_message(updates.message_chunk(next(numbers), text))
                    result = {"stopReason": "end_turn"}
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            await websocket.send_message(orjson.dumps(answer).decode())
    except ConnectionClosed:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=("trouper", "bare"))
    parser.add_argument("stub")
    parser.add_argument("port", type=int)
    parser.add_argument("knobs")
    parser.add_argument("--warm", type=int, default=0)
    parser.add_argument("--store", default=MEMORY)
    arguments = parser.parse_args()
    configure_logging("error", sys.stderr)
    KnobbedTransport.knobs, KnobbedTransport.warm = arguments.knobs, arguments.warm
    server = trouper if arguments.server == "trouper" else bare
    collect_rarely()  # as `trouper serve` does, and the reference with it
    trio.run(server, arguments.stub, arguments.port, arguments.store)


if __name__ == "__main__":
    main()
