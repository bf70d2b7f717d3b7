"""`trouper serve` with a model on this machine: clients of others, and deaths of processes."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import acp
import psutil
import pytest
import trio
from acp import schema
from acp.ws import create_websocket_stream
from websockets.sync.client import ClientConnection, connect

from tests.fakes.commands import Server, config, server
from trouper.actors.client.session import RemoteSession, open_client
from trouper.actors.errors import TurnFailed
from trouper.actors.session.events import StopReason, TextAdded

PATIENCE = 60.0

pytestmark = pytest.mark.usefixtures("model")

# One thread for the model: the other core is for those who test.
CONFIG = config(
    'kind = "local"\nlocal = { slots = 2, threads = 1 }',
    model="local/smollm2",
    # So small a model does not always find an end, and says the same each time at 0.
    options="temperature = 0\nmax_output_tokens = 200",
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("local"), CONFIG) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Editor:
    """An ACP client's side: keeps the text that it is told."""

    def __init__(self) -> None:
        self.said = ""

    async def session_update(self, session_id: str, update: Any, **kwargs: Any) -> None:
        if isinstance(update, schema.AgentMessageChunk):
            self.said += update.content.text

    async def request_permission(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def test_the_official_client_converses(local: Server) -> None:
    async def converse() -> tuple[str, Any]:
        editor = Editor()
        transport = await create_websocket_stream(local.acp)
        agent = acp.connect_to_agent(cast("acp.Client", editor), transport)
        await agent.initialize(protocol_version=1)
        session = await agent.new_session(cwd="/home/someone", mcp_servers=[])
        text = acp.text_block("Say hello.")
        answer = await agent.prompt(session_id=session.session_id, prompt=[text])
        await agent.close()
        return editor.said, answer

    said, answer = asyncio.run(asyncio.wait_for(converse(), PATIENCE))

    assert said
    assert answer.stop_reason in ("end_turn", "max_tokens")


def test_a_plain_websocket_client_converses(local: Server) -> None:
    def ask(ws: ClientConnection, method: str, **params: Any) -> tuple[Any, str]:
        call = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        ws.send(json.dumps(call))
        said = ""
        while "method" in (got := json.loads(ws.recv(timeout=PATIENCE))):
            said += got["params"]["update"].get("content", {}).get("text", "")
        return got["result"], said

    with connect(local.acp) as ws:
        ask(ws, "initialize", protocolVersion=1)
        session, _ = ask(ws, "session/new", cwd="/")
        text = [{"type": "text", "text": "Say hello."}]
        answer, said = ask(ws, "session/prompt", prompt=text, **session)

    assert said
    assert answer["stopReason"] in ("end_turn", "max_tokens")


async def answer(session: RemoteSession, question: str) -> str:
    async with session.prompt(question) as turn:
        said = "".join([one.text async for one in turn if isinstance(one, TextAdded)])
    assert turn.stop in (StopReason.END_TURN, StopReason.MAX_TOKENS)
    return said


async def test_kill_9_of_the_model_during_a_turn_is_told_and_the_next_turn_answers(
    local: Server,
) -> None:
    pid = local.model_pids[-1]
    with trio.fail_after(PATIENCE):
        async with open_client(local.acp) as client:
            session = await client.open_session()
            async with session.prompt("Write a very long story about a ship.") as turn:
                first = await anext(turn)
                assert isinstance(first, TextAdded)
                seen = first.text

                os.kill(pid, signal.SIGKILL)

                with pytest.raises(TurnFailed) as failed:
                    while (event := await anext(turn, None)) is not None:
                        assert isinstance(event, TextAdded)
                        seen += event.text
            began = time.monotonic()
            said = await answer(session, "Say hello.")
            took = time.monotonic() - began

    assert seen
    assert str(failed.value) == (
        "the provider's answer was cut off; ask again; what you have seen of the answer is kept "
        "(local: stream_truncated)"
    )
    assert failed.value.retryable
    assert said
    assert took < 10
    assert not alive(pid)
    assert alive(local.model_pids[-1])
    assert f"the model's process {pid} was killed by signal SIGKILL" in local.log


async def test_kill_9_of_the_model_before_a_turn_is_not_noticed(local: Server) -> None:
    with trio.fail_after(PATIENCE):
        async with open_client(local.acp) as client:
            session = await client.open_session()
            os.kill(local.model_pids[-1], signal.SIGKILL)

            assert await answer(session, "Say hello.")


def test_kill_9_of_the_server_leaves_no_child(tmp_path: Path) -> None:
    with server(tmp_path, CONFIG) as running:
        (pid,) = running.model_pids
        assert alive(pid)

        running.stop(signal.SIGKILL)

        deadline = time.monotonic() + 5
        while alive(pid):
            assert time.monotonic() < deadline, "it has outlived its parent"
            time.sleep(0.02)


def test_the_end_in_order_ends_the_child_first(tmp_path: Path) -> None:
    with server(tmp_path, CONFIG) as running:
        (pid,) = running.model_pids

        assert running.stop() == (0, "")

        assert not alive(pid)
