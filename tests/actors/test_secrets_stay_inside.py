"""Secrets planted in a whole application, and looked for in everything that leaves it.

Row 34 of the table of complaints (tests/complaints.py): keys in
exceptions and logs. The provider here quotes the key that it was shown wherever
it can, and a fault of our own quotes it, too. The keys look like nothing that a
pattern finds.
"""

import io
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta, frame
from trouper.actors import ChatRequest, Message, ProviderError, TextPart, open_app
from trouper.actors.app import App
from trouper.actors.config import AppConfig
from trouper.actors.config.load import parse_config
from trouper.actors.errors import TurnFailed
from trouper.actors.logs import configure_logging
from trouper.actors.provider.connection import Connection
from trouper.actors.store.ledger import Selection
from trouper.runtime.events import RuntimeEvent

KEYS = {"FIRST": "plain.words-first/4711", "SECOND": "plain.words-second/4712"}
TOKEN = "plain.words-token/4713"
PLANTED = (*KEYS.values(), TOKEN)

CONFIG = """
[server]
listen = "127.0.0.1:0"
tokens = ["env:TOKEN"]

[providers.fake]
kind = "openai"
base_url = "https://fake.test/v1"
api_keys = ["env:FIRST", "env:SECOND"]
retry = {attempts = 1}
breaker = {min_calls = 1000}

[models.default]
targets = ["fake/m"]

[assistants.default]
model = "default"
"""


def said() -> str:
    return f"the key {KEYS['FIRST']}, or was it {KEYS['SECOND']}"


def refusal(status: int) -> httpx.Response:
    error = {name: said() for name in ("message", "code", "type", "param")}
    return httpx.Response(status, json={"error": error}, headers={"x-request-id": said()})


def breaking() -> Body:
    frames = b'data: {"error": {"message": "%b", "code": "%b"}}\n\n' % ((said().encode(),) * 2)
    return Body(ROLE, delta("a"), frames)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, by us and by libraries, at every level."""
    stream = io.StringIO()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    configure_logging("debug", stream)
    raw = logging.StreamHandler(stream)
    root.addHandler(raw)
    root.setLevel(logging.DEBUG)
    yield stream
    structlog.reset_defaults()
    root.setLevel(level)
    root.handlers[:] = handlers


def everything_of(error: BaseException) -> str:
    """What anybody may print or store of an error, and of what it holds.

    But for its causes: they are exceptions of the program's own, as they were raised.
    """
    trace = "".join(traceback.format_exception(error, chain=False))
    values = repr(vars(error)) if hasattr(error, "__dict__") else ""
    return f"{error}{error!r}{trace}{values}{pickle.dumps(error)!r}"


def places_of(text: str) -> list[int]:
    return [match.start() for match in re.finditer("|".join(map(re.escape, PLANTED)), text)]


def config() -> AppConfig:
    return parse_config(CONFIG, environ={**KEYS, "TOKEN": TOKEN})


async def fails(app: App, *, streamed: bool) -> str:
    request = ChatRequest(model="default", messages=(Message("user", (TextPart("hello"),)),))
    with pytest.raises(ProviderError) as caught:
        if streamed:
            [_ async for _ in app.stream(request, user="alice")]
        else:
            await app.complete(request, user="alice")
    return everything_of(caught.value)


async def test_no_secret_is_in_anything_that_leaves_the_process(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 34: "Secret type with masked repr; errors never hold request objects"."""
    events: list[RuntimeEvent] = []
    html = httpx.Response(502, text=f"<html><p>{said()}</p></html>")
    garbled = httpx.Response(200, text=f"no JSON, but {said()}")
    moved = httpx.Response(307, headers={"location": f"https://fake.test/?key={KEYS['FIRST']}"})
    broken = (httpx.ConnectError(said()), httpx.ReadError(said()))
    refused = [refusal(status) for status in (400, 429, 500)]
    again = [refusal(status) for status in (400, 429, 500)]
    no_json = Body(b"data: " + said().encode() + b"\n\n")
    fine = Body(ROLE, delta("fine"), frame({}, said()), FINISH, DONE)
    answers: list[Any] = [*refused, html, garbled, moved, *broken]
    answers += [*again, breaking(), no_json, RuntimeError(said()), refusal(500), fine]
    fake = Answers(*answers)

    def transport(_connection: Connection) -> Answers:
        return fake

    monkeypatch.setattr(Connection, "_own_transport", transport)
    left: list[str] = []
    async with open_app(config(), serve=True, signals=False, observer=events.append) as app:
        left += [await fails(app, streamed=False) for _ in range(8)]
        left += [await fails(app, streamed=True) for _ in range(5)]
        left.append(await fails(app, streamed=False))
        session = await app.session("alice")
        with pytest.raises(TurnFailed) as caught:
            await session.ask("hello")
        left.append(everything_of(caught.value))
        assert await session.ask("hello") == "fine"
        left += [repr(row) async for row in app.ledger.rows(Selection())]
        left += [repr(app.config), repr(await app.readiness())]
        crashes = [actor.last_crash for actor in app.snapshot() if actor.last_crash is not None]
        left += [repr(app.snapshot()), *(f"{crash.error}{crash.traceback}" for crash in crashes)]
        async with httpx.AsyncClient(trust_env=False) as client:
            assert app.listening is not None
            headers = {"authorization": f"Bearer {TOKEN}"}
            left.append((await client.get(f"{app.listening.url}/metrics", headers=headers)).text)
            left.append((await client.get(f"{app.listening.url}/readyz")).text)
    left += [repr(event) for event in events]
    left.append(log.getvalue())

    assert not fake.answers
    # The fault of our own, whose text quotes a key.
    assert any("RuntimeError: the key [redacted]" in crash.error for crash in crashes)
    assert any("RuntimeError: the key [redacted]" in crash.traceback for crash in crashes)
    assert "call answered" in log.getvalue()
    assert len(left) > 20
    found = [text[max(0, at - 120) : at + 40] for text in left for at in places_of(text)]
    assert found == []
