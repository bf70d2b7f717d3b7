"""What an assistant of the configuration says to its model, and whose conversation it is."""

import datetime
from typing import Any

import pytest

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.errors import UnknownAssistant, UnknownSession


def config(simulator: SimulatorProcess, **assistants: AssistantConfig) -> AppConfig:
    return AppConfig(
        providers={
            "sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url),
        },
        models={
            "default": ModelConfig(targets=["sim/sim"], temperature=0.2, max_output_tokens=77),
            "plain": ModelConfig(targets=["sim/sim"]),
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


async def test_a_session_of_one_user_is_nobody_elses(simulator: SimulatorProcess) -> None:
    plain = AssistantConfig(model="default")
    async with open_app(config(simulator, plain=plain), signals=False) as app:
        session = await app.session("s", user="ann")
        assert await session.ask("hello") == "You said: hello"
        assert app.sessions.find("s", owner="ann").path == "sessions/s"
        with pytest.raises(UnknownSession):
            app.sessions.find("s", owner="bob")
        with pytest.raises(UnknownAssistant):
            await app.session("other", assistant="nobody")
        await app.end_session("s", user="ann")
        assert (await app.session("s", user="bob")).id == "s"
