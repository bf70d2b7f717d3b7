"""Talks by the Agent Client Protocol: `acp_editor.py ACP_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import acp
from acp import schema
from acp.ws import create_websocket_stream

URL, TOKEN, WHAT = sys.argv[1:]


class Editor:
    """A client's side: keeps what it is told, and allows what it is asked."""

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.asked: list[str] = []

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates.append(update)

    async def request_permission(
        self, session_id: str, tool_call: Any, options: Any, **_: Any
    ) -> Any:
        self.asked.append(tool_call.title)
        allow = next(option for option in options if option.kind == "allow_once")
        chosen = schema.AllowedOutcome(outcome="selected", option_id=allow.option_id)
        return schema.RequestPermissionResponse(outcome=chosen)

    def texts(self, kind: str) -> str:
        found = [update for update in self.updates if update.session_update == kind]
        return "".join(update.content.text for update in found)


@asynccontextmanager
async def connected() -> AsyncGenerator[Any]:
    editor: Any = Editor()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    agent = acp.connect_to_agent(editor, await create_websocket_stream(URL, headers=headers))
    try:
        hello = await agent.initialize(protocol_version=1)
        yield editor, agent, hello
    finally:
        await agent.close()


async def new(agent: Any) -> str:
    return (await agent.new_session(cwd="/home/someone", mcp_servers=[])).session_id


async def ask(agent: Any, session: str, words: str) -> Any:
    return await agent.prompt(session_id=session, prompt=[acp.text_block(words)])


async def talk() -> Any:
    async with connected() as (editor, agent, hello):
        answer = await ask(agent, await new(agent), "hello there")
    kinds = {update.session_update for update in editor.updates}
    return {
        "version": hello.protocol_version,
        "name": hello.agent_info.name,
        "text": editor.texts("agent_message_chunk"),
        "stop": answer.stop_reason,
        "usage": "usage_update" in kinds,
    }


async def tools() -> Any:
    async with connected() as (editor, agent, _):
        answer = await ask(agent, await new(agent), "remove the file")
    calls = [update for update in editor.updates if update.session_update.startswith("tool_call")]
    return {
        "asked": editor.asked,
        "titles": [call.title for call in calls if call.session_update == "tool_call"],
        "last": calls[-1].status,
        "result": calls[-1].content[0].content.text.strip(),
        "text": editor.texts("agent_message_chunk"),
        "stop": answer.stop_reason,
    }


async def cancel() -> Any:
    async with connected() as (editor, agent, _):
        session = await new(agent)
        turn = asyncio.ensure_future(ask(agent, session, "a long story"))
        while not editor.updates:  # noqa: ASYNC110 - the callback is not ours
            await asyncio.sleep(0.01)
        await agent.cancel(session_id=session)
        return {"stop": (await turn).stop_reason}


async def again() -> Any:
    """Leaves, comes back by load and by resume, and talks on."""
    async with connected() as (_, agent, _hello):
        session = await new(agent)
        await ask(agent, session, "hello there")
    async with connected() as (editor, agent, _hello):
        listed = [each.session_id for each in (await agent.list_sessions()).sessions]
        await agent.load_session(cwd="/", session_id=session, mcp_servers=[])
        loaded = [editor.texts("user_message_chunk"), editor.texts("agent_message_chunk")]
        await ask(agent, session, "and more")
        await agent.close_session(session_id=session)
    async with connected() as (editor, agent, _hello):
        await agent.resume_session(cwd="/", session_id=session)
        resumed = len([u for u in editor.updates if u.session_update == "agent_message_chunk"])
        await ask(agent, session, "the last")
    return {"listed": session in listed, "loaded": loaded, "resumed": resumed}


async def errors() -> Any:
    async with connected() as (_, agent, _hello):
        session = await new(agent)
        try:
            await ask(agent, session, "fail")
        except acp.RequestError as error:
            return {"code": error.code, "said": bool(str(error))}


print(json.dumps(asyncio.run(globals()[WHAT]())))
