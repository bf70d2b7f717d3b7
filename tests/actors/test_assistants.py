"""What an assistant of the configuration says to its model, and whose conversation it is."""

import datetime
from typing import Any

import pytest
import trio

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    KindConfig,
    ModelConfig,
    ProviderConfig,
)
from trouper.actors.errors import UnknownAssistant, UnknownModel, UnknownSession
from trouper.actors.session.messages import SwitchAssistant, SwitchModel
from trouper.actors.tools import tool


def config(simulator: SimulatorProcess, **assistants: AssistantConfig) -> AppConfig:
    return AppConfig(
        providers={
            "sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url),
        },
        models={
            "default": ModelConfig(targets=["sim/sim"], temperature=0.2, max_output_tokens=77),
            "plain": ModelConfig(targets=["sim/sim"]),
            "small": ModelConfig(targets=["sim/small-1"]),
        },
        assistants=assistants,
    )


def sent(simulator: SimulatorProcess) -> dict[str, Any]:
    body: dict[str, Any] = simulator.requests()[-1]["body"]
    return body


async def test_the_prompt_is_told_with_its_variables(simulator: SimulatorProcess) -> None:
    guide = AssistantConfig(
        model="default",
        prompt="{assistant} of {place}, asks {model} for {user} in {session}, {date}: {{}}",
        variables={"place": "the library"},
    )

    async with open_app(config(simulator, guide=guide), signals=False) as app:
        await (await app.session("s1", user="ann")).ask("hello")

    today = datetime.datetime.now().astimezone().date()
    said = sent(simulator)["messages"][0]
    assert said["role"] == "system"
    # Midnight may have been between.
    assert said["content"] in {
        f"guide of the library, asks default for ann in s1, {day}: {{}}"
        for day in (today, today - datetime.timedelta(days=1))
    }


async def test_what_an_assistant_says_goes_before_what_its_model_says(
    simulator: SimulatorProcess,
) -> None:
    own = AssistantConfig(model="default", temperature=0.0, max_output_tokens=5)
    plain = AssistantConfig(model="plain", reasoning_effort="low")
    async with open_app(config(simulator, own=own, plain=plain), signals=False) as app:
        await (await app.session("a", assistant="own")).ask("hello")
        assert (sent(simulator)["temperature"], sent(simulator)["max_tokens"]) == (0.0, 5)
        await (await app.session("b", assistant="plain")).ask("hello")
        assert "temperature" not in sent(simulator)
        assert sent(simulator)["reasoning_effort"] == "low"


async def test_a_kind_of_task_is_asked_in_its_own_way(simulator: SimulatorProcess) -> None:
    code = KindConfig(words=["code"], temperature=0.1, reasoning_effort="high")
    long = KindConfig(longer_than=5, max_output_tokens=9)
    own = AssistantConfig(model="default", kinds={"code": code, "long": long})
    async with open_app(config(simulator, own=own), signals=False) as app:
        session = await app.session("a")
        asked: list[tuple[object, ...]] = []
        for text in ("Mend my code", "one two three four five six", "hello"):
            await session.ask(text)
            body = sent(simulator)
            keys = ("temperature", "max_tokens", "reasoning_effort")
            asked.append(tuple(body.get(key) for key in keys))

    assert asked == [(0.1, 77, "high"), (0.2, 9, None), (0.2, 77, None)]


async def test_a_session_of_one_user_is_nobody_elses(simulator: SimulatorProcess) -> None:
    plain = AssistantConfig(model="default")
    async with open_app(config(simulator, plain=plain), signals=False) as app:
        session = await app.session("s", user="ann")
        assert await session.ask("hello") == "You said: hello"
        assert app.sessions.find("s", owner="user:ann").path == "sessions/s"
        with pytest.raises(UnknownSession):
            app.sessions.find("s", owner="bob")
        with pytest.raises(UnknownAssistant):
            await app.session("other", assistant="nobody")
        await app.end_session("s", user="ann")
        assert (await app.session("s", user="bob")).id == "s"


async def test_a_conversation_goes_on_with_another_model_or_another_assistant(
    simulator: SimulatorProcess,
) -> None:
    own = AssistantConfig(model="default", prompt="{assistant} on {model}", max_output_tokens=5)
    other = AssistantConfig(model="default", prompt="{assistant}")
    configured = config(simulator, own=own, other=other)
    async with open_app(configured, signals=False) as app:
        session = await app.session("a")
        ref = app.sessions.find("a", owner="embedded")
        await ref.ask(SwitchModel("plain"))
        await session.ask("hello")
        assert sent(simulator)["messages"][0]["content"] == "own on plain"
        # The model's own are not taken along, the assistant's are.
        assert "temperature" not in sent(simulator)
        assert sent(simulator)["max_tokens"] == 5
        with pytest.raises(UnknownModel, match="configured are: default, plain, small"):
            await ref.ask(SwitchModel("huge"))
        await ref.ask(SwitchAssistant("other"))
        await session.ask("hello")
        assert sent(simulator)["messages"][0]["content"] == "other"
        assert sent(simulator)["max_tokens"] == 77


async def test_what_an_assistant_may_use_its_model_is_told_and_may_call(
    simulator: SimulatorProcess,
) -> None:
    @tool
    def shorten(text: str) -> str:
        """Shorten a text."""
        return text[:3]

    own = AssistantConfig(model="default", prompt="You have:\n{tools}", tools=["shorten", "clock"])
    async with open_app(config(simulator, own=own), signals=False, tools=[shorten]) as app:
        await (await app.session("a")).ask("hello")

    told = sent(simulator)
    assert [one["function"]["name"] for one in told["tools"]] == ["clock", "shorten"]
    assert told["messages"][0]["content"].startswith("You have:\n- clock: ")


async def test_a_small_model_gives_the_conversation_its_title(simulator: SimulatorProcess) -> None:
    own = AssistantConfig(model="default", small_model="small")
    async with open_app(config(simulator, own=own), signals=False) as app:
        await (await app.session("a")).ask("hello")
        asked: list[Any] = []
        with trio.fail_after(5):
            # It is asked for when the turn has ended, and nobody tells.
            while "small-1" not in asked:
                await trio.sleep(0.01)
                asked = [request["model"] for request in simulator.requests()]

    assert asked == ["sim", "small-1"]
