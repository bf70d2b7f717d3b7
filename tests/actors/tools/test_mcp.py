"""MCP servers: their tools are tools of ours, and their deaths are a call's result."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from structlog.testing import capture_logs

from trouper.actors.chat import ToolCallPart, ToolResultPart
from trouper.actors.tools import (
    Progress,
    ToolContext,
    ToolDefinitionError,
    ToolDirectory,
    ToolPolicy,
    run_calls,
    tools_spec,
)
from trouper.actors.tools.directory import Run
from trouper.actors.tools.errors import McpMissing, McpNotReached
from trouper.actors.tools.mcp_link import open_link
from trouper.actors.tools.mcp_server import McpServerLost, mcp_spec
from trouper.actors.tools.mcp_settings import McpSettings
from trouper.runtime import System
from trouper.runtime.events import ChildCrashed

from .conftest import call

HERE = Path(__file__).parent
TODAY = (sys.executable, str(HERE / "server_of_tools.py"))
OLD = (sys.executable, str(HERE / "server_of_old.py"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process behind."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


class Served:
    """Servers that run under a system of their own, as a session sees them."""

    def __init__(self, *settings: McpSettings) -> None:
        self.directory = ToolDirectory()
        self.view = self.directory.view("*")
        self.died: list[BaseException] = []
        specs = [mcp_spec(one, self.directory) for one in settings]
        self.system = System(
            tools_spec([], self.directory, *specs), signals=False, observer=self._note
        )

    def _note(self, event: object) -> None:
        if isinstance(event, ChildCrashed):
            self.died.append(event.error)

    async def __aenter__(self) -> "Served":
        await self.system.__aenter__()
        return self

    async def __aexit__(self, *exit: Any) -> None:
        await self.system.__aexit__(*exit)

    async def call(
        self, name: str, on_progress: Callable[[Progress], None] | None = None, **arguments: Any
    ) -> ToolResultPart:
        context = ToolContext(on_progress=on_progress or (lambda _: None))
        (result,) = await run_calls([call(name, **arguments)], self.view, context)
        return result

    async def has(self, name: str, *, there: bool = True) -> None:
        await until(lambda: (name in self.view.names()) is there)


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not true():  # noqa: ASYNC110 - of another process, which tells nobody
            await trio.sleep(0.01)


def today(**changes: Any) -> McpSettings:
    return McpSettings(name="t", command=(*TODAY, "stdio"), **changes)


def old(folder: Path, **changes: Any) -> McpSettings:
    return McpSettings(name="old", command=(*OLD, str(folder)), **changes)


async def test_the_tools_of_a_server_are_tools_of_ours() -> None:
    seen: list[Progress] = []
    async with Served(today()) as served:
        await served.has("t__echo")
        spec = served.view.specs()[0]
        said = await served.call("t__echo", text="hü")
        wrong = await served.call("t__echo", txt="hü")
        failed = await served.call("t__fail")
        picture = await served.call("t__picture")
        walked = await served.call("t__walk", on_progress=seen.append)
        number = int((await served.call("t__pid")).content)

    assert (spec.name, spec.description) == ("t__echo", "Say it again.")
    assert (said.content, said.is_error) == ("hü", False)
    assert "text is required and missing" in wrong.content
    assert (failed.is_error, "fail" in failed.content) == (True, True)
    assert picture.content == "a dot\n[image: image/png, not shown]"
    assert (walked.content, seen) == ("there", [Progress("1", "a quarter", 0.25)])
    assert not psutil.pid_exists(number)


async def test_a_server_killed_in_mid_call_fails_the_call_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    results: list[ToolResultPart] = []
    async with Served(today()) as served:
        await served.has("t__hang")

        async def hang() -> None:
            results.append(await served.call("t__hang", path=str(path)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            await until(path.exists)
            first = int(path.read_text())
            os.kill(first, signal.SIGKILL)
        with trio.fail_after(20):
            again = await served.call("t__pid")

    assert results[0].is_error
    assert "whether it was carried out is not known" in results[0].content.replace("the call", "it")
    assert not again.is_error
    assert int(again.content) != first
    assert [type(error) for error in served.died] == [McpServerLost]


async def test_a_server_that_dies_idle_is_started_again() -> None:
    async with Served(today()) as served:
        await served.has("t__pid")
        first = int((await served.call("t__pid")).content)
        os.kill(first, signal.SIGKILL)
        await until(lambda: bool(served.died))
        with trio.fail_after(20):
            second = int((await served.call("t__pid")).content)

    assert second != first


async def test_a_cancelled_turn_leaves_the_server_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    async with Served(today()) as served:
        await served.has("t__hang")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.call, "t__hang", None)
            nursery.cancel_scope.cancel()
        with trio.move_on_after(10) as turn:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: served.call("t__hang", path=str(path)))
                await until(path.exists)
                turn.cancel()
        after = int((await served.call("t__pid")).content)

    assert after == int(path.read_text())
    assert served.died == []


async def test_a_tool_that_takes_too_long_is_one_result(tmp_path: Path) -> None:
    policy = ToolPolicy(timeout=0.5)
    async with Served(today(policy=policy)) as served:
        await served.has("t__hang")
        slow = await served.call("t__hang", path=str(tmp_path / "pid"))
        after = await served.call("t__echo", text="x")

    assert slow.content == "t__hang gave no result within 0.5 s"
    assert after.content == "x"


async def test_a_tool_that_a_server_of_today_adds_is_there() -> None:
    async with Served(today()) as served:
        await served.has("t__grow")
        await served.call("t__grow")
        await served.has("t__grown")
        grown = await served.call("t__grown")

    assert grown.content == "new"


async def test_a_server_of_2025_is_understood_too(tmp_path: Path) -> None:
    long = "old__" + "x" * 50
    async with Served(old(tmp_path)) as served:
        await served.has("old__drop")
        names = served.view.names()
        specs = {spec.name: spec for spec in served.view.specs()}
        said = await served.call("old__old_name_with_signs")
        no = await served.call("old__ask")
        grown = await served.call("old__grow")
        await served.has("old__grown")
        drop = await served.call("old__drop")
        await served.has("old__drop", there=False)

    assert names[0] == "old__old_name_with_signs"
    assert names[1].startswith(long)
    assert len(names[1]) == 64
    assert "old__wrong" not in names
    assert specs["old__old_name_with_signs"].description == "old.name/with:signs"
    assert specs[names[1]].description == "Long"
    assert said.content.splitlines() == [
        "old.name/with:signs was called",
        "a text",
        "[test:///b, not shown]",
        "[l: test:///l]",
    ]
    assert (no.is_error, no.content) == (True, "ask failed and did not say why")
    assert (grown.content, drop.is_error) == ("{}", False)


async def test_a_list_without_end_is_ended(tmp_path: Path) -> None:
    (tmp_path / "endless").touch()
    async with Served(old(tmp_path)) as served:
        await served.has("old__drop")

    assert served.died == []


async def test_why_a_server_has_ended_is_what_it_said_last(tmp_path: Path) -> None:
    async with Served(old(tmp_path)) as served:
        await served.has("old__lost")
        result = await served.call("old__lost")
        await until(lambda: bool(served.died))
        with trio.fail_after(20):
            after = await served.call("old__ask")

    assert result.is_error
    assert str(served.died[0]) == "the MCP server old is gone; it said last: I have seen enough"
    assert "did not say why" in after.content


async def test_a_tool_that_a_server_of_today_does_not_know_is_a_result() -> None:
    async with Served(today()) as served:
        await served.has("t__refuse")
        result = await served.call("t__refuse")

    assert result.is_error
    assert result.content == "the server t says: Unknown tool: refuse"


async def test_a_tool_that_a_server_of_2025_does_not_know_is_a_result(tmp_path: Path) -> None:
    async with Served(old(tmp_path)) as served:
        await served.has("old__unknown")
        result = await served.call("old__unknown")

    assert (result.is_error, result.content) == (True, "Unknown tool: unknown")


async def test_a_tool_that_is_gone_since_the_model_was_told_is_a_result() -> None:
    async with Served(today()) as served:
        await served.has("t__echo")
        offer = served.directory.get("t__echo")
        assert offer is not None
        result = await offer.ref.ask(Run(ToolCallPart("1", "t__gone", "{}"), ToolContext()))

    assert (result.is_error, result.content) == (True, "the server t has no such tool any more")


async def test_a_server_that_is_not_there_does_not_hold_up_the_program() -> None:
    missing = McpSettings(name="missing", command=("/nowhere/at/all",))
    async with Served(missing, today()) as served:
        await served.has("t__echo")
        await until(lambda: len(served.died) >= 2)

        assert (await served.call("t__echo", text="x")).content == "x"
        assert all(name.startswith("t__") for name in served.view.names())
    assert str(served.died[0]) == (
        "the MCP server missing is not reached: [Errno 2] No such file or directory: "
        "'/nowhere/at/all'; see mcp.missing in the configuration. It is tried again"
    )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (McpSettings(name="m", url="http://127.0.0.1:9/mcp"), "127.0.0.1:9"),
        (
            McpSettings(name="m", command=("sh", "-c", "echo no key >&2; exit 1")),
            "it said last: no key",
        ),
    ],
)
async def test_why_a_server_is_not_reached_is_one_line(settings: McpSettings, why: str) -> None:
    with pytest.raises(McpNotReached) as caught:
        async with open_link(settings):
            pass

    assert why in str(caught.value)


async def test_a_server_that_does_not_answer_in_time_is_started_again() -> None:
    silent = McpSettings(
        name="silent",
        command=(sys.executable, "-c", "import sys; sys.stdin.read()"),
        start_timeout=0.2,
    )
    async with Served(silent) as served:
        await until(lambda: bool(served.died))

    assert "TooSlowError" in repr(served.died[0])


async def test_two_servers_do_not_take_each_others_names() -> None:
    one, two = (
        McpSettings(name=name, command=(*TODAY, "stdio"), prefix="") for name in ("one", "two")
    )
    with capture_logs() as logs:
        async with Served(one, two) as served:
            await served.has("echo")
            first = await served.call("pid")
            await until(lambda: any(line["event"] == "tool is offered twice" for line in logs))
            second = await served.call("pid")

    assert first == second


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(port: int) -> Generator[None]:
    process = subprocess.Popen(
        [*TODAY, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_a_server_over_http_is_reached_and_reached_again() -> None:
    port = free_port()
    settings = McpSettings(
        name="web",
        url=f"http://127.0.0.1:{port}/mcp",
        headers={"X-Test": "1"},
        policy=ToolPolicy(timeout=10),
    )
    async with Served(settings) as served:
        with serving(port):
            await served.has("web__echo")
            said = await served.call("web__echo", text="x")
        lost = await served.call("web__echo", text="x")
        with serving(port), trio.fail_after(30):
            again = lost
            while again.is_error:
                again = await served.call("web__echo", text="y")

    assert (said.content, again.content) == ("x", "y")
    assert lost.is_error


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"name": "two words", "url": "x"}, "name"),
        ({"name": "x"}, "command"),
        ({"name": "x", "command": ("a",), "url": "b"}, "command"),
        ({"name": "x", "command": "ls -l"}, "command"),
    ],
)
def test_wrong_settings_are_refused_by_their_field(settings: Mapping[str, Any], field: str) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        McpSettings(**settings)

    assert caught.value.field == field


def test_without_the_extra_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> None:
        """Find no package."""

    monkeypatch.setattr(importlib.util, "find_spec", nowhere)

    with pytest.raises(McpMissing, match=r"pip install 'trouper\[mcp\]'"):
        mcp_spec(today(), ToolDirectory())


def test_secrets_of_a_server_are_not_shown() -> None:
    settings = today(env={"KEY": "hunter2"}, headers={"Authorization": "hunter2"})

    assert "hunter2" not in repr(settings)
