"""What is said of assistants and tools that are right, and may still not do what is wanted."""

import datetime
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.bot.commands import WORDS
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    KindConfig,
    McpConfig,
    ModelConfig,
    ProviderConfig,
    Secret,
    ToolConfig,
)
from trouper.actors.config.advice import warnings_of
from trouper.actors.config.assistant_advice import COMMANDS

TODAY = datetime.date(2026, 11, 21)
CAT = ToolConfig(command=("cat",), description="Says it.")


def config(assistant: AssistantConfig, name: str = "default", **more: Any) -> AppConfig:
    facts: dict[str, dict[str, Any]] = {
        "here/m": {"max_output_tokens": 100, "tools": False, "efforts": ["low"]},
        "here/n": {"tools": True},
    }
    return AppConfig(
        providers={
            "here": ProviderConfig(name="here", kind="openai", base_url="http://127.0.0.1:1/v1")
        },
        models={
            "small": ModelConfig(targets=["here/m"]),
            "other": ModelConfig(targets=["here/n"], context="refuse"),
        },
        assistants={name: assistant},
        facts=facts,
        **more,
    )


def said(assistant: AssistantConfig, name: str = "default", **more: Any) -> tuple[str, ...]:
    return warnings_of(config(assistant, name, **more), TODAY)


def test_what_is_well_needs_no_word() -> None:
    well = AssistantConfig(model="other", tools=["clock", "say"], max_output_tokens=5)

    assert said(well, tools={"say": CAT}) == ()


def test_what_an_assistant_asks_for_is_held_against_its_model() -> None:
    kinds = {"code": KindConfig(words=["code"], reasoning_effort="high")}
    wrong = AssistantConfig(model="small", tools=["clock"], max_output_tokens=500, kinds=kinds)

    assert said(wrong) == (
        "assistants.default.max_output_tokens: 500 is out of range; m takes 1 to 100",
        "assistants.default.tools: m takes none; leave it out, or ask another model",
        "assistants.default.kinds.code.reasoning_effort: 'high' is not known; m takes low",
    )


def test_a_tool_that_only_a_program_can_bring_is_named_where_nobody_knows_the_program() -> None:
    wants = AssistantConfig(model="other", tools=["clok", "c*"])

    assert said(wants) == (
        (
            "assistants.default.tools[0]: nothing here is called clok; a program that brings it "
            'has to open the application, which `trouper serve` does not; did you mean "clock"?'
        ),
    )
    assert warnings_of(config(wants), TODAY, own_tools=["clok"]) == ()


@pytest.mark.parametrize("name", ["help", "Stop"])
def test_an_assistant_that_no_bot_can_call_is_named(name: str) -> None:
    assert said(AssistantConfig(model="other"), name) == (
        f"assistants.{name}: bots have a command of this name, so nobody can ask it there",
    )


def test_the_commands_of_bots_are_known_here() -> None:
    assert sorted(WORDS) == list(COMMANDS)


def test_a_conversation_that_is_never_shortened_has_no_room_for_parts() -> None:
    [warning] = said(AssistantConfig(model="other", long_text="split"))

    assert warning.startswith("assistants.default.long_text: ")
    assert 'context = "drop_oldest"' in warning


def test_what_nobody_uses_and_what_is_not_on_this_machine_is_named(tmp_path: Path) -> None:
    program = tmp_path / "own"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    tools = {
        "unused": CAT,
        "missing": ToolConfig(command=("no-such-program",), description="x"),
        "own": ToolConfig(command=("./own",), description="x", cwd=tmp_path),
        "away": ToolConfig(command=("cat",), description="x", cwd=tmp_path / "no"),
    }
    uses = AssistantConfig(model="other", tools=["missing", "own", "aw*"])

    assert said(uses, tools=tools) == (
        "tools.unused: no assistant uses it, so it is never run",
        "tools.missing.command: there is no program no-such-program on this machine",
        f"tools.away.cwd: there is no folder {tmp_path}/no on this machine",
    )


def test_what_is_amiss_with_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    mcp = {
        "unused": McpConfig(command=("cat",)),
        "far": McpConfig(url="http://far.test/mcp", token=Secret("key-for-tests")),
        "near": McpConfig(url="http://127.0.0.1:1/mcp", token=Secret("key-for-tests")),
        "open": McpConfig(url="http://open.test/mcp"),
    }
    uses = AssistantConfig(model="other", tools=["far/*", "near/x", "open/y"])
    found = importlib.util.find_spec("sys")

    def installed(_: str) -> object:
        return found

    def missing(_: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", installed)

    assert said(uses, mcp=mcp) == (
        'mcp.unused: no assistant uses one of its tools, as "unused/*", so it is not started',
        (
            "mcp.far.url: what it is shown goes to far.test in clear, for everybody on the way to "
            "read; use https"
        ),
    )

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert (
        "mcp.near: it needs the extra, which is not installed: pip install 'trouper[mcp]'"
        in said(uses, mcp=mcp)
    )
