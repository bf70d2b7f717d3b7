"""The tokens and limits of a configuration, as clients of the running application meet them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import AcpClient, open_acp
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import App, open_app
from trouper.actors.config import parse_config
from trouper.actors.errors import SessionTaken
from trouper.actors.store.ledger import Selection

ENVIRON = {"OLD": "token-of-old", "NEW": "token-of-today", "OTHER": "token-of-others"}
BOT = ', name = "bot", scopes = ["session"]}'
TOKENS = f"""
tokens = [
    {{secret = "env:OLD"{BOT},
    {{secret = "env:NEW"{BOT},
    {{secret = "env:OTHER", scopes = ["models", "metrics"]}},
]
"""


@asynccontextmanager
async def serving(simulator: SimulatorProcess, folder: Path, more: str = "") -> AsyncGenerator[App]:
    text = f"""
    [server]
    listen = "127.0.0.1:0"
    {TOKENS}
    {more}
    [store]
    path = "trouper.db"
    [providers.sim]
    kind = "openai"
    base_url = "{simulator.base_url}"
    [models.default]
    targets = ["sim/sim"]
    [assistants.default]
    model = "default"
    """
    config = parse_config(text, folder=folder, environ=ENVIRON)
    async with open_app(config, serve=True, signals=False) as app:
        yield app


def bearer(name: str) -> tuple[bytes, bytes]:
    return (b"Authorization", f"Bearer {ENVIRON[name]}".encode())


@asynccontextmanager
async def client_of(app: App, name: str) -> AsyncGenerator[AcpClient]:
    assert app.listening is not None
    async with open_acp(app.listening, extra_headers=[bearer(name)]) as ws:
        yield AcpClient(ws)


async def asked(app: App, name: str, path: str, body: Any = None) -> int:
    assert app.listening is not None
    async with httpx.AsyncClient(base_url=app.listening.url, trust_env=False) as http:
        method = "GET" if body is None else "POST"
        answer = await http.request(method, path, headers=[bearer(name)], json=body)
        return answer.status_code


async def test_a_token_is_good_for_what_its_scopes_say(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    body = {"model": "default", "messages": [{"role": "user", "content": "hello"}]}
    async with serving(simulator, tmp_path) as app:
        bot = [
            await asked(app, "NEW", "/v1/chat/completions", body),
            await asked(app, "NEW", "/metrics"),
        ]
        others = [
            await asked(app, "OTHER", "/v1/chat/completions", body),
            await asked(app, "OTHER", "/metrics"),
        ]

    assert (bot, others) == ([403, 403], [200, 200])


async def test_a_conversation_is_its_name_s_and_outlives_the_token(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    async with serving(simulator, tmp_path) as app:
        async with client_of(app, "OLD") as old:
            session = await old.open()
            await old.answer(await old.prompt(session, "one"))
        async with client_of(app, "NEW") as new:
            await new.initialize()
            await new.answer(await new.prompt(session, "two"))

    assert new.said == "You said: two"
    assert len(simulator.requests()[-1]["body"]["messages"]) == 3


async def test_the_limits_of_a_client_are_those_of_the_configuration(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    more = "max_sessions_per_client = 1\nmax_requests_per_client = 1\n"
    simulator.script({"reply": {"text": "slow " * 100, "pace": 0.05}})
    async with (
        serving(simulator, tmp_path, more) as app,
        client_of(app, "OLD") as one,
        client_of(app, "NEW") as two,
    ):
        session = await one.open()
        await two.initialize()
        another = await two.call("session/new", {"cwd": "/", "mcpServers": []})
        await one.prompt(session)
        await one.next()
        second = await two.answer(await two.prompt(session))
        await one.notify("session/cancel", {"sessionId": session})

    assert "max_sessions_per_client" in another["error"]["message"]
    assert "max_requests_per_client" in second["error"]["message"]


async def test_a_user_of_the_program_who_is_called_like_a_token_has_sessions_of_their_own(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    async with serving(simulator, tmp_path) as app:
        mine = await app.session("mine", user="bot")
        await mine.ask("one")
        async with client_of(app, "NEW") as token:
            theirs = await token.open()
            listed = await token.call("session/list", {})
            loaded = await token.call(
                "session/load", {"sessionId": "mine", "cwd": "/", "mcpServers": []}
            )
            await token.answer(await token.prompt(theirs, "two"))
        with pytest.raises(SessionTaken):
            await app.session(theirs, user="bot")
        spent = [row async for row in app.ledger.rows(Selection(user="bot"))]

    assert [session["sessionId"] for session in listed["result"]["sessions"]] == [theirs]
    assert loaded["error"]["message"].startswith("there is no session 'mine', or it is another")
    # Budgets know users by their names.
    assert len(spent) == 2
