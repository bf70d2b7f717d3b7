"""The official packages of the Agent Client Protocol, for Python and for node, over /acp."""

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import install, install_npm
from tests.fakes.commands import Server, config, server
from tests.fakes.simulator import SimulatorProcess

REMOVE = f"""
tools = ["remove"]
[store]
path = "trouper.db"
[tools.remove]
command = ["{sys.executable}", "-c", "print('removed')"]
description = "Removes a file."
parameters = {{type = "object", properties = {{path = {{type = "string"}}}}}}
approval = "always"
"""

PYTHON = pytest.param("python", marks=pytest.mark.clients)
NODE = pytest.param("node", marks=pytest.mark.clients_npm)


@pytest.fixture
def acting(simulator: SimulatorProcess, tmp_path: Path, token: str) -> Generator[Server]:
    """`trouper serve` with a tool for which leave is asked, and sessions that are kept."""
    provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"\nretry = {{ attempts = 1 }}'
    tokens = 'tokens = [{secret = "env:CLIENTS_TOKEN", name = "editor", scopes = ["session"]}]'
    text = config(provider, server=tokens, more=REMOVE)
    with server(tmp_path, text, environ={"CLIENTS_TOKEN": token}) as running:
        yield running


@pytest.fixture(params=[PYTHON, NODE])
def told(acting: Server, token: str, request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """What a part of the program has seen."""
    if request.param == "python":
        python = install("acp", "agent-client-protocol[ws]==0.12.1", "websockets>=15")
        return lambda what: python.program("acp_editor.py", acting.acp, token, what)
    node = install_npm("npm-acp", "@agentclientprotocol/sdk@2.4.0", "ws@8.23.0")
    return lambda what: node.program("acp_editor.mjs", acting.acp, token, what)


def test_it_talks(told: Callable[[str], Any]) -> None:
    assert told("talk") == {
        "version": 1,
        "name": "trouper",
        "text": "You said: hello there",
        "stop": "end_turn",
        "usage": True,
    }


def test_it_is_asked_for_leave_and_shown_the_tool(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    call = {"name": "remove", "arguments": {"path": "/tmp/x"}}
    simulator.script({"reply": {"tool_calls": [call]}, "times": 1}, {"reply": {"text": "Done."}})

    assert told("tools") == {
        "asked": ["remove"],
        "titles": ["remove"],
        "last": "completed",
        "result": "removed",
        "text": "Done.",
        "stop": "end_turn",
    }


def test_it_cancels(told: Callable[[str], Any], simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": "word " * 400, "pace": 0.05}})

    assert told("cancel") == {"stop": "cancelled"}


def test_it_comes_back_to_what_was_said(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    assert told("again") == {
        "listed": True,
        "loaded": ["hello there", "You said: hello there"],
        "resumed": 0,
    }
    last = simulator.requests()[-1]["body"]["messages"]
    said = [message["content"] for message in last if message["role"] == "user"]
    assert said == ["hello there", "and more", "the last"]


def test_it_hears_why_a_turn_failed(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    simulator.script({"fault": {"kind": "status", "status": 400}})

    assert told("errors") == {"code": -32010, "said": True}
