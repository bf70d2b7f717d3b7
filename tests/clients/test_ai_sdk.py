"""Vercel's AI SDK on node, with its providers that take a base URL, by chat and by responses."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.environments import NodeClient, install_npm
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

pytestmark = pytest.mark.clients_npm


@pytest.fixture(scope="module")
def client() -> NodeClient:
    return install_npm(
        "npm-ai", "ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/openai-compatible@3.0.92"
    )


@pytest.fixture(params=["compatible", "openai", "responses"])
def told(
    client: NodeClient, served: Server, token: str, request: pytest.FixtureRequest
) -> Callable[[str], Any]:
    """What a part of the program has seen."""
    provider = request.param
    return lambda what: client.program("ai_chat.mjs", f"{served.url}/v1", token, provider, what)


def test_it_has_an_answer(told: Callable[[str], Any]) -> None:
    assert told("plain") == {"text": "You said: hello there", "finish": "stop", "tokens": 6}


def test_it_reads_a_stream_with_its_usage(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    # What comes at once may come as one piece.
    simulator.script({"reply": {"text": "one two three", "pace": 0.05}})
    answer = told("streamed")

    assert (answer["text"], answer["pieces"]) == ("one two three", 3)
    assert answer["tokens"] > 0


def test_its_tools_are_called_and_their_results_go_back(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    calls = [{"name": "clock", "arguments": {"tz": tz}} for tz in ("UTC", "CET")]
    simulator.script({"reply": {"tool_calls": calls}, "times": 1}, {"reply": {"text": "noon"}})

    assert told("tools") == {"called": ["CET", "UTC"], "text": "noon", "steps": 2}
    results = [m for m in simulator.requests()[-1]["body"]["messages"] if m["role"] == "tool"]
    assert [result["content"] for result in results] == ["noon in UTC", "noon in CET"]


def test_it_hears_why_its_token_is_refused(told: Callable[[str], Any]) -> None:
    answer = told("errors")

    assert (answer["api"], answer["status"]) == (True, 401)
    assert "not accepted" in answer["text"]


def test_an_abort_stops_the_answer(told: Callable[[str], Any], simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": "word " * 200, "pace": 0.05}})

    assert told("left") == {"seen": 3, "ended": "abort"}
