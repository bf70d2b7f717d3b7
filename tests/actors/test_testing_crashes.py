"""What users may see of crashes in an application, by the tools that they have for it."""

from pathlib import Path

import pytest
from trio.testing import MockClock

from trouper.actors.config import parse_config
from trouper.actors.embed import ThreadApp
from trouper.actors.errors import TurnFailed
from trouper.actors.testing import (
    SimulatedProvider,
    provider_path,
    session_path,
    simulated_app,
    store_path,
    tool_path,
)
from trouper.actors.tools import tool
from trouper.runtime import ActorCrashed, ActorDown
from trouper.runtime.testing import Crash, Crashes

pytest_plugins = ["trouper.actors.testing.fixtures"]


@tool(timeout=5)
def weigh(thing: str) -> str:
    """Weigh a thing."""
    return f"{thing}: 3 kg"


PATIENT = """
[providers.any]
kind = "openai"
base_url = "http://127.0.0.1/v1"
retry = { attempts = 3 }
[models.default]
targets = ["any/model"]
[assistants.default]
model = "default"
"""


async def test_a_provider_that_crashes_is_asked_again(
    trouper_clock: MockClock, trouper_crashes: Crashes, tmp_path: Path
) -> None:
    config = parse_config(PATIENT, folder=tmp_path, environ={})
    async with simulated_app("Hello.", config=config) as (app, provider):
        with trouper_crashes.into(app.system, Crash(provider_path(), moment="wait")):
            assert await (await app.session("ann")).ask("hi") == "Hello."
    assert [request.last for request in provider.requests] == ["hi"]
    assert trouper_crashes.happened[0].message == "Chat"


async def test_what_a_test_raises_comes_out_as_it_is(trouper_clock: MockClock) -> None:
    with pytest.raises(AssertionError, match=r"\Anot so\Z"):
        async with simulated_app():
            raise AssertionError("not so")


@pytest.mark.parametrize("place", ["provider", "store"])
async def test_where_nothing_is_tried_again_people_are_told_and_may_go_on(
    place: str, trouper_clock: MockClock, trouper_crashes: Crashes
) -> None:
    path = provider_path("simulated") if place == "provider" else store_path()
    async with simulated_app() as (app, _):
        session = await app.session("ann")
        with trouper_crashes.into(app.system, Crash(path)):
            with pytest.raises(TurnFailed, match="a part of this program is being restarted"):
                await session.ask("one")
            assert await session.ask("two") == "You said: two"


async def test_a_conversation_in_a_file_outlives_its_crash(
    trouper_clock: MockClock, trouper_crashes: Crashes, tmp_path: Path
) -> None:
    async with simulated_app(store=tmp_path / "kept.db") as (app, provider):
        with trouper_crashes.into(app.system):
            session = await app.session("ann")
            await session.ask("one")
            await trouper_crashes.now(session_path("ann"))
            await trouper_crashes.now(store_path())
            assert await session.ask("two") == "You said: two"
        body = provider.requests[-1].body
        assert body is not None
        assert len(body["messages"]) == 3


async def test_a_conversation_in_memory_is_lost_with_its_crash(
    trouper_clock: MockClock, trouper_crashes: Crashes
) -> None:
    async with simulated_app() as (app, _):
        session = await app.session("ann")
        with trouper_crashes.into(app.system, Crash(session_path(), at=2)):
            with pytest.raises(ActorCrashed):
                await session.ask("one")
            with pytest.raises(ActorDown):
                await session.ask("one")


async def test_the_model_is_told_of_a_tool_that_crashed(
    trouper_clock: MockClock, trouper_crashes: Crashes
) -> None:
    call = {"name": "weigh", "arguments": {"thing": "a bag"}}
    calls = {"times": 1, "reply": {"tool_calls": [call]}}
    async with simulated_app(calls, "I cannot say.", tools=[weigh]) as (app, _):
        with trouper_crashes.into(app.system, Crash(tool_path("weigh"))):
            answer = await (await app.session("ann")).ask("How heavy is it?")
    assert answer == "I cannot say."
    assert answer.tools[0].is_error
    assert "broken off" in answer.tools[0].result


def test_the_provider_is_a_fixture_too(trouper_provider: SimulatedProvider) -> None:
    trouper_provider.script("Hello.")
    with ThreadApp(trouper_provider.config()) as app:
        assert app.session("ann").ask("hi") == "Hello."
