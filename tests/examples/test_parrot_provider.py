"""The worked example of docs/how-to/add-a-provider.md, used by a process in which it is installed."""

import json
import os
import sys
import tomllib
from pathlib import Path

import attrs
import pytest
import trio

from tests.fakes.http_server import HttpServer, answer, start_server
from tests.fakes.packages import install

PACKAGE = Path(__file__).with_name("parrot_provider")

CONFIG = """
[providers.polly]
kind = "parrot"
base_url = "http://127.0.0.1:{port}"
api_keys = ["env:PERCH_KEY"]
options = {{ {options} }}
[models.default]
targets = ["polly/ara"]
[assistants.default]
model = "default"
"""

# What a bot does, in a process of its own.
BOT = """
import json, sys, trio
from contextlib import aclosing
from trouper.actors import (
    ChatRequest, ConfigError, Message, ProviderError, TextPart, load_config, open_provider
)

async def main():
    config = load_config(sys.argv[1])
    hello = ChatRequest(model="ara", messages=(Message("user", (TextPart("hello"),)),))
    async with open_provider(config.providers["polly"]) as polly:
        whole = await polly.complete(hello)
        async with aclosing(polly.stream(hello)) as chunks:
            streamed = [type(chunk).__name__ async for chunk in chunks]
    return {"text": whole.text, "finish": whole.finish.value, "used": whole.usage.output,
            "streamed": streamed}

try:
    print(json.dumps(trio.run(main)))
except ConfigError as error:
    print(json.dumps({"faults": error.faults}))
except ProviderError as error:
    print(json.dumps({"kind": error.kind.value, "status": error.status, "code": error.code}))
"""

WORDS = b'{"word": "hello"}\n{"word": " there"}\n{"end": "done", "heard": 1, "said": 2}\n'


def installed(site: Path) -> None:
    """Install the example as its own pyproject.toml says."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    code = (PACKAGE / "parrot_provider.py").read_text()
    install(site, project["name"], {"parrot_provider": code}, project["entry-points"])


@attrs.define
class Bot:
    """A program with the example installed, or without."""

    folder: Path
    site: Path

    async def run(self, port: int, options: str = 'accent = "pirate"') -> dict[str, object]:
        config = self.folder / "trouper.toml"
        config.write_text(CONFIG.format(port=port, options=options))
        path = os.pathsep.join([str(self.site), os.environ.get("PYTHONPATH", "")])
        done = await trio.run_process(
            [sys.executable, "-c", BOT, str(config)],
            env={**os.environ, "PYTHONPATH": path, "PERCH_KEY": "cracker-123"},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        said: dict[str, object] = json.loads(done.stdout)
        return said


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    installed(tmp_path / "site")
    return Bot(tmp_path, tmp_path / "site")


@pytest.fixture
def bare_bot(tmp_path: Path) -> Bot:
    (tmp_path / "site").mkdir()
    return Bot(tmp_path, tmp_path / "site")


async def test_a_package_brings_a_kind_with_its_wire_its_header_and_its_option(
    bot: Bot, nursery: trio.Nursery
) -> None:
    server: HttpServer = await start_server(nursery, answer(WORDS))

    said = await bot.run(server.port)

    assert said == {
        "text": "hello there",
        "finish": "stop",
        "used": 2,
        "streamed": ["Started", "TextDelta", "TextDelta", "UsageUpdate", "Finished"],
    }
    whole, streamed = server.asked
    assert whole.line == b"POST /v1/say HTTP/1.1"
    assert whole.headers[b"x-perch"] == b"cracker-123"
    assert b"authorization" not in whole.headers
    assert json.loads(whole.body) == {
        "bird": "ara",
        "line": "hello",
        "stream": False,
        "accent": "pirate",
    }
    assert json.loads(streamed.body)["stream"] is True


async def test_its_refusals_become_kinds_of_error(bot: Bot, nursery: trio.Nursery) -> None:
    refusal = b'{"error": {"message": "no cracker", "code": "invalid_api_key"}}'
    server = await start_server(nursery, answer(refusal, b"401 Unauthorized"))

    said = await bot.run(server.port)

    assert said == {"kind": "auth", "status": 401, "code": "invalid_api_key"}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b'{"word": "hel', "stream_truncated"),
        (b'{"word": "hello"}\n', "stream_truncated"),
        (b"<html>\n", "protocol_error"),
    ],
)
async def test_what_is_no_whole_answer_is_never_taken_for_one(
    bot: Bot, nursery: trio.Nursery, sent: bytes, kind: str
) -> None:
    server = await start_server(nursery, answer(sent))

    said = await bot.run(server.port)

    assert said["kind"] == kind


async def test_an_option_that_is_wrong_is_named_before_anything_runs(bot: Bot) -> None:
    assert await bot.run(1, "accent = 3") == {
        "faults": ["providers.polly.options.accent: must be text, not 3"]
    }
    said = await bot.run(1, 'acent = "pirate"')
    assert (
        "polly.options.acent: this version of trouper does not know this key; did you mean"
        in str(said["faults"])
    )


async def test_without_the_package_the_configuration_says_that_nobody_brings_the_kind(
    bare_bot: Bot,
) -> None:
    said = await bare_bot.run(1)

    assert "providers.polly.kind: this version of trouper knows no kind of provider" in str(
        said["faults"]
    )
