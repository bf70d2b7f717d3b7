"""The official client of OpenAI's, asking for responses with nothing changed but its base_url."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import Client, install
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

pytestmark = pytest.mark.clients

CALLS = [{"name": "clock", "arguments": {"tz": tz}} for tz in ("UTC", "CET")]


@pytest.fixture(scope="module")
def client() -> Client:
    return install("openai-realtime", "openai[realtime]==3.52.0")


@pytest.fixture
def told(client: Client, served: Server, token: str) -> Callable[..., Any]:
    """What a part of a program has seen."""

    def run(program: str, *what: str) -> Any:
        return client.program(program, f"{served.url}/v1", token, *what)

    return run


HTTP, SOCKET = "openai_responses.py", "openai_socket.py"


def test_it_has_an_answer_again_and_forgets_it(told: Callable[..., Any]) -> None:
    answer = told(HTTP, "plain")

    assert (answer["text"], answer["status"]) == ("You said: hello there", "completed")
    assert (answer["tokens"], answer["again"], answer["gone"]) == (
        6,
        "You said: hello there",
        "response_not_found",
    )
    assert answer["request_id"].startswith("req_")


def test_it_reads_a_stream(told: Callable[..., Any]) -> None:
    text = "You said: hello there"

    assert told(HTTP, "streamed") == {"text": text, "final": text, "tokens": 6}


def test_it_goes_on_from_a_response(told: Callable[..., Any], simulator: SimulatorProcess) -> None:
    assert told(HTTP, "chained") == {"text": "You said: two", "previous": True}
    messages = simulator.requests()[-1]["body"]["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "You said: one"),
        ("user", "two"),
    ]


@pytest.mark.parametrize("program", [HTTP, SOCKET])
def test_its_tools_are_called_and_their_results_go_back(
    told: Callable[..., Any], simulator: SimulatorProcess, program: str
) -> None:
    simulator.script({"reply": {"tool_calls": CALLS}, "times": 1}, {"reply": {"text": "noon"}})

    answer = told(program, "tools")

    assert answer["calls"] == [["clock", {"tz": "UTC"}], ["clock", {"tz": "CET"}]]
    assert answer["after"] == "noon"
    # However the conversation went on: by its id, or with all items sent again.
    for request in simulator.requests()[1:]:
        messages = request["body"]["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
        assert messages[1]["tool_calls"][1]["id"] == messages[3]["tool_call_id"]


def test_it_has_values_of_a_type(told: Callable[..., Any], simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": '{"city": "Paris"}'}})

    assert told(HTTP, "parsed") == {"city": "Paris"}
    assert simulator.requests()[-1]["body"]["response_format"]["type"] == "json_schema"


def faults(simulator: SimulatorProcess) -> None:
    window = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    simulator.script(
        {"contains": "too fast", "fault": {"kind": "status", "status": 429}},
        {"contains": "too long", "fault": {"kind": "status", "status": 400, "body": window}},
        {"contains": "cut", "reply": {"text": "one two"}, "fault": {"kind": "cut", "after": 600}},
    )


def test_it_raises_what_its_users_catch(
    told: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    faults(simulator)

    assert told(HTTP, "errors") == {
        "token": ["AuthenticationError", "invalid_api_key", None],
        "model": ["NotFoundError", "model_not_found", "model"],
        "field": ["BadRequestError", "invalid_request", "temperature"],
        "limit": ["RateLimitError", "rate_limit_exceeded", None],
        "window": ["BadRequestError", "context_length_exceeded", "input"],
        "previous": ["BadRequestError", "previous_response_not_found", "previous_response_id"],
        "broken": ["response.failed", "stream_truncated"],
    }


def test_it_talks_over_a_websocket(told: Callable[..., Any]) -> None:
    answer = told(SOCKET, "plain")

    text = "You said: hello there"
    assert (answer["text"], answer["final"], answer["tokens"]) == (text, text, 6)


def test_it_goes_on_upon_another_websocket(
    told: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    first = told(SOCKET, "plain")

    assert told(SOCKET, "goes_on", first["id"]) == {"text": "You said: and now?"}
    assert len(simulator.requests()[-1]["body"]["messages"]) == 3


def test_its_lanes_are_answered_together(
    told: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    texts = [f"to {number}" for number in range(3)]
    simulator.script(*({"contains": text, "reply": {"text": text, "delay": 0.5}} for text in texts))

    answer = told(SOCKET, "lanes")

    assert (answer["texts"], answer["together"], answer["more"]) == (texts, True, "You said: more")


def test_it_may_prepare_a_conversation(
    told: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    assert told(SOCKET, "warm") == {"warm": [], "text": "You said: hi"}
    (request,) = simulator.requests()
    assert [message["role"] for message in request["body"]["messages"]] == ["system", "user"]


def test_its_websocket_tells_errors_and_stays(
    told: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    faults(simulator)

    assert told(SOCKET, "errors") == {
        "previous": [400, "previous_response_not_found", "previous_response_id"],
        "field": [400, "invalid_request", "temperature"],
        "model": [404, "model_not_found", "model"],
        "limit": ["failed", "rate_limit_exceeded"],
        "after": "You said: hello",
    }


def test_the_example_of_the_documentation_runs(
    client: Client, served: Server, token: str, tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "responses.md"
    (example,) = re.findall(r"```py\n(.*?)```", page.read_text(), re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(
        example.replace("http://127.0.0.1:8700", served.url).replace("your TROUPER_TOKEN", token)
    )

    done = client.run("python", str(program))

    assert done.stdout == "You said: hello", done.stderr
