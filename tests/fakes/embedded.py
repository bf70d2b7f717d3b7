"""Configurations of applications that run beside asyncio and threads, over the simulator."""

from typing import Any

from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.config.attempts import RetryConfig

from .simulator import SimulatorProcess

__all__ = ["LONG", "embedded", "question"]

LONG = {"reply": {"text": "word " * 200, "pace": 0.05}}
"""A rule: an answer that takes ten seconds, unless somebody leaves it."""


def embedded(simulator: SimulatorProcess, *tools: str, **more: Any) -> AppConfig:
    """One assistant over one model, that may use those tools."""
    provider = ProviderConfig(
        name="sim",
        kind="openai",
        base_url=simulator.base_url,
        retry=RetryConfig(attempts=1),
    )
    values: dict[str, Any] = {"prices": {"sim/sim": {"input": 1.0, "output": 2.0}}, **more}
    return AppConfig(
        providers={"sim": provider},
        models={"default": ModelConfig(targets=["sim/sim"], max_output_tokens=500)},
        assistants={"default": AssistantConfig(model="default", tools=tools)},
        **values,
    )


def question(text: str = "hello") -> ChatRequest:
    return ChatRequest(model="", messages=(Message("user", (TextPart(text),)),))
