"""The wheel, without any extra, in every Python that we support and that is here."""

import urllib.request
from pathlib import Path

import pytest

from tests.packaging.building import Environment

CONFIG = """
[server]
listen = "127.0.0.1:0"
[store]
path = "trouper.db"
[providers.sim]
kind = "openai"
base_url = "{url}"
[models.default]
targets = ["sim/sim"]
[assistants.default]
model = "default"
"""

EXTRAS = {
    "trouper.actors.cli.top.face": "urwid",
    "trouper.actors.testing.fixtures": "pytest",
    "trouper.runtime.testing.fixtures": "pytest",
    "trouper.actors.telemetry.origin": "opentelemetry",
    "trouper.actors.telemetry.spans": "opentelemetry",
    "trouper.actors.telemetry.step_spans": "opentelemetry",
    "trouper.actors.tools.mcp_link": "httpx2",
}
"""The modules that need an extra, or pytest, and what of it they miss."""


def test_every_module_but_those_of_extras_is_imported_without_a_warning(
    installed: Environment,
) -> None:
    assert installed.program("import_everything.py") == EXTRAS


def test_a_program_runs_and_stops_without_a_warning(installed: Environment) -> None:
    assert installed.program("converse.py") == [42, "Good morning.", "Good evening."]


def test_the_command_simulates_serves_and_talks(installed: Environment, tmp_path: Path) -> None:
    config = tmp_path / "trouper.toml"
    with installed.serving("trouper", "sim", "--listen", "127.0.0.1:0") as simulator:
        config.write_text(CONFIG.format(url=f"{simulator}/v1"))
        with installed.serving("trouper", "serve", "--config", str(config)) as url:
            said = installed.run("trouper", "chat", "--url", url, "hello there")
            with urllib.request.urlopen(f"{url}/readyz", timeout=10) as ready:
                status = ready.status

    assert (said.returncode, said.stdout, said.stderr) == (0, "You said: hello there\n", "")
    assert status == 200


@pytest.mark.parametrize("words", ["--help", "--version", "serve --help", "check trouper.toml"])
def test_the_command_says_what_it_is_asked(
    words: str, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "trouper.toml").write_text(CONFIG.format(url="http://127.0.0.1:1/v1"))

    done = environment.run("trouper", *words.split(), cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "trouper" in done.stdout
