"""MCP servers of others, as links and as a part of conversations: mcp-server-time of PyPI, and
@modelcontextprotocol/server-everything of npm, on stdin and stdout and over HTTP.

The two answer who asks for an unknown tool in two ways: one by an error of the
protocol, the other by a result that is one.
"""

import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psutil
import pytest
import trio

from tests.clients.environments import HERE, NODE, install, install_npm
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import App, open_app
from trouper.actors.config import parse_config
from trouper.actors.session.events import SessionEvent, ToolCalled, ToolEnded
from trouper.actors.tools import ToolContext
from trouper.actors.tools.errors import ToolFailed
from trouper.actors.tools.mcp_link import McpLink, open_link
from trouper.actors.tools.mcp_settings import McpSettings

# The protocol's own SDK leaves its streams over HTTP half read, which trio does not like.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Async generator '(httpx2|httpcore2|mcp):ResourceWarning"
)

PATIENCE = 40.0  # seconds; a server of node's takes some to start

TIME = pytest.param("time", marks=pytest.mark.clients)
EVERYTHING = pytest.param("everything", marks=pytest.mark.clients_npm)
WEB = pytest.param("web", marks=pytest.mark.clients_npm)


def time_command() -> tuple[str, ...]:
    python = install("mcp-time", "mcp-server-time==2026.10.19").command("python")
    return (python, "-m", "mcp_server_time", "--local-timezone", "UTC")


def everything_command(how: str) -> tuple[str, ...]:
    package = "@modelcontextprotocol/server-everything"
    program = install_npm("npm-everything", f"{package}@2026.8.31").module(
        f"{package}/dist/index.js"
    )
    return (str(NODE), "-r", str(HERE / "programs" / "loopback.cjs"), program, how)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def over_http(port: int) -> Generator[subprocess.Popen[bytes]]:
    """The server of npm over HTTP."""
    with subprocess.Popen(
        everything_command("streamableHttp"),
        env={"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None
            assert b"listening" in process.stderr.readline()
            yield process
        finally:
            process.kill()


@contextmanager
def settings_of(which: str) -> Generator[McpSettings]:
    if which == "time":
        yield McpSettings(name="time", command=time_command())
    elif which == "everything":
        yield McpSettings(name="everything", command=everything_command("stdio"))
    else:
        port = free_port()
        with over_http(port):
            yield McpSettings(name="web", url=f"http://127.0.0.1:{port}/mcp")


@asynccontextmanager
async def linked(which: str) -> AsyncGenerator[McpLink]:
    with settings_of(which) as settings, trio.fail_after(PATIENCE):
        async with open_link(settings) as link:
            yield link


@pytest.mark.parametrize(
    ("which", "tool", "arguments", "said"),
    [
        pytest.param(
            "time", "get_current_time", {"timezone": "Asia/Tokyo"}, "+09:00", marks=TIME.marks
        ),
        pytest.param("everything", "echo", {"message": "hü"}, "Echo: hü", marks=EVERYTHING.marks),
        pytest.param("web", "get-sum", {"a": 2, "b": 3}, "sum of 2 and 3 is 5", marks=WEB.marks),
    ],
)
async def test_its_tools_are_listed_and_called(
    which: str, tool: str, arguments: dict[str, Any], said: str
) -> None:
    async with linked(which) as link:
        tools = [each.name for each in await link.tools()]
        result = await link.call(tool, arguments, ToolContext())

    assert tool in tools
    assert said in result


@pytest.mark.parametrize("which", [TIME, EVERYTHING, WEB])
async def test_a_tool_that_it_does_not_know_is_a_failure(which: str) -> None:
    async with linked(which) as link:
        with pytest.raises(ToolFailed, match="no_such_tool"):
            await link.call("no_such_tool", {}, ToolContext())


@pytest.mark.clients_npm
async def test_tools_that_come_later_are_told() -> None:
    # (Over HTTP it tells before there is a stream for it, so that there is nothing to see.)
    async with linked("everything") as link:
        await link.changed.receive()
        tools = [each.name for each in await link.tools()]

    # It offers this one when it knows what its client can do.
    assert "simulate-research-query" in tools


@asynccontextmanager
async def serving(
    simulator: SimulatorProcess, server: str, *replies: dict[str, Any]
) -> AsyncGenerator[App]:
    """An application with an MCP server called `s`; the model gives `replies`, one by one."""
    simulator.script(*({"reply": reply, "times": 1} for reply in replies))
    text = f"""
    [providers.sim]
    kind = "openai"
    base_url = "{simulator.base_url}"
    [models.default]
    targets = ["sim/sim"]
    [assistants.default]
    model = "default"
    tools = ["s/*"]
    [mcp.s]
    {server}
    """
    async with open_app(parse_config(text), signals=False) as app:
        await until(lambda: any(name.startswith("s__") for name in app._tools.directory))
        yield app


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - of another process, which tells nobody
            await trio.sleep(0.02)


def calls(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"name": f"s__{tool}", "arguments": arguments}]}


