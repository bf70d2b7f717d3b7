"""What needs an extra says which one, in an environment that has none."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.packaging.building import Environment
from tests.packaging.test_installed import CONFIG

MCP = """
tools = ["clock/now"]
[mcp.clock]
command = ["true"]
"""


LOCAL = """
[providers.here]
kind = "local"
local = { model_file = "model.gguf" }
"""


@pytest.mark.parametrize(
    ("extra", "more"),
    [("mcp", MCP), ("otel", "[telemetry]\ntraces = true"), ("local", LOCAL)],
    ids=["mcp", "otel", "local"],
)
def test_a_server_that_needs_an_extra_does_not_start_and_names_it(
    extra: str, more: str, environment: Environment, tmp_path: Path
) -> None:
    text = CONFIG.format(url="http://127.0.0.1:1/v1") + more
    (tmp_path / "trouper.toml").write_text(text)
    (tmp_path / "model.gguf").touch()

    done = environment.run("trouper", "serve", "--config", "trouper.toml", cwd=tmp_path)

    assert done.returncode == 1
    assert f"pip install 'trouper[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_screen_names_its_extra_where_it_is_missing(environment: Environment) -> None:
    ours, terminal = pty.openpty()
    try:
        done = subprocess.run(
            environment.command("trouper", "top"),
            env=environment.environ({"TERM": "xterm"}),
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(ours)

    assert "pip install 'trouper[console]'" in done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_a_budget_over_prices_that_nobody_knows_names_the_extra(
    environment: Environment, tmp_path: Path
) -> None:
    budget = '[budgets.daily]\nlimit_usd = "5.00"\nper = "day"\n'
    text = CONFIG.format(url="https://api.openai.com/v1") + budget
    (tmp_path / "trouper.toml").write_text(text)

    done = environment.run("trouper", "check", "trouper.toml", cwd=tmp_path)

    assert "pip install 'trouper[prices]'" in done.stderr
