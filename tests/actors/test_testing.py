"""What users test their programs with does what they are told."""

import asyncio
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.embedded import question
from trouper.actors import Bot
from trouper.actors.chat import TextDelta
from trouper.actors.config import parse_config
from trouper.actors.embed import AsyncioApp, ThreadApp
from trouper.actors.errors import ConfigError, TurnFailed
from trouper.actors.session.events import TextAdded
from trouper.actors.testing import simulated_app, simulated_provider, virtual_clock
from trouper.actors.tools import ToolContext, tool

CONFIG = """
[store]
path = "kept.db"
[providers.claude]
kind = "anthropic"
base_url = "https://api.anthropic.com"
api_keys = ["env:KEY"]
requests_per_minute = 2
[models.default]
targets = ["claude/claude-9"]
[assistants.poet]
model = "default"
prompt = "Rhyme."
"""


@pytest.fixture
def clock() -> MockClock:
    return virtual_clock()


async def test_answers_are_given_in_turn_and_then_echoed(clock: MockClock) -> None:
    async with simulated_app("one", "two") as (app, provider):
        session = await app.session("ann")
        answers = [await session.ask(text) for text in ("a", "b", "c")]

    assert answers == ["one", "two", "You said: c"]
    assert [request.last for request in provider.requests] == ["a", "b", "c"]


async def test_slow_answers_cost_no_time(clock: MockClock) -> None:
    slow = {"reply": {"text": "a very slow answer", "delay": 60, "pace": 10}}
    async with simulated_app(slow) as (app, _):
        begun = trio.current_time()
        async with (await app.session("ann")).prompt("hello") as turn:
            times = [
                trio.current_time() - begun async for event in turn if isinstance(event, TextAdded)
            ]
        assert [round(time) for time in times] == [60, 70, 80, 90]
        await trio.sleep(3600)
        assert (await app.readiness()).ready


async def test_a_provider_may_fail_and_hang_up(clock: MockClock) -> None:
    down = {"times": 1, "fault": {"kind": "status", "status": 503}}
    cut = {"times": 1, "reply": {"text": "once upon"}, "fault": {"kind": "cut", "after": 60}}
    async with simulated_app(down, cut) as (app, provider):
        session = await app.session("ann")
        for _ in range(2):
            with pytest.raises(TurnFailed):
                await session.ask("hello")
        provider.script("back again")
        assert await session.ask("hello") == "back again"
    assert [request.status for request in provider.requests] == [503, 200, 200]


async def test_a_turn_that_is_left_ends_at_the_provider(clock: MockClock) -> None:
    async with simulated_app({"reply": {"text": "word " * 100, "pace": 1}}) as (app, provider):
        async with (await app.session("ann")).prompt("hello") as turn:
            await anext(turn)
        await trio.sleep(1)
        assert provider.requests[0].outcome.value == "client left"


async def test_tools_run_without_threads_and_their_limits_hold(clock: MockClock) -> None:
    @tool(timeout=5)
    def weigh(thing: str, context: ToolContext) -> str:
        """Weigh a thing."""
        context.report("weighing")
        assert trio.lowlevel.in_trio_task()
        return f"{thing}: 3 kg"

    @tool(timeout=5)
    async def sleep() -> str:
        """Sleep."""
        await trio.sleep_forever()
        return ""

    called = {
        "times": 1,
        "reply": {"tool_calls": [{"name": "weigh", "arguments": {"thing": "a bag"}}]},
    }
    slept = {"times": 1, "reply": {"tool_calls": [{"name": "sleep", "arguments": {}}]}}
    async with simulated_app(called, "Three.", slept, "A pity.", tools=[weigh, sleep]) as (app, _):
        session = await app.session("ann")
        weighed, too_slow = await session.ask("weigh it"), await session.ask("sleep")

    assert weighed.tools[0].result == "a bag: 3 kg"
    assert too_slow.tools[0].is_error
    assert too_slow.cost


async def test_a_configuration_of_ones_own_is_tried_with_its_limits(
    clock: MockClock, tmp_path: Path
) -> None:
    config = parse_config(CONFIG, folder=tmp_path, environ={"KEY": "a-secret-key"})
    async with simulated_app(config=config) as (app, provider):
        begun = trio.current_time()
        lines = [line async for line in Bot(app).respond("ann", "!poet hello")]
        session = await app.session("other", assistant="poet")
        for _ in range(2):
            await session.ask("hello")
        took = trio.current_time() - begun

    assert lines == ["You said: hello"]
    body = provider.requests[0].body
    assert body is not None
    assert body["messages"][0]["content"] == "Rhyme."
    assert took > 10  # two requests a minute
    assert config.store.path != app.config.store.path == ":memory:"


async def test_requests_without_a_session_are_answered_too(clock: MockClock) -> None:
    async with simulated_app("one two") as (app, _):
        texts = [
            chunk.text async for chunk in app.stream(question()) if isinstance(chunk, TextDelta)
        ]
    assert "".join(texts) == "one two"


async def test_a_rule_that_says_nothing_is_refused(clock: MockClock) -> None:
    with pytest.raises(ConfigError, match="unknown key txt"):
        async with simulated_app({"txt": "hello"}):
            pass


def test_programs_on_other_loops_have_a_provider_on_loopback() -> None:
    async def ask() -> str:
        async with AsyncioApp(provider.config(prompt="Be brief.")) as app:
            return await (await app.session("ann")).ask("two")

    with simulated_provider("One.") as provider:
        with ThreadApp(provider.config()) as app:
            assert app.session("ann").ask("one") == "One."
        assert asyncio.run(ask()) == "You said: two"
        provider.script("Three.")
        assert asyncio.run(ask()) == "Three."
        assert [request.last for request in provider.requests] == ["one", "two", "two"]
