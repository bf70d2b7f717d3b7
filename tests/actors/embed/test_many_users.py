"""A bot of asyncio with hundreds of users, before two providers that are both ill."""

import asyncio
import time

from tests.fakes.portals import run_asyncio
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.config.attempts import BreakerConfig, RetryConfig
from trouper.actors.embed import AsyncioApp
from trouper.actors.errors import TurnFailed

USERS, TURNS = 120, 2


def two_providers(simulator: SimulatorProcess) -> AppConfig:
    retry = RetryConfig(attempts=2, base_delay=0.02, max_delay=0.05)
    names = ("first", "second")
    return AppConfig(
        providers={
            name: ProviderConfig(
                name=name,
                kind="openai",
                base_url=simulator.base_url,
                retry=retry,
                breaker=BreakerConfig(open_for=0.05),
            )
            for name in names
        },
        models={"default": ModelConfig(targets=[f"{name}/{name}" for name in names])},
        assistants={"default": AssistantConfig(model="default")},
    )


def test_every_user_of_a_bot_is_answered_or_told_why(simulator: SimulatorProcess) -> None:
    simulator.script(
        {"model": "first", "times": 10, "fault": {"kind": "status", "status": 503}},
        {
            "model": "first",
            "times": 2,
            "fault": {"kind": "reset", "after": 40},
            "reply": {"text": "lost"},
        },
        {"model": "second", "times": 10, "fault": {"kind": "status", "status": 500}},
        {"model": "second", "times": 2, "fault": {"kind": "error_frame"}, "reply": {"text": "so"}},
        models=("first", "second"),
    )

    async def main() -> None:
        async with AsyncioApp(two_providers(simulator)) as app:

            async def talk(number: int) -> list[str]:
                session = await app.session(f"s{number}", user=f"u{number}", kept=False)
                told: list[str] = []
                for turn in range(TURNS):
                    try:
                        told.append(await session.ask(f"{number}.{turn}"))
                    except TurnFailed as error:
                        told.append(f"failed: {error}")
                return told

            slowest = 0.0

            async def tick() -> None:
                nonlocal slowest
                while True:
                    before = time.monotonic()
                    await asyncio.sleep(0.01)
                    slowest = max(slowest, time.monotonic() - before)

            ticking = asyncio.create_task(tick())
            told = await asyncio.gather(*(talk(number) for number in range(USERS)))
            ticking.cancel()

        answered = 0
        for number, texts in enumerate(told):
            for turn, text in enumerate(texts):
                assert text == f"You said: {number}.{turn}" or text.startswith("failed: "), text
                answered += text.startswith("You said: ")
        assert answered > 0
        assert slowest < 2

    run_asyncio(main)
