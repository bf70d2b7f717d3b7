"""Bad input against a real server: each gets an answer that says what to do, and while it
comes another session goes on as if nothing were.

What a configuration can have wrong is in tests/actors/config and test_serve.py, what
`trouper chat` says of servers in test_chat.py; here is what reaches a server that runs.
"""

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed

from tests.fakes.commands import Server, config, server, trouper
from tests.fakes.simulator import SimulatorProcess, simulator_process
from trouper.actors.client.connect import open_websocket
from trouper.actors.client.session import RemoteTurn, open_client
from trouper.actors.errors import TurnFailed
from trouper.actors.session.events import StopReason, TextAdded

PATIENCE = 20.0


@attrs.define(eq=False)
class Bystander:
    """Somebody else's turn, which comes at an even pace meanwhile."""

    turn: RemoteTurn
    said: str = ""

    async def read(self) -> None:
        async for event in self.turn:
            if isinstance(event, TextAdded):
                self.said += event.text


@pytest.fixture
def slow(simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider that takes 0.6 s for who says "bystander"."""
    reply = {"text": "tick ", "repeat": 30, "pace": 0.02}
    simulator.script({"contains": "bystander", "reply": reply})
    return simulator


@asynccontextmanager
async def undisturbed(running: Server) -> AsyncGenerator[None]:
    """Run the block while another session answers; its answer must be whole."""
    with trio.fail_after(PATIENCE):
        async with open_client(running.acp) as client:
            session = await client.open_session()
            async with session.prompt("bystander") as turn:
                other = Bystander(turn)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(other.read)
                    while not other.said:  # noqa: ASYNC110 - it is said to nobody else
                        await trio.sleep(0.01)
                    yield
            assert (other.said, turn.stop) == ("tick " * 30, StopReason.END_TURN)


async def answers(running: Server, *frames: str | bytes) -> list[dict[str, Any]]:
    """Send each frame and read its answer, on one connection that has been initialized."""
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": 1}}
    got: list[dict[str, Any]] = []
    with trio.fail_after(PATIENCE):
        async with open_websocket(running.acp, None) as websocket:
            for frame in (json.dumps(hello), *frames):
                await websocket.send_message(frame)
                got.append(json.loads(await websocket.get_message()))
    return got[1:]


def call(method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})


async def all_of(stream: trio.SocketStream) -> bytes:
    """What comes until the server closes."""
    with trio.fail_after(PATIENCE):
        return b"".join([bytes(data) async for data in stream])


MALFORMED: dict[str | bytes, tuple[int, str]] = {
    "{": (-32700, "this frame is not JSON: "),
    "[]": (-32600, "this frame is an array; send one call a frame"),
    "null": (-32600, "this frame is no object"),
    '{"id": 7, "method": "initialize"}': (-32600, 'jsonrpc: expected "2.0"'),
    '{"jsonrpc": "2.0", "id": 7, "method": 5}': (-32600, "method: expected a string"),
    '{"jsonrpc": "2.0", "id": 7, "method": "x", "params": []}': (
        -32602,
        "params: expected an object",
    ),
    call("session/nwe"): (-32601, "no method 'session/nwe' here; known are "),
    call("session/prompt", sessionId="x"): (-32602, "params.prompt: required"),
    call("session/prompt", sessionId="x", prompt=[{"type": "audio"}]): (
        -32602,
        "content of type 'audio' is not taken; supported are text, resource_link",
    ),
    call("session/prompt", sessionId="nobody", prompt=[{"type": "text", "text": "x"}]): (
        -32002,
        "there is no session 'nobody', or it is another client's; open a new one",
    ),
    call("session/new", _meta={"trouper.dev/assistant": "nobody"}): (
        -32602,
        "no assistant 'nobody'; configured are: default, terse",
    ),
    b"\x00\x01": (-32600, "this was a binary frame; send JSON-RPC as text frames"),
}


@pytest.mark.usefixtures("slow")
async def test_each_malformed_frame_is_answered_and_the_connection_lives(running: Server) -> None:
    async with undisturbed(running):
        got = await answers(running, *MALFORMED)

    for answer, (code, words) in zip(got, MALFORMED.values(), strict=True):
        assert answer["error"]["code"] == code
        assert words in answer["error"]["message"]


@pytest.mark.usefixtures("slow")
async def test_a_frame_of_20_mib_ends_its_connection_with_1009(running: Server) -> None:
    async with undisturbed(running), open_websocket(running.acp, None) as websocket:
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(PATIENCE):
            await websocket.send_message("x" * 20 * 1024 * 1024)
            await websocket.get_message()

    assert closed.value.reason is not None
    assert closed.value.reason.code == 1009


@pytest.mark.usefixtures("slow")
async def test_half_a_handshake_harms_nobody(running: Server) -> None:
    half = b"GET /acp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnec"
    async with await trio.open_tcp_stream("127.0.0.1", running.port) as stream:
        await stream.send_all(half)
        async with undisturbed(running):
            pass
        await stream.send_all(b"\r\n\r\n")
        said = await all_of(stream)

    assert said.startswith(b"HTTP/1.1 400 ")


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("bad", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n"])
async def test_what_is_no_http_is_told_so(running: Server, bad: bytes) -> None:
    async with (
        undisturbed(running),
        await trio.open_tcp_stream("127.0.0.1", running.port) as stream,
    ):
        await stream.send_all(bad + b"\r\n\r\n")
        said = await all_of(stream)

    assert said.startswith(b"HTTP/1.1 400 ")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a model that it does not have": (
        {
            "kind": "status",
            "status": 404,
            "body": {"error": {"message": "no such model", "code": "model_not_found"}},
        },
        "the provider has no model of that name; check targets of this model",
    ),
    "a web page": (
        {"kind": "html"},
        "what answered does not speak the provider's wire; check base_url",
    ),
    "a web page of a proxy": (
        {"kind": "html", "status": 502},
        "the provider had a fault of its own; try again",
    ),
    "a wrong key": (
        {"kind": "status", "status": 401},
        "the provider refused the API key; check api_keys of this provider",
    ),
    "half an answer": (
        {"kind": "cut", "after": 600},
        "the provider's answer was cut off; ask again; what you have seen of the answer is kept",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_a_provider_that_answers(running: Server, slow: SimulatorProcess, what: str) -> None:
    fault, words = FAULTS[what]
    bystander = {"contains": "bystander", "reply": {"text": "tick ", "repeat": 30, "pace": 0.02}}
    long = {"text": "word " * 50}
    slow.script(bystander, {"contains": "bad", "reply": long, "fault": fault})
    async with undisturbed(running), open_client(running.acp) as client:
        session = await client.open_session()
        with pytest.raises(TurnFailed) as failed:
            async with session.prompt("bad") as turn:
                async for _ in turn:
                    pass
        async with session.prompt("good") as turn:
            said = "".join([one.text async for one in turn if isinstance(one, TextAdded)])

    assert str(failed.value).startswith(f"{words} (sim: ")
    assert said == "You said: good"


def test_a_provider_may_be_down_at_the_start_and_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    provider = f'kind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\nretry = {{attempts = 1}}'
    with server(tmp_path, config(provider)) as running:
        before = trouper("chat", "--url", running.url, "hello")
        with simulator_process("--listen", f"127.0.0.1:{port}"):
            after = trouper("chat", "--url", running.url, "hello")
        again = trouper("chat", "--url", running.url, "hello")

    down = "trouper: the provider cannot be reached; check base_url and the network "
    assert (before.code, before.err) == (1, f"{down}(sim: connection_failed)\n")
    assert (after.code, after.out) == (0, "You said: hello\n")
    assert (again.code, again.err) == (1, f"{down}(sim: connection_failed)\n")
