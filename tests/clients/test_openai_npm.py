"""OpenAI's client for node: chat completions, responses, and responses over a websocket."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.environments import NodeClient, install_npm
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

pytestmark = pytest.mark.clients_npm


@pytest.fixture(scope="module")
def client() -> NodeClient:
    return install_npm("npm-openai", "openai@7.55.0", "ws@8.23.0")


@pytest.fixture
def told(client: NodeClient, served: Server, token: str) -> Callable[[str], Any]:
    """What a part of the program has seen."""
    return lambda what: client.program("openai_npm.mjs", f"{served.url}/v1", token, what)


def test_it_reads_a_stream_of_chat(told: Callable[[str], Any]) -> None:
    assert told("chat") == {"text": "You said: hello there"}


def test_it_goes_on_from_a_response(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    assert told("responses") == {"texts": ["You said: one", "You said: two"]}
    assert len(simulator.requests()[-1]["body"]["messages"]) == 3


def test_it_talks_over_a_websocket(told: Callable[[str], Any], simulator: SimulatorProcess) -> None:
    assert told("socket") == {
        "texts": ["You said: one", "You said: two"],
        "code": "model_not_found",
        "status": 404,
    }
    assert len(simulator.requests()[-1]["body"]["messages"]) == 3
