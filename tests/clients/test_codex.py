"""The command codex of npm, with a provider that speaks Responses over a websocket.

It prepares its conversation (`generate: false`) before it asks, offers many kinds
of tools, stores nothing and goes on by previous_response_id. It takes 400 MB of disk.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.environments import NODE, NodeClient, install_npm
from tests.fakes.commands import Server
from tests.fakes.simulator import SimulatorProcess

pytestmark = pytest.mark.clients_npm

CONFIG = """
model = "default"
model_provider = "trouper"
[model_providers.trouper]
name = "trouper"
base_url = "{url}/v1"
env_key = "TROUPER_TOKEN"
wire_api = "responses"
supports_websockets = true
"""
CONNECTED = "successfully connected to Responses WebSocket"


@pytest.fixture(scope="module")
def client() -> NodeClient:
    return install_npm("npm-codex", "@openai/codex@0.169.0")


@pytest.fixture
def codex(
    client: NodeClient, served: Server, token: str, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `codex exec` with these words."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text(CONFIG.format(url=served.url))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CODEX_HOME": str(home),
        "TROUPER_TOKEN": token,
        "RUST_LOG": "codex_api=info",
        # It looks for news of itself elsewhere.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        # It runs what the script of a test says, so it needs no sandbox of its own.
        free = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
        done = subprocess.run(
            [str(NODE), client.module("@openai/codex/bin/codex.js"), "exec", *words, *free],
            cwd=work,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_it_has_an_answer_and_goes_on_in_another_process(
    codex: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    first = codex("hello there")
    second = codex("resume", "--last", "and more")

    assert (first.stdout.strip(), second.stdout.strip()) == (
        "You said: hello there",
        "You said: and more",
    )
    assert CONNECTED in first.stderr
    assert CONNECTED in second.stderr


def test_it_runs_its_tools_and_tells_what_they_gave(
    codex: Callable[..., subprocess.CompletedProcess[str]], simulator: SimulatorProcess
) -> None:
    echo = {"name": "exec_command", "arguments": {"cmd": "echo from-the-shell"}}
    simulator.script(
        {"reply": {"tool_calls": [echo]}, "times": 1}, {"reply": {"text": "I have seen it"}}
    )

    done = codex("say something")

    assert done.stdout.strip() == "I have seen it"
    assert "\nfrom-the-shell\n" in done.stderr
    asked, told = (int(each["headers"]["content-length"]) for each in simulator.requests())
    assert told > asked  # by the call and its result
