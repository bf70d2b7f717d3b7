"""Clients that are not ours: the official ACP package and the `websockets` package.

Each runs on its own loop in a thread, against the gateway in this one.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

import acp
import pytest
import trio
from acp import schema
from acp.ws import create_websocket_stream
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fakes.gateway import PATIENCE, Running, start_gateway
from tests.fakes.sessions import FakeSession, says
from trouper.actors.chat import ToolCallPart, Usage
from trouper.actors.gateway.auth import Access
from trouper.actors.session.events import StopReason, ToolEnded

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    with trio.fail_after(PATIENCE):
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)


class Editor:
    """An ACP client's side: keeps what it is told."""

    def __init__(self) -> None:
        self.updates: list[Any] = []

    async def session_update(self, session_id: str, update: Any, **kwargs: Any) -> None:
        self.updates.append(update)

    async def request_permission(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    @property
    def said(self) -> str:
        chunks = [u for u in self.updates if isinstance(u, schema.AgentMessageChunk)]
        return "".join(chunk.content.text for chunk in chunks)


async def talk(url: str, headers: dict[str, str] | None = None) -> tuple[Editor, list[Any]]:
    """What an editor does in a minute: a turn, one that fails, one that it cancels."""
    editor = Editor()
    transport = await create_websocket_stream(url, headers=headers)
    agent = acp.connect_to_agent(cast("acp.Client", editor), transport)
    results: list[Any] = [await agent.initialize(protocol_version=1)]
    session = await agent.new_session(cwd="/home/someone", mcp_servers=[])

    async def prompt(words: str) -> Any:
        return await agent.prompt(session_id=session.session_id, prompt=[acp.text_block(words)])

    results.append(await prompt("say"))
    try:
        await prompt("fail")
    except acp.RequestError as error:
        results.append(error)
    endless = asyncio.ensure_future(prompt("endless"))
    while not editor.said.endswith("on and on "):  # noqa: ASYNC110 - the callback is not ours
        await asyncio.sleep(0.01)
    await agent.cancel(session_id=session.session_id)
    results.append(await endless)
    await agent.close()
    return editor, results


async def behave(session: FakeSession) -> None:
    words = "".join(getattr(part, "text", "") for part in session.prompts[-1])
    if words == "say":
        await says("Hello ", "editor. ", usage=Usage(input=5, output=2))(session)
    elif words == "fail":
        session.end(StopReason.ERROR, "the model has gone; it will be back", retryable=True)
    else:
        while session.turn is not None:
            session.say("on and on ")
            await trio.sleep(0.01)


async def test_the_official_client_talks_with_us(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, behave, access=Access(["right"]))
    headers = {"Authorization": "Bearer right"}

    editor, (hello, said, failed, cancelled) = await in_thread(
        lambda: asyncio.run(talk(running.acp, headers))
    )
    await running.settled()

    assert hello.protocol_version == 1
    assert hello.agent_info.name == "trouper"
    assert editor.said.startswith("Hello editor. on and on ")
    assert said.stop_reason == "end_turn"
    assert (failed.code, str(failed)) == (-32010, "the model has gone; it will be back")
    assert cancelled.stop_reason == "cancelled"
    usage = [update for update in editor.updates if isinstance(update, schema.UsageUpdate)]
    assert [update.used for update in usage] == [7]
    assert all(update.field_meta["trouper.dev/seq"] for update in editor.updates)


class Careful(Editor):
    """An editor whose user allows what greets, and nothing else."""

    async def request_permission(
        self, options: Any, session_id: str, tool_call: Any, **kwargs: Any
    ) -> Any:
        wanted = "allow_once" if tool_call.title == "greet" else "reject_once"
        chosen = next(option.option_id for option in options if option.kind == wanted)
        outcome = schema.AllowedOutcome(outcome="selected", option_id=chosen)
        return schema.RequestPermissionResponse(outcome=outcome)


async def act(url: str) -> tuple[Editor, Any, Any]:
    """A turn with tools, over one connection; and what another is told of it."""
    first, second = Careful(), Editor()
    agent = acp.connect_to_agent(cast("acp.Client", first), await create_websocket_stream(url))
    await agent.initialize(protocol_version=1)
    session = await agent.new_session(cwd="/home/someone", mcp_servers=[])
    answer = await agent.prompt(session_id=session.session_id, prompt=[acp.text_block("act")])
    await agent.close()
    agent = acp.connect_to_agent(cast("acp.Client", second), await create_websocket_stream(url))
    await agent.initialize(protocol_version=1)
    listed = await agent.list_sessions()
    await agent.load_session(cwd="/", session_id=session.session_id, mcp_servers=[])
    await agent.close_session(session_id=session.session_id)
    await agent.close()
    return first, answer, listed


async def test_the_official_client_gives_leave_and_sees_tools(nursery: trio.Nursery) -> None:
    async def behave(session: FakeSession) -> None:
        for name in ("greet", "delete"):
            session.ask_leave(ToolCallPart(name, name, "{}"))
            while session.asked:  # noqa: ASYNC110 - a fake announces nothing
                await trio.sleep(0.001)
            granted = session.permits[-1][1]
            text = "good morning" if granted else "not allowed"
            session.happens(ToolEnded, call_id=name, name=name, result=text, is_error=not granted)
        session.end(StopReason.END_TURN)

    running = await start_gateway(nursery, behave)
    editor, answer, listed = await in_thread(lambda: asyncio.run(act(running.acp)))
    await running.settled()

    assert answer.stop_reason == "end_turn"
    assert running.sessions.only.permits == [("greet", True), ("delete", False)]
    ends = [
        (one.tool_call_id, one.status)
        for one in editor.updates
        if isinstance(one, schema.ToolCallProgress) and one.content
    ]
    assert ends == [("1/greet", "completed"), ("1/delete", "failed")]
    assert [one.session_id for one in listed.sessions] == ["session-1"]


def ask(ws: ClientConnection, method: str, **params: Any) -> Any:
    """Call and read until the answer."""
    ws.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
    while "method" in (answer := json.loads(ws.recv(timeout=PATIENCE))):
        pass
    return answer


def by_hand(running: Running) -> tuple[str, int]:
    with connect(running.acp) as ws:
        ask(ws, "initialize", protocolVersion=1)
        session = ask(ws, "session/new", cwd="/")["result"]["sessionId"]
        content = [{"type": "text", "text": "x"}]
        answer = ask(ws, "session/prompt", sessionId=session, prompt=content)
        with pytest.raises(ConnectionClosed) as caught:
            ws.send("x" * 20 * 1024 * 1024)
            ws.recv(timeout=PATIENCE)
    assert caught.value.rcvd is not None
    return answer["result"]["stopReason"], caught.value.rcvd.code


async def test_a_plain_client_talks_and_a_frame_of_20_mib_is_refused_with_1009(
    nursery: trio.Nursery,
) -> None:
    running = await start_gateway(nursery, says("fine"))

    stop, code = await in_thread(lambda: by_hand(running))
    await running.settled()

    assert (stop, code) == ("end_turn", 1009)


async def test_a_plain_client_reads_why_it_is_not_let_in(nursery: trio.Nursery) -> None:
    running = await start_gateway(nursery, access=Access(["right"]))

    def come_in() -> tuple[int, bytes]:
        with pytest.raises(InvalidStatus) as caught, connect(running.acp):
            pass
        return caught.value.response.status_code, bytes(caught.value.response.body or b"")

    status, body = await in_thread(come_in)

    assert status == 401
    assert "Authorization: Bearer" in json.loads(body)["error"]["message"]
