"""A secret is planted in a whole application, and each of its surfaces is searched for it.

What a provider, a tool and an operator say quotes it: errors, arguments, results, reasons. The
surfaces are the log, the feed (which the page reads), its words, the page's own files, spans,
metrics, and every file that the program writes: journal and ledger, crash file, audit file, dump.
"""

import io
import json
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.fakes.consoles import ConsoleClient, connect, short_folder
from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta, frame
from trouper.actors import ChatRequest, Message, ProviderError, TextPart, open_app
from trouper.actors.app import App
from trouper.actors.config.load import parse_config
from trouper.actors.console.protocol import TOPICS, WANTS
from trouper.actors.errors import TurnFailed
from trouper.actors.logs import configure_logging
from trouper.actors.provider.connection import Connection
from trouper.actors.tools import tool
from trouper.actors.tree import breaker_path, connection_path

KEY = "plain.words-planted/4711"
TOKEN = "plain.words-token/4713"

CONFIG = """
[server]
listen = "127.0.0.1:0"
tokens = ["env:TOKEN"]

[store]
path = "{store}"

[console]
role = "admin"
web = true

[telemetry]
traces = true
content = true

[providers.fake]
kind = "openai"
base_url = "https://fake.test/v1"
api_keys = ["env:KEY"]
retry = {{attempts = 1}}

[models.default]
targets = ["fake/m"]

[assistants.default]
model = "default"
tools = ["tell", "fail"]

[budgets.daily]
limit_usd = "5.00"
per = "day"

[prices."fake/*"]
input = 1.0
output = 2.0
"""


@tool
def tell(what: str) -> str:
    """Tell it."""
    return f"{what} is {KEY}"


@tool
def fail(what: str) -> str:
    """Fail at it."""
    raise ValueError(f"{what} is not {KEY}")


def calls(*names: str) -> Body:
    asked = [
        {
            "index": number,
            "id": f"c{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps({"what": "it"})},
        }
        for number, name in enumerate(names)
    ]
    return Body(ROLE, frame({"tool_calls": asked}), frame({}, "tool_calls"), DONE)


@pytest.fixture
def log() -> Generator[io.StringIO]:
    stream = io.StringIO()
    configure_logging("debug", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return memory


async def converse(app: App) -> None:
    """A turn that fails, one at which the connection crashes, and one with tools."""
    session = await app.session("alice", user="bob")
    for _ in range(2):
        with pytest.raises(TurnFailed):
            await session.ask("hello")
    assert await session.ask("hello") == "fine"


async def all_of(client: ConsoleClient) -> dict[str, str]:
    """Everything that the console tells, by what was asked."""
    path = connection_path("fake")
    act = {"act": "suspend", "path": path, "reason": f"of {KEY}", "args": {"why": KEY}}
    trip = {"act": "trip", "path": breaker_path("fake", "m"), "reason": f"opened for {KEY}"}
    told = {
        "act": str(await client.ask("act", **act)),
        "trip": str(await client.ask("act", **trip)),
        "unknown": str(await client.ask("act", act="restart", path=KEY)),
        "hello": str(await client.ask("hello", token=KEY)),
        "feed": str(await client.get(*TOPICS)),
        "actor": str(await client.ask("inspect", path=path, want=WANTS)),
        "session": str(await client.ask("session", session="alice", text=True)),
    }
    lines: list[str] = []
    for words in ("tree", "events", f"inspect {path}", f"inspect {KEY}", KEY):
        await client.say(f"{words}\nmark")
        while (line := await client.line()) != "? mark":
            lines.append(line)
        for _ in range(6):
            await client.line()
    told["words"] = "\n".join(lines)
    await client.say('{"op":"dump"}')
    frames: list[str] = []
    while (one := await client.frame())["t"] != "done":
        frames.append(str(one))
    told["dump"] = "\n".join(frames)
    return told


async def refused(app: App) -> str:
    """What a client is told whose model an operator has taken out of service."""
    request = ChatRequest(model="default", messages=(Message("user", (TextPart("hello"),)),))
    with pytest.raises(ProviderError) as caught:
        await app.complete(request)
    return str(caught.value)


async def served(app: App) -> dict[str, str]:
    """What the server tells over HTTP to who may ask."""
    assert app.listening is not None
    headers = {"authorization": f"Bearer {TOKEN}"}
    told: dict[str, str] = {}
    async with httpx.AsyncClient(trust_env=False, base_url=app.listening.url) as client:
        for path in ("/metrics", "/readyz", "/healthz", "/console/", "/v1/models"):
            told[path] = (await client.get(path, headers=headers)).text
    return told


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_a_planted_secret_is_on_none_of_the_surfaces(
    log: io.StringIO,
    spans: InMemorySpanExporter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = dict.fromkeys(("message", "code", "type", "param"), f"what of {KEY}?")
    fine = Body(ROLE, delta("fine"), FINISH, DONE)
    fake = Answers(
        httpx.Response(400, json={"error": error}, headers={"x-request-id": KEY}),
        RuntimeError(f"a fault that quotes {KEY}"),
        calls("tell", "fail"),
        fine,
    )

    def transport(_connection: Connection) -> Answers:
        return fake

    monkeypatch.setattr(Connection, "_own_transport", transport)
    config = parse_config(
        CONFIG.format(store=tmp_path / "kept.db"), environ={"KEY": KEY, "TOKEN": TOKEN}
    )
    with short_folder():
        async with open_app(config, serve=True, signals=False, tools=[tell, fail]) as app:
            await converse(app)
            client = await connect(app._watching.console)
            async with client.stream:
                said = await all_of(client)
            said |= await served(app)
            said["refusal"] = await refused(app)
    said["spans"] = "\n".join(span.to_json() for span in spans.get_finished_spans())
    said["log"] = log.getvalue()
    files = contents(tmp_path)

    # All of it was there to be found.
    assert not fake.answers
    assert "execute_tool fail" in said["spans"]
    assert "it is [redacted]" in said["spans"]
    assert "a fault that quotes [redacted]" in said["dump"]
    assert "call answered" in said["feed"]
    assert "opened by hand: opened for [redacted]" in said["feed"]
    assert "opened for [redacted]" in said["refusal"]
    assert "it is [redacted]" in said["session"]
    assert "console action" in said["log"]
    assert "trouper_crashes_total" in said["/metrics"]
    assert b"a fault that quotes [redacted]" in files["kept-crashes.jsonl"]
    assert b"of [redacted]" in files["kept-audit.jsonl"]
    assert b"it is [redacted]" in files["kept.db"]

    for secret in (KEY, TOKEN):
        assert [name for name, text in said.items() if secret in text] == []
        assert [name for name, text in files.items() if secret.encode() in text] == []
