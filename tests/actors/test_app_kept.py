"""Conversations of a whole application whose store is a file: they outlive it."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.gateway import AcpClient, open_acp
from tests.fakes.history import history_of
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import Bot, open_app
from trouper.actors.app import App
from trouper.actors.config import AppConfig
from trouper.actors.config.load import parse_config
from trouper.actors.errors import UnknownAssistant
from trouper.actors.session.export import stored_state
from trouper.actors.session.session import Session
from trouper.actors.session.state import conversation
from trouper.actors.store.journal_reading import JournalReader

TEXT = """
[server]
listen = "127.0.0.1:0"
session_idle_seconds = {idle}
[store]
path = "{path}"
[providers.sim]
kind = "openai"
base_url = "{base_url}"
[models.default]
targets = ["sim/sim"]
[assistants.{assistant}]
model = "default"
prompt = "Be brief."
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "trouper.db"


def config(simulator: SimulatorProcess, path: object, **more: Any) -> AppConfig:
    values = {"idle": 900, "assistant": "default", "base_url": simulator.base_url, **more}
    return parse_config(TEXT.format(path=path, **values))


async def history(app: App, id: str, owner: str) -> list[str]:
    ref = await app.sessions.reach(id, owner=owner)
    return [message.text for message in await history_of(ref)]


async def test_a_program_goes_on_with_its_conversations(
    simulator: SimulatorProcess, store: Path
) -> None:
    configured = config(simulator, store)
    async with open_app(configured, signals=False) as app:
        session = await app.session("alice")
        await session.ask("one")
    async with open_app(configured, signals=False) as app:
        session = await app.session("alice")
        await session.ask("two")
        kept = await history(app, "alice", "embedded")

    assert kept == ["one", "You said: one", "two", "You said: two"]
    with JournalReader(store) as reader:
        [stored] = reader.sessions()
    assert (stored.sid, stored.owner, stored.assistant, stored.title, stored.node) == (
        "alice",
        "embedded",
        "default",
        "one",
        "",
    )


async def test_a_session_that_is_ended_is_forgotten_for_good(
    simulator: SimulatorProcess, store: Path
) -> None:
    configured = config(simulator, store)
    async with open_app(configured, signals=False) as app:
        await (await app.session("alice")).ask("one")
    async with open_app(configured, signals=False) as app:
        await app.end_session("alice")
        session = await app.session("alice")
        await session.ask("two")
        kept = await history(app, "alice", "embedded")

    assert kept == ["two", "You said: two"]


async def test_a_conversation_whose_assistant_is_gone_says_so(
    simulator: SimulatorProcess, store: Path
) -> None:
    async with open_app(config(simulator, store), signals=False) as app:
        await app.session("alice")
    async with open_app(config(simulator, store, assistant="other"), signals=False) as app:
        with pytest.raises(UnknownAssistant, match="no assistant 'default'"):
            await app.session("alice")


async def test_in_memory_nothing_is_kept(simulator: SimulatorProcess) -> None:
    configured = config(simulator, ":memory:")
    async with open_app(configured, signals=False) as app:
        await (await app.session("alice")).ask("one")
    async with open_app(configured, signals=False) as app:
        session = await app.session("alice")
        await session.ask("two")
        kept = await history(app, "alice", "embedded")

    assert kept == ["two", "You said: two"]


async def ask(app: App, session: str | None, text: str) -> str:
    """Ask over a websocket of its own; in a new session where there is none. Its id."""
    assert app.listening is not None
    async with open_acp(app.listening) as websocket:
        client = AcpClient(websocket)
        if session is None:
            session = await client.open()
        else:
            await client.initialize()
        answer = await client.answer(await client.prompt(session, text))
        assert answer["result"]["stopReason"] == "end_turn"
    return session


async def test_a_client_that_comes_back_talks_on_also_after_a_restart(
    simulator: SimulatorProcess, store: Path
) -> None:
    configured = config(simulator, store, idle=0.1)
    async with open_app(configured, serve=True, signals=False) as app:
        id = await ask(app, None, "one")
        with trio.fail_after(10):
            while _is_open(app, id):  # noqa: ASYNC110 - nothing tells of its end
                await trio.sleep(0.05)
        await ask(app, id, "two")
    async with open_app(configured, serve=True, signals=False) as app:
        await ask(app, id, "three")
    with JournalReader(store) as reader:
        whole = reader.read(id)

    assert whole is not None
    state = stored_state(id, whole.snapshot, whole.events)
    assert [message.text for message in conversation(state)] == [
        "one",
        "You said: one",
        "two",
        "You said: two",
        "three",
        "You said: three",
    ]


def _is_open(app: App, id: str) -> bool:
    return any(actor.path == f"sessions/{id}" for actor in app.snapshot())


async def test_a_bots_conversations_are_let_go_and_are_there_again(
    simulator: SimulatorProcess, store: Path
) -> None:
    quick = config(simulator, store, idle=0.05)
    async with open_app(quick, signals=False) as app:
        bot = Bot(app)
        await bot.answer("ann", "!default one", _nothing)
        with trio.fail_after(10):
            while app.system.children("sessions", Session).get("default:ann") is not None:  # noqa: ASYNC110 - nobody tells when it ends
                await trio.sleep(0.05)
        assert [line async for line in bot.respond("ann", "!default two")] == ["You said: two"]
        assert len(simulator.requests()[-1]["body"]["messages"]) == 4

    async with open_app(quick, signals=False) as app:
        bot = Bot(app)
        await bot.answer("ann", "!default three", _nothing)
        assert len(simulator.requests()[-1]["body"]["messages"]) == 6
        forgotten = [line async for line in bot.respond("ann", "!new")]
        assert forgotten == ["The conversation with default is forgotten."]
        await bot.answer("ann", "!default four", _nothing)
        assert len(simulator.requests()[-1]["body"]["messages"]) == 2


async def _nothing(line: str) -> None:
    """Said to nobody."""