def process_of(command: tuple[str, ...]) -> psutil.Process:
    """The one that runs `command`, started by this process."""
    (found,) = (
        child
        for child in psutil.Process().children(recursive=True)
        if tuple(child.cmdline()[-2:]) == command[-2:]
    )
    return found


async def ended(
    app: App, words: str, on_call: Callable[[], object] = lambda: None
) -> tuple[ToolEnded, str]:
    """The end of the one tool that a turn calls, and what the model says then."""
    session = await app.session("alice")
    ends: list[ToolEnded] = []
    text = ""

    async def seen(event: SessionEvent) -> None:
        if isinstance(event, ToolCalled):
            await trio.sleep(0.5)  # till the server has it
            on_call()
        elif isinstance(event, ToolEnded):
            ends.append(event)

    with trio.fail_after(PATIENCE):
        async with session.prompt(words) as turn:
            async for event in turn:
                await seen(event)
                text += getattr(event, "text", "")
    (end,) = ends
    return end, text


def stop(process: psutil.Process) -> None:
    """Let it do nothing more: a call that comes is under way until it is killed."""
    process.send_signal(signal.SIGSTOP)


@pytest.mark.clients
async def test_a_conversation_outlives_the_time_server(simulator: SimulatorProcess) -> None:
    command = time_command()
    tokyo = calls("get_current_time", timezone="Asia/Tokyo")
    replies = (tokyo, {"text": "It failed."}, tokyo, {"text": "Done."})
    async with serving(simulator, f"command = {list(command)}", *replies) as app:
        first = process_of(command)
        stop(first)
        lost, said = await ended(app, "the time?", first.kill)
        again, after = await ended(app, "and now?")
        second = process_of(command)

    assert (lost.is_error, again.is_error) == (True, False)
    assert "carried out is not known" in lost.result
    assert "+09:00" in again.result
    assert (said, after) == ("It failed.", "Done.")
    assert first.pid != second.pid


LONG = calls("trigger-long-running-operation", duration=30, steps=5)
ECHO = calls("echo", message="hello")


@pytest.mark.clients_npm
async def test_a_conversation_outlives_the_server_of_npm(simulator: SimulatorProcess) -> None:
    command = everything_command("stdio")
    replies = (LONG, {"text": "It failed."}, ECHO, {"text": "Done."})
    async with serving(simulator, f"command = {list(command)}", *replies) as app:
        first = process_of(command)
        lost, said = await ended(app, "take long", first.kill)
        again, after = await ended(app, "echo")

    assert (lost.is_error, again.result) == (True, "Echo: hello")
    assert "carried out is not known" in lost.result
    assert (said, after) == ("It failed.", "Done.")


@pytest.mark.clients_npm
async def test_a_conversation_outlives_a_server_over_http(simulator: SimulatorProcess) -> None:
    port = free_port()
    replies = (LONG, {"text": "It failed."}, ECHO, {"text": "Done."})
    url = f'url = "http://127.0.0.1:{port}/mcp"'
    with over_http(port) as first:
        async with serving(simulator, url, *replies) as app:
            lost, said = await ended(app, "take long", first.kill)
            first.wait()
            with over_http(port):
                again, after = await ended(app, "echo")

    assert (lost.is_error, again.result) == (True, "Echo: hello")
    assert (said, after) == ("It failed.", "Done.")
