"""Bots before the simulated provider, with tools that do little."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from trouper.actors import Bot, open_app
from trouper.actors.app import App
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.tools import Tool, tool

from .simulator import SimulatorProcess

__all__ = ["ASKED", "calls", "delete", "open_bot", "said", "summarize"]


@tool
def summarize(text: str) -> str:
    """Shorten a text to its main points."""
    return f"{text.split(maxsplit=1)[0]} and so on"


@tool
async def delete(name: str) -> str:
    """Delete a file."""
    return f"{name} is gone"


ASKED = tool(name="delete", approval="always")(delete.function)


@asynccontextmanager
async def open_bot(
    simulator: SimulatorProcess,
    *tools: Tool,
    window: int | None = None,
    bot: dict[str, Any] | None = None,
    **assistant: Any,
) -> AsyncGenerator[tuple[Bot, App]]:
    values: dict[str, Any] = {"prompt": "You can use:\n{tools}", **assistant}
    config = AppConfig(
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={"default": ModelConfig(targets=["sim/sim"], max_output_tokens=50)},
        assistants={
            "default": AssistantConfig(
                model="default",
                description="Answers guests",
                tools=[one.name for one in tools],
                **values,
            ),
            "other": AssistantConfig(model="default"),
        },
        facts={} if window is None else {"sim/sim": {"max_input_tokens": window}},
    )
    async with open_app(config, signals=False, tools=tools) as app:
        yield Bot(app, **(bot or {})), app


async def said(bot: Bot, text: str, user: str = "ann", **more: Any) -> list[str]:
    return [line async for line in bot.respond(user, text, **more)]


def calls(name: str, /, **arguments: str) -> dict[str, Any]:
    """A rule: the model calls that tool, once."""
    return {"times": 1, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
