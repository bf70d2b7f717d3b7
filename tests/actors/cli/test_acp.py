"""`trouper acp` as an editor has it: a process, driven by the official package's own client."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import acp
import pytest
from acp import schema
from acp.stdio import spawn_agent_process

from tests.fakes.commands import TROUPER, Server, config, server, trouper, trouper_process
from tests.fakes.simulator import SimulatorProcess

SLOW = {
    "contains": "slow",
    "reply": {"text": "on and on ", "repeat": 500, "chunks": 500, "pace": 0.02},
}
PATIENCE = 30.0  # seconds: a test that waits longer has failed


class Editor:
    """An ACP client's side: keeps what it is told."""

    def __init__(self) -> None:
        self.updates: list[Any] = []

    async def session_update(self, session_id: str, update: Any, **kwargs: Any) -> None:
        self.updates.append(update)

    async def request_permission(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def said(self, kind: type[Any] = schema.AgentMessageChunk) -> str:
        return "".join(one.content.text for one in self.updates if isinstance(one, kind))


@asynccontextmanager
async def editor(*words: str) -> AsyncGenerator[tuple[Editor, Any]]:
    """An editor that has started `trouper acp WORDS`, and its agent."""
    side = Editor()
    command = [*TROUPER, "acp", *words]
    async with spawn_agent_process(cast("acp.Client", side), command[0], *command[1:]) as (
        agent,
        process,
    ):
        yield side, agent
        assert process.returncode is None


def block(words: str) -> list[Any]:
    return [acp.text_block(words)]


def test_an_editor_talks_loads_and_lists_sessions(running: Server) -> None:
    async def talk() -> None:
        async with editor("--url", running.url) as (side, agent):
            hello = await agent.initialize(protocol_version=1)
            session = await agent.new_session(cwd="/home/someone", mcp_servers=[])
            answer = await agent.prompt(session_id=session.session_id, prompt=block("hello"))
            listed = await agent.list_sessions()
        assert hello.agent_info.name == "trouper"
        assert [mode.id for mode in session.modes.available_modes] == ["default", "terse"]
        assert answer.stop_reason == "end_turn"
        assert side.said() == "You said: hello"
        assert session.session_id in [one.session_id for one in listed.sessions]
        async with editor("--url", running.url) as (side, agent):
            await agent.initialize(protocol_version=1)
            await agent.load_session(cwd="/", session_id=session.session_id, mcp_servers=[])
            mode = await agent.set_session_mode(session_id=session.session_id, mode_id="terse")
        assert side.said(schema.UserMessageChunk) == "hello"
        assert side.said() == "You said: hello"
        assert mode is not None
        [switched] = [one for one in side.updates if isinstance(one, schema.CurrentModeUpdate)]
        assert switched.current_mode_id == "terse"

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))


def test_an_editor_goes_on_when_its_server_was_killed_and_started_again(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    simulator.script(SLOW)
    provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"'
    text = config(provider, more=f'[store]\npath = "{tmp_path / "t.db"}"')

    async def talk(first: Server) -> None:
        async with editor("--url", first.url) as (side, agent):
            await agent.initialize(protocol_version=1)
            session = await agent.new_session(cwd="/", mcp_servers=[])
            await agent.prompt(session_id=session.session_id, prompt=block("hello"))
            slow = asyncio.ensure_future(
                agent.prompt(session_id=session.session_id, prompt=block("slow"))
            )
            while not side.said().endswith("on and on "):  # noqa: ASYNC110 - it is the callback's
                await asyncio.sleep(0.01)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            with server(tmp_path, text, "--listen", f"127.0.0.1:{first.port}"):
                with pytest.raises(acp.RequestError) as broken:
                    await slow
                again = await agent.prompt(
                    session_id=session.session_id, prompt=block("still there?")
                )
                assert "the session was interrupted during this turn" in str(broken.value)
                assert again.stop_reason == "end_turn"
                assert side.said().endswith("You said: still there?")
                seqs = [
                    (one.field_meta or {})["trouper.dev/seq"]
                    for one in side.updates
                    if isinstance(one, schema.AgentMessageChunk)
                ]
                assert seqs == sorted(set(seqs))

    with server(tmp_path, text) as first:
        asyncio.run(asyncio.wait_for(talk(first), PATIENCE))


def test_lines_come_back_as_lines_and_the_end_of_them_is_the_end(running: Server) -> None:
    hello = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}'
    done = trouper_process("acp", "--url", running.url, stdin=f"{{\n\n{hello}")

    assert (done.code, done.err) == (0, "")
    [fault] = done.out.splitlines()
    assert '"code":-32700' in fault


def test_nothing_listens() -> None:
    done = trouper("acp", "--url", "http://127.0.0.1:9")

    assert (done.code, done.out) == (1, "")
    assert "nothing listens at ws://127.0.0.1:9/acp" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token", "secret-in-clear"], "the token itself is not to stand here"),
        (["--token", "env:NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_token_is_named_and_not_given(words: list[str], said: str) -> None:
    done = trouper("acp", *words)

    assert done.code == 1
    assert said in done.err
    assert "secret-in-clear" not in done.err


def test_a_wrong_token_is_said(tmp_path: Path) -> None:
    provider = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'
    environ = {"GATE": "right-token", "MINE": "wrong-token"}
    text = config(provider, server='tokens = ["env:GATE"]')
    with server(tmp_path, text, environ=environ) as guarded:
        done = trouper("acp", "--url", guarded.url, "--token", "env:MINE", environ=environ)

    assert done.code == 1
    assert "wants a token: env:MINE holds none that it accepts" in done.err
