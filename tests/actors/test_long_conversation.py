"""A conversation of fifty turns with a model that has a small window, over loopback."""

from typing import Any

import pytest

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import (
    AppConfig,
    ChatRequest,
    Message,
    ProviderConfig,
    TextPart,
    open_app,
)
from trouper.actors.app import load_knowledge
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.facts import ModelRef
from trouper.actors.catalog.tokens import count_text
from trouper.actors.config import AssistantConfig, LocalConfig, ModelConfig
from trouper.actors.errors import TurnFailed

WINDOW = 600
RESERVED = 64


def config(simulator: SimulatorProcess, context: str, *targets: Any) -> AppConfig:
    return AppConfig(
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={
            "default": ModelConfig(
                targets=targets or ("sim/small",),
                max_output_tokens=RESERVED,
                context=context,  # type: ignore[arg-type]
            )
        },
        assistants={"default": AssistantConfig(model="default", prompt="Be brief.")},
        facts={
            "sim/small": {"max_input_tokens": WINDOW},
            "sim/large": {"max_input_tokens": 100_000},
        },
    )


def tokens(body: dict[str, Any]) -> int:
    """What the cookbook of OpenAI counts for a prompt."""
    encoder = load_encoding(EncodingName.O200K)
    return 3 + sum(
        3 + count_text(message["role"], encoder) + count_text(message["content"], encoder)
        for message in body["messages"]
    )


async def talk(simulator: SimulatorProcess, config: AppConfig) -> list[dict[str, Any]]:
    """Fifty turns, each answered; the bodies of what was asked."""
    # What it reports otherwise are words, and what a model reports is believed.
    simulator.script({"reply": {"text": "You said: {last}", "usage": "none"}})
    async with open_app(config, signals=False) as app:
        session = await app.session("alice")
        for number in range(50):
            asked = f"Question {number}: " + "why, " * 20
            assert await session.ask(asked) == f"You said: {asked}"
    return [request["body"] for request in simulator.requests()]


async def test_with_the_oldest_turns_dropped_every_turn_is_answered_within_the_window(
    simulator: SimulatorProcess,
) -> None:
    bodies = await talk(simulator, config(simulator, "drop_oldest"))

    assert len(bodies) == 50
    assert max(map(tokens, bodies)) <= WINDOW - RESERVED
    assert all(body["messages"][0]["content"] == "Be brief." for body in bodies)
    assert all(f"Question {n}:" in body["messages"][-1]["content"] for n, body in enumerate(bodies))
    # As much is sent as there is room for: at least half of it.
    assert min(map(tokens, bodies[10:])) > WINDOW / 3


async def test_what_the_model_itself_counts_is_believed(simulator: SimulatorProcess) -> None:
    async with open_app(config(simulator, "drop_oldest"), signals=False) as app:
        session = await app.session("alice")
        for _ in range(50):
            await session.ask("why, " * 20)

    # The simulator counts words, which are half as many as tokens here.
    words = [
        sum(len(message["content"].split()) for message in request["body"]["messages"])
        for request in simulator.requests()
    ]
    assert WINDOW / 2 < max(words) <= WINDOW - RESERVED


async def test_with_a_summary_every_turn_is_answered_within_the_window(
    simulator: SimulatorProcess,
) -> None:
    bodies = await talk(simulator, config(simulator, "summarise"))

    turns = [body for body in bodies if body.get("stream")]
    assert len(turns) == 50
    assert len(turns) < len(bodies) < 75
    assert max(map(tokens, bodies)) <= WINDOW - RESERVED
    assert "[Summary of the earlier part" in turns[-1]["messages"][1]["content"]


async def test_a_larger_window_that_is_configured_for_it_gets_the_whole_conversation(
    simulator: SimulatorProcess,
) -> None:
    larger = {"target": "sim/large", "on": ["context_window_exceeded"]}
    bodies = await talk(simulator, config(simulator, "drop_oldest", "sim/small", larger))

    assert len(bodies) == 50
    small = [body for body in bodies if body["model"] == "small"]
    assert 1 < len(small) < 10
    assert max(map(tokens, small)) <= WINDOW - RESERVED
    assert len(bodies[-1]["messages"]) == 1 + 2 * 49 + 1


async def test_with_refuse_the_answer_says_how_long_it_is(simulator: SimulatorProcess) -> None:
    async with open_app(config(simulator, "refuse"), signals=False) as app:
        session = await app.session("alice")
        await session.ask("why, " * 100)
        with pytest.raises(TurnFailed, match=r"has about [\d,]+ tokens, of which 600 fit"):
            await session.ask("why, " * 300)

    assert len(simulator.requests()) == 1


async def test_a_plain_request_is_never_shortened(simulator: SimulatorProcess) -> None:
    messages = tuple(Message("user", (TextPart("why, " * 100),)) for _ in range(10))
    async with open_app(config(simulator, "drop_oldest"), signals=False) as app:
        await app.complete(ChatRequest(model="default", messages=messages))

    assert len(simulator.requests()[0]["body"]["messages"]) == 10


async def test_the_window_of_a_local_model_is_what_it_is_run_with() -> None:
    config = AppConfig(
        providers={
            "here": ProviderConfig(name="here", kind="local", local=LocalConfig(context_tokens=512))
        },
        models={"default": ModelConfig(targets=["here/a", "here/b"])},
        assistants={"default": AssistantConfig(model="default")},
        facts={"here/b": {"max_input_tokens": 100, "tools": False}},
    )
    knowledge = await load_knowledge(config)

    known = [knowledge.facts(ModelRef("here", name, "local")) for name in ("a", "b")]
    assert [facts.max_input_tokens for facts in known] == [512, 100]
    assert known[1].tools is False
