"""A conversation by previous_response_id goes on after `kill -9`: real processes, some seconds."""

import signal
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.commands import Server, config, server
from tests.fakes.simulator import SimulatorProcess


def ask(running: Server, **body: Any) -> dict[str, Any]:
    answer = httpx.post(
        f"{running.url}/v1/responses",
        json={"model": "default", **body},
        timeout=20.0,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_what_a_client_has_seen_end_is_there_after_a_kill(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    provider = f'kind = "openai"\nbase_url = "{simulator.base_url}"'
    text = config(provider, more=f'[store]\npath = "{tmp_path / "trouper.db"}"')
    with server(tmp_path, text) as running:
        first = ask(running, input="one")
        second = ask(running, input="two", previous_response_id=first["id"])
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()

    with server(tmp_path, text) as running:
        third = ask(running, input="three", previous_response_id=second["id"])
        again = httpx.get(f"{running.url}/v1/responses/{first['id']}", trust_env=False).json()

    assert third["output"][0]["content"][0]["text"] == "You said: three"
    assert again["output"] == first["output"]
    messages = simulator.requests()[-1]["body"]["messages"]
    assert [message["content"] for message in messages] == [
        "one",
        "You said: one",
        "two",
        "You said: two",
        "three",
    ]
