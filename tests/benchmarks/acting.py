"""A turn that runs a tool, against two turns that only talk: what acting adds to two answers.

The application is in this process, with its journal in memory; the simulated provider
is another one. CPU time is ours alone, and the time to the first word is from the
prompt to the first text behind the tool's result.
"""

import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import trio

from tests.fakes.simulator import SimulatorProcess, simulator_process
from trouper.actors import open_app
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.session.reader import SessionHandle
from trouper.actors.tools import tool

from .harness import Row, at_most, compare, cpu, interleave, pin

__all__ = ["rows"]

TURNS = 200
# So many from one conversation: its length is not what is measured here.
IN_ONE = 10


@tool
def weigh(thing: str) -> str:
    """Weigh a thing."""
    return f"{thing} weighs 3 kg"


SCRIPT = (
    {"after_tool": True, "reply": {"text": "It is 3 kg."}},
    {
        "contains": "How heavy",
        "reply": {"tool_calls": [{"name": "weigh", "arguments": {"thing": "the bag"}}]},
    },
    {"reply": {"text": "It is heavy."}},
)


@asynccontextmanager
async def opened(simulator: SimulatorProcess) -> AsyncGenerator[list[SessionHandle]]:
    config = AppConfig(
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={"default": ModelConfig(targets=("sim/m",))},
        assistants={"default": AssistantConfig(model="default", tools=("weigh",))},
    )
    async with open_app(config, signals=False, tools=[weigh]) as app:
        sessions = [await app.session(f"s{number}") for number in range(1 + TURNS // IN_ONE)]
        await sessions.pop().ask("warm")
        yield sessions


async def acting(simulator: SimulatorProcess) -> float:
    async with opened(simulator) as sessions:
        with cpu() as spent:
            for session in sessions:
                for _ in range(IN_ONE):
                    assert await session.ask("How heavy is the bag?") == "It is 3 kg."
    return spent.microseconds / TURNS


async def talking(simulator: SimulatorProcess) -> float:
    async with opened(simulator) as sessions:
        with cpu() as spent:
            for session in sessions:
                for _ in range(IN_ONE):
                    for _ in range(2):
                        assert await session.ask("Go on") == "It is heavy."
    return spent.microseconds / TURNS


async def first_word(simulator: SimulatorProcess, prompt: str) -> float:
    """Milliseconds, at the median."""
    took: list[float] = []
    async with opened(simulator) as sessions:
        for session in sessions:
            for _ in range(IN_ONE):
                began = time.perf_counter()
                async with session.prompt(prompt) as turn:
                    async for event in turn:
                        if getattr(event, "text", ""):
                            took.append(1e3 * (time.perf_counter() - began))
                            break
                    async for _event in turn:
                        pass
    return statistics.median(took)


def rows() -> Iterator[Row]:
    with simulator_process() as simulator:
        pin(1, simulator.process.pid)
        simulator.script(*SCRIPT)
        yield compare(
            "a turn with a tool, against two without",
            lambda: trio.run(acting, simulator),
            lambda: trio.run(talking, simulator),
            goal=at_most(1.5),
            unit="us",
        )
        acts, talks = interleave(
            (
                lambda: trio.run(first_word, simulator, "How heavy is the bag?"),
                lambda: trio.run(first_word, simulator, "Go on"),
            ),
            rounds=3,
        )
        first, plain = statistics.median(acts), statistics.median(talks)
        goal = at_most(3)
        spread = (min(acts), max(acts))
        name = "its first word behind the tool, against one's"
        yield Row(name, "ms", first, plain, first / plain, goal, goal.met(first / plain), spread)
