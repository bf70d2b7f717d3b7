"""Agents of pydantic-ai, over the websocket of responses."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.environments import Client, install
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def client() -> Client:
    return install("pydantic-ai", "pydantic-ai-slim[openai-realtime]==2.68.0")


@pytest.fixture
def told(client: Client, served: Server, token: str) -> Callable[[str], Any]:
    """What a part of the program has seen."""
    return lambda what: client.program("pydantic_ai_socket.py", f"{served.url}/v1", token, what)


def test_an_agent_has_answers_and_a_history(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    assert told("plain") == {"texts": ["You said: hello there", "You said: and more"]}
    roles = [message["role"] for message in simulator.requests()[-1]["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_an_agent_runs_its_tools_and_goes_on(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    calls = [{"name": "clock", "arguments": {"tz": tz}} for tz in ("UTC", "CET")]
    simulator.script({"reply": {"tool_calls": calls}, "times": 1}, {"reply": {"text": "noon"}})

    assert told("tools") == {"called": ["CET", "UTC"], "text": "noon"}
    results = [m for m in simulator.requests()[-1]["body"]["messages"] if m["role"] == "tool"]
    assert [result["content"] for result in results] == ["noon in UTC", "noon in CET"]


def test_agents_that_run_together_have_lanes(told: Callable[[str], Any]) -> None:
    assert told("together") == {"texts": [f"You said: to {number}" for number in range(3)]}


def test_an_agent_reads_a_stream(told: Callable[[str], Any], simulator: SimulatorProcess) -> None:
    # What comes at once may come as one piece.
    simulator.script({"reply": {"text": "one two three", "pace": 0.05}})

    assert told("streamed") == {"text": "one two three", "pieces": 3}


def test_an_agent_hears_an_error_and_the_websocket_stays(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    simulator.script({"contains": "too fast", "fault": {"kind": "status", "status": 429}})

    assert told("errors") == {"limit": 429, "after": "You said: hello"}
