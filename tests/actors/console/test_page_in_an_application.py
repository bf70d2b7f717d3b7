"""The page of a whole application: off unless it is wanted, and led to by `trouper console`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from tests.fakes.consoles import config, short_folder
from trouper.actors import open_app
from trouper.actors.app import App
from trouper.actors.cli.main import main
from trouper.actors.config import AppConfig, ConsoleConfig, ServerConfig
from trouper.actors.errors import ConfigError

REMOTE = ServerConfig(listen="0.0.0.0:0", tokens=["a-token-of-a-bot"])


def configured(server: ServerConfig, **console: Any) -> AppConfig:
    base = config(**console)
    return AppConfig(
        server=server,
        providers=base.providers,
        models=base.models,
        assistants=base.assistants,
        console=base.console,
    )


@asynccontextmanager
async def running(
    server: ServerConfig | None = None, **console: Any
) -> AsyncGenerator[tuple[App, httpx.AsyncClient]]:
    server = server or ServerConfig(listen="127.0.0.1:0")
    with short_folder():
        async with open_app(configured(server, **console), serve=True, signals=False) as app:
            assert app.listening is not None
            url = f"http://127.0.0.1:{app.listening.port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                yield app, client


async def ask_for_a_link(app: App) -> int:
    console = app._watching.console
    with trio.fail_after(5):
        while console.path is None:  # noqa: ASYNC110 - a child that starts is no Event
            await trio.sleep(0.01)
    words = ["console", "--sock", str(console.path)]
    return await trio.to_thread.run_sync(main, words)


async def test_there_is_no_page_unless_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    async with running() as (app, client):
        answers = [await client.get(path) for path in ("/console/", "/console/session")]
        code = await ask_for_a_link(app)

    assert {answer.status_code for answer in answers} == {404}
    assert code == 1
    assert "web = true" in capsys.readouterr().err


async def test_the_command_prints_a_link_that_opens_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running(web=True) as (app, client):
        code = await ask_for_a_link(app)
        printed = capsys.readouterr()
        page, _, secret = printed.out.strip().partition("#enter=")
        shown = await client.get(page)
        headers = {"Origin": str(client.base_url).rstrip("/")}
        entered = await client.post("/console/session", json={"code": secret}, headers=headers)

    assert code == 0
    assert "good once, within 5 minutes; the page may read" in printed.err
    assert shown.status_code == 200
    assert entered.json()["role"] == "read"


async def test_a_page_for_other_machines_is_linked_by_its_own_address(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running(REMOTE, web=True, origins=["https://ops.example.org"]) as (app, _):
        await ask_for_a_link(app)

    assert capsys.readouterr().out.startswith("https://ops.example.org/console/#enter=")


def test_a_server_for_other_machines_shows_no_page_without_an_address() -> None:
    with pytest.raises(ConfigError, match=r"console\.web: .*can be reached from other machines"):
        configured(REMOTE, web=True)


@pytest.mark.parametrize("origin", ["ops.example.org", "https://ops.example.org/path", "*"])
def test_an_address_of_the_page_is_an_origin(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"origins\[0\]: must be an origin"):
        ConsoleConfig(origins=[origin])
