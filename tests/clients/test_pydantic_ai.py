"""Agents of pydantic-ai, over chat completions."""

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
    return lambda what: client.program("pydantic_ai_chat.py", f"{served.url}/v1", token, what)


def test_an_agent_has_answers_and_a_history(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    answer = told("plain")

    assert answer["texts"] == ["You said: hello there", "You said: and more"]
    assert (answer["tokens"] > 0, answer["messages"]) == (True, 4)
    roles = [message["role"] for message in simulator.requests()[-1]["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_an_agent_reads_a_stream(told: Callable[[str], Any], simulator: SimulatorProcess) -> None:
    # What comes at once may come as one piece.
    simulator.script({"reply": {"text": "one two three", "pace": 0.05}})

    assert told("streamed") == {"text": "one two three", "pieces": 3}


def test_an_agent_runs_its_tools_and_goes_on(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    calls = [{"name": "clock", "arguments": {"tz": tz}} for tz in ("UTC", "CET")]
    simulator.script({"reply": {"tool_calls": calls}, "times": 1}, {"reply": {"text": "noon"}})

    assert told("tools") == {"called": ["CET", "UTC"], "text": "noon"}
    results = [m for m in simulator.requests()[-1]["body"]["messages"] if m["role"] == "tool"]
    assert [result["content"] for result in results] == ["noon in UTC", "noon in CET"]


def test_an_agent_has_values_of_a_type(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    place = {"city": "Paris", "country": "France"}
    simulator.script({"reply": {"tool_calls": [{"name": "final_result", "arguments": place}]}})

    assert told("typed") == place


def test_an_agent_hears_that_its_token_is_wrong(told: Callable[[str], Any]) -> None:
    assert told("errors") == {"status": 401, "code": "invalid_api_key"}
