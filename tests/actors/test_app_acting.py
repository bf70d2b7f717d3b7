"""A session of the whole application acts, before the simulated provider: what it takes, what it
is called, and what of it is there in the next run."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.fakes.house import Listener
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.app import App
from trouper.actors.chat import Usage
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    ModelConfig,
    ProviderConfig,
    StoreConfig,
)
from trouper.actors.session.events import (
    SessionEvent,
    TextAdded,
    ThoughtAdded,
    TitleChanged,
    ToolEnded,
    UsageChanged,
)
from trouper.actors.session.messages import Attach, GetTranscript
from trouper.actors.session.reader import SessionHandle
from trouper.actors.session.text_run import TextRun
from trouper.actors.tools import tool


@tool
def weigh(thing: str) -> str:
    """Weigh a thing."""
    return f"{thing} weighs 3 kg"


def joined(events: Iterable[SessionEvent]) -> list[SessionEvent]:
    """The same events, with text in as few as there may be."""
    found: list[SessionEvent | TextRun] = []
    for event in events:
        last = found[-1] if found else None
        if not isinstance(last, TextRun) or not last.takes(event):
            found.append(TextRun(event) if isinstance(event, TextAdded | ThoughtAdded) else event)
    return [one.event() if isinstance(one, TextRun) else one for one in found]


@asynccontextmanager
async def opened(simulator: SimulatorProcess, path: Path) -> AsyncGenerator[App]:
    config = AppConfig(
        store=StoreConfig(path=path),
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={
            "default": ModelConfig(targets=["sim/large"]),
            "minor": ModelConfig(targets=["sim/small"]),
        },
        assistants={
            "default": AssistantConfig(model="default", small_model="minor", tools=["weigh"])
        },
        facts={"sim/large": {"max_input_tokens": 8_000}},
        prices={"sim/*": {"input": 2.0, "output": 10.0}},
    )
    async with open_app(config, signals=False, tools=[weigh]) as app:
        yield app


async def test_a_session_acts_and_is_there_again_with_what_it_has_taken(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    call = {"name": "weigh", "arguments": {"thing": "the bag"}}
    simulator.script(
        {"model": "small", "reply": {"text": "Weighing a bag"}},
        {"times": 1, "reply": {"tool_calls": [call], "usage": usage}},
        {"reply": {"text": "It is 3 kg.", "usage": {**usage, "prompt_tokens": 150}}},
    )
    async with opened(simulator, tmp_path / "t.db") as app:
        session = await app.session("s")
        listener = Listener()
        ref = app.sessions.find("s", owner="embedded")
        await ref.ask(Attach(listener))
        assert await session.ask("How heavy is the bag?") == "It is 3 kg."
        with trio.fail_after(5):
            while not isinstance(listener.events[-1], TitleChanged):
                await listener.hears(len(listener.events) + 1)
        before = await session.transcript()

    [end] = [event for event in listener.events if isinstance(event, ToolEnded)]
    assert (end.result, end.is_error) == ("the bag weighs 3 kg", False)
    told = [event for event in listener.events if isinstance(event, UsageChanged)]
    # 2 dollars a million are 2,000 nano-dollars each.
    assert [event.cost for event in told] == [400_000, 900_000]
    assert [(event.context, event.window) for event in told] == [(120, 8_000), (170, 8_000)]
    state = before.state
    assert (state.usage, state.cost, state.unpriced) == (Usage(input=250, output=40), 900_000, 0)
    assert state.title == "Weighing a bag"

    async with opened(simulator, tmp_path / "t.db") as app:
        again = Listener()
        ref = await app.sessions.reach("s", owner="embedded")
        await ref.ask(Attach(again, after=0))
        after = await ref.ask(GetTranscript())
        assert await SessionHandle("s", ref).ask("Sure?") == "It is 3 kg."

    # How many pieces an answer is told in, is how they came.
    heard = joined(listener.events)
    assert joined(again.events)[: len(heard)] == heard
    assert after.state == state
