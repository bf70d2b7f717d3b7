"""Which tools an application runs, and which of them an assistant may use."""

from typing import Any

import pytest

from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    McpConfig,
    ModelConfig,
    ProviderConfig,
    Secret,
    ToolConfig,
)
from trouper.actors.errors import ConfigError
from trouper.actors.provider.pace import Pace
from trouper.actors.store.store import Store
from trouper.actors.tooling import Tools
from trouper.actors.tools import Tool, ToolDefinitionError, tool
from trouper.actors.tools.mcp_settings import McpSettings
from trouper.actors.tree import tree
from trouper.runtime import ChildSpec, System

SUMMARIZE = ToolConfig(command=("cat",), description="Shortens.", timeout=3.0, approval="always")


@tool
def roll(sides: int) -> int:
    """Roll a die."""
    return sides


def config(*named: str, **more: Any) -> AppConfig:
    return AppConfig(
        providers={
            "sim": ProviderConfig(name="sim", kind="openai", base_url="http://127.0.0.1:1/v1")
        },
        models={"default": ModelConfig(targets=["sim/sim"])},
        assistants={
            "default": AssistantConfig(model="default", tools=named),
            "bare": AssistantConfig(model="default"),
        },
        **more,
    )


def children(tools: Tools) -> list[str]:
    [spec] = tools.children()
    assert spec.subtree is not None
    return [child.id for child in spec.subtree.children]


def test_nothing_runs_where_no_assistant_uses_a_tool() -> None:
    tools = Tools(config(tools={"summarize": SUMMARIZE}), [roll])

    assert tools.children() == ()
    assert tools.view("default").patterns == ()


def test_what_is_used_runs_and_nothing_else() -> None:
    assert children(Tools(config("clock"), [roll])) == ["clock"]
    assert children(Tools(config("*"), [roll])) == ["calculator", "clock", "roll"]
    everything = config("clock", "roll", "summarize", tools={"summarize": SUMMARIZE})
    assert children(Tools(everything, [roll])) == ["clock", "roll", "summarize"]


def test_the_tools_run_before_the_sessions_that_call_them() -> None:
    configured = config("clock")
    specs = tree(configured, Pace(), Store(configured.store.path), Tools(configured).children())

    assert [spec.id for spec in specs][-3:] == ["providers", "tools", "sessions"]


async def test_an_assistant_sees_the_tools_that_it_names() -> None:
    tools = Tools(config("c*", "roll", tools={"summarize": SUMMARIZE}), [roll])

    async with System(*tools.children(), signals=False):
        assert tools.view("default").names() == ("calculator", "clock", "roll")
        assert tools.view("bare").names() == ()
        assert tools.view("default").get("summarize") is None


async def test_a_program_has_the_policy_of_its_table() -> None:
    tools = Tools(config("summarize", tools={"summarize": SUMMARIZE}))

    async with System(*tools.children(), signals=False):
        offer = tools.view("default").get("summarize")
        assert offer is not None
        assert (offer.tool.policy.timeout, offer.tool.policy.approval) == (3.0, "always")
        assert offer.tool.description == "Shortens."


def test_an_mcp_server_runs_where_one_of_its_tools_is_used() -> None:
    pytest.importorskip("mcp", reason="tools of MCP servers need the extra `mcp`")
    servers = {
        "time": McpConfig(command=("uvx", "mcp-server-time"), env={"TZ": "UTC"}),
        "other": McpConfig(url="https://other.test/mcp"),
    }

    tools = Tools(config("time/get_*", "time/convert.time", mcp=servers))

    assert children(tools) == ["mcp:time"]
    assert tools.view("default").patterns == ("time__get_*", "time__convert_time")
    assert settings(tools) == McpSettings(
        name="time",
        command=("uvx", "mcp-server-time"),
        env={"TZ": "UTC"},
        policy=settings(tools).policy,
    )


def test_a_server_is_shown_its_token_and_its_headers() -> None:
    pytest.importorskip("mcp", reason="tools of MCP servers need the extra `mcp`")
    far = McpConfig(
        url="https://far.test/mcp",
        token=Secret("key-for-tests"),
        headers={"X-Org": "ours", "X-Key": Secret("other-for-tests")},
        timeout=5.0,
        result_limit=500,
        concurrency=2,
        approval="always",
    )

    made = settings(Tools(config("far/*", mcp={"far": far})))

    assert (made.url, made.command) == ("https://far.test/mcp", ())
    assert made.headers == {
        "X-Org": "ours",
        "X-Key": "other-for-tests",
        "Authorization": "Bearer key-for-tests",
    }
    policy = made.policy
    assert (policy.timeout, policy.concurrency, policy.result_limit) == (5.0, 2, 500)
    assert policy.approval == "always"
    assert "for-tests" not in repr(made)


def settings(tools: Tools) -> McpSettings:
    [spec] = tools.children()
    assert spec.subtree is not None
    child: ChildSpec = spec.subtree.children[0]
    actor: Any = child.start()
    found: McpSettings = actor._settings
    return found


def test_a_tool_that_nobody_has_is_named_with_the_assistant_that_wants_it() -> None:
    with pytest.raises(ConfigError) as caught:
        Tools(config("clock", "rol"), [roll])

    assert caught.value.faults == (
        (
            'assistants.default.tools[1]: there is no tool "rol": none is built in, none stands under '
            'tools, and the program brings none; did you mean "roll"?'
        ),
    )


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ([roll, roll], "tool 'roll': name: a tool of this name is there twice"),
        ([tool(name="clock")(roll.function)], "a tool of this name is built in"),
        ([roll.function], "tool 'roll': function: it is no tool; decorate the function with @tool"),
    ],
)
def test_what_the_program_brings_is_looked_at(own: list[Tool], words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        Tools(config("clock"), own)
