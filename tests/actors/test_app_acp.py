"""ACP clients of a whole application: who joins in mid-turn, and who comes back after a restart."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.gateway import PATIENCE, AcpClient, open_acp
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.app import App
from trouper.actors.config.load import parse_config

TEXT = """
[server]
listen = "127.0.0.1:0"
[store]
path = "{path}"
[providers.sim]
kind = "openai"
base_url = "{base_url}"
[models.default]
targets = ["sim/sim"]
[models.other]
targets = ["sim/other"]
[assistants.default]
model = "default"
tools = ["greet"]
[assistants.tutor]
model = "other"
[tools.greet]
command = ["{python}", "-c", "print('good morning')"]
description = "Greets."
approval = "always"
"""

SLOW = {
    "contains": "slow",
    "reply": {"text": "tick ", "repeat": 60, "chunks": 60, "pace": 0.02},
}
GREETS = {
    "contains": "greet",
    "times": 1,
    "reply": {"text": "I greet. ", "tool_calls": [{"name": "greet", "arguments": {}}]},
}


@asynccontextmanager
async def serving(simulator: SimulatorProcess, path: Path) -> AsyncGenerator[App]:
    text = TEXT.format(path=path, base_url=simulator.base_url, python=sys.executable)
    async with open_app(parse_config(text), serve=True, signals=False) as app:
        yield app


@asynccontextmanager
async def client_of(app: App) -> AsyncGenerator[AcpClient]:
    assert app.listening is not None
    async with open_acp(app.listening) as ws:
        client = AcpClient(ws)
        capable = {"_meta": {"trouper.dev": {"v": 1}}}
        await client.call("initialize", {"protocolVersion": 1, "clientCapabilities": capable})
        yield client


def join(session: str, **meta: Any) -> dict[str, Any]:
    return {"sessionId": session, "cwd": "/", "mcpServers": [], "_meta": meta}


async def new(client: AcpClient) -> str:
    answer = await client.call("session/new", {"cwd": "/", "mcpServers": []})
    return str(answer["result"]["sessionId"])


async def until(client: AcpClient, words: str) -> int:
    """Read until the answer so far ends with `words`; the number of the last event."""
    while not client.said.endswith(words):
        client.keep(await client.next())
    return int(client.updates[-1]["update"]["_meta"]["trouper.dev/seq"])


async def ended(client: AcpClient) -> dict[str, Any]:
    """Read until a turn has ended; what is told of that."""
    while not (ends := [one for one in client.notices if one.get("state") == "ended"]):
        client.keep(await client.next())
    return ends[-1]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "trouper.db"


async def test_who_loads_and_who_resumes_in_mid_turn_hears_what_the_first_one_hears(
    simulator: SimulatorProcess, store: Path
) -> None:
    simulator.script(SLOW)
    with trio.fail_after(PATIENCE):
        async with (
            serving(simulator, store) as app,
            client_of(app) as first,
            client_of(app) as loader,
        ):
            session = await new(first)
            await first.answer(await first.prompt(session, "hello"))
            before = first.said
            prompt = await first.prompt(session, "slow")
            await until(first, "tick tick ")
            async with client_of(app) as leaving:
                await leaving.call("session/resume", join(session))
                seen = await until(leaving, "tick ")
            loaded = await loader.call("session/load", join(session))
            async with client_of(app) as again:
                await again.call("session/resume", join(session, **{"trouper.dev/afterSeq": seen}))
                await first.answer(prompt)
                end = await ended(again)
            await ended(loader)

    assert before
    assert first.said == loader.said
    assert first.said.endswith("tick " * 60)
    assert (leaving.said + again.said).startswith("tick ")
    assert first.said.endswith(leaving.said + again.said)
    assert loaded["result"]["_meta"]["trouper.dev/turn"] == 2
    assert (end["turn"], end["stopReason"]) == (2, "end_turn")


async def test_leave_may_be_given_by_who_has_just_loaded_the_session(
    simulator: SimulatorProcess, store: Path
) -> None:
    simulator.script(GREETS, {"reply": {"text": "Done."}})
    with trio.fail_after(PATIENCE):
        async with serving(simulator, store) as app, client_of(app) as person:
            async with client_of(app) as bot:
                session = await new(bot)
                await bot.prompt(session, "greet")
                while "id" not in (asked := await bot.next()):
                    pass
            load = await person.begin("session/load", join(session))
            while "id" not in (again := await person.next()):
                person.keep(again)
            await person.answer(load)
            allow = {"outcome": {"outcome": "selected", "optionId": "allow"}}
            await person.send({"jsonrpc": "2.0", "id": again["id"], "result": allow})
            await ended(person)
            person.updates.clear()
            await person.call("session/load", join(session))

    assert asked["params"]["toolCall"]["toolCallId"] == again["params"]["toolCall"]["toolCallId"]
    told = [one["update"] for one in person.updates]
    [call] = [one for one in told if one["sessionUpdate"] == "tool_call"]
    assert (call["title"], call["status"]) == ("greet", "completed")
    assert "good morning" in call["content"][0]["content"]["text"]
    assert person.said == "I greet. Done."


async def test_a_session_is_listed_resumed_and_switched_after_a_restart(
    simulator: SimulatorProcess, store: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with serving(simulator, store) as app, client_of(app) as client:
            session = await new(client)
            answer = await client.answer(await client.prompt(session, "hello"))
            seen = client.updates[0]["update"]["_meta"]["trouper.dev/seq"]
            chosen = {"sessionId": session, "configId": "model", "value": "other"}
            await client.call("session/set_config_option", chosen)
        async with serving(simulator, store) as app, client_of(app) as client:
            listed = (await client.call("session/list", {}))["result"]["sessions"]
            resumed = await client.call(
                "session/resume", join(session, **{"trouper.dev/afterSeq": seen})
            )
            missed = [update["update"]["sessionUpdate"] for update in client.updates]
            mode = await client.call("session/set_mode", {"sessionId": session, "modeId": "tutor"})
            unknown = await client.call("session/set_mode", {"sessionId": session, "modeId": "x"})

    assert answer["result"]["stopReason"] == "end_turn"
    assert [(one["sessionId"], one["title"]) for one in listed] == [(session, "hello")]
    values = [option["currentValue"] for option in resumed["result"]["configOptions"]]
    assert values == ["default", "other"]
    assert missed[-1] == "config_option_update"
    assert mode["result"] == {}
    assert unknown["error"]["code"] == -32602
