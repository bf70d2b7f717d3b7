"""The official client of OpenAI's, with nothing changed but its base_url."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import Client, install
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def client() -> Client:
    return install("openai", "openai==3.52.0")


@pytest.fixture
def told(client: Client, served: Server, token: str) -> Callable[[str], Any]:
    """What a part of the program has seen."""
    return lambda what: client.program("openai_chat.py", f"{served.url}/v1", token, what)


def test_it_has_an_answer(told: Callable[[str], Any]) -> None:
    answer = told("plain")

    assert (answer["text"], answer["finish"]) == ("You said: hello there", "stop")
    assert answer["tokens"] == 6
    assert answer["request_id"].startswith("req_")


def test_it_reads_a_stream(told: Callable[[str], Any]) -> None:
    assert told("streamed") == {"text": "You said: hello there", "tokens": 6}
    assert told("streamed_async") == {"text": "You said: hello there"}


def test_its_tools_are_called_and_their_results_go_back(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    calls = [{"name": "clock", "arguments": {"tz": tz}} for tz in ("UTC", "CET")]
    simulator.script({"reply": {"tool_calls": calls}, "times": 1}, {"reply": {"text": "noon"}})

    answer = told("tools")

    assert answer["finish"] == "tool_calls"
    assert answer["calls"] == [["clock", {"tz": "UTC"}], ["clock", {"tz": "CET"}]]
    assert answer["after"] == "noon"
    last = simulator.requests()[-1]["body"]
    roles = [message["role"] for message in last["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]
    assert last["messages"][1]["tool_calls"][1]["id"] == last["messages"][3]["tool_call_id"]


def test_it_raises_what_its_users_catch(
    told: Callable[[str], Any], simulator: SimulatorProcess
) -> None:
    window = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    simulator.script(
        {"contains": "too fast", "fault": {"kind": "status", "status": 429}},
        {"contains": "too long", "fault": {"kind": "status", "status": 400, "body": window}},
        {"contains": "cut", "reply": {"text": "one two"}, "fault": {"kind": "cut", "after": 600}},
    )

    assert told("errors") == {
        "token": ["AuthenticationError", "invalid_api_key", None],
        "model": ["NotFoundError", "model_not_found", "model"],
        "field": ["BadRequestError", "invalid_request", "temperature"],
        "limit": ["RateLimitError", "rate_limit_exceeded", None],
        "window": ["BadRequestError", "context_length_exceeded", "messages"],
        "broken": ["APIError", "stream_truncated", None],
    }


def test_it_lists_the_models(told: Callable[[str], Any]) -> None:
    assert told("models") == {"models": ["default"], "one": "default"}


def test_the_example_of_the_documentation_runs(
    client: Client, served: Server, token: str, tmp_path: Path
) -> None:
    page = ROOT / "docs" / "how-to" / "use-an-openai-client.md"
    (example,) = re.findall(r"```py\n(.*?)```", page.read_text(), re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(
        example.replace("http://127.0.0.1:8700", served.url).replace("your TROUPER_TOKEN", token)
    )

    done = client.run("python", str(program))

    assert done.stdout == "You said: hello\n", done.stderr
