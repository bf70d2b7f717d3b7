"""An application with a batch provider behind it, for tests of batches."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.fakes.batches import BatchProvider, usage_of
from tests.fakes.http_server import start_server
from trouper.actors import AppConfig, ProviderConfig, open_app
from trouper.actors.app import App
from trouper.actors.batch.house import Tempo
from trouper.actors.config import AssistantConfig, ModelConfig, Secret, StoreConfig
from trouper.actors.config.attempts import RetryConfig
from trouper.actors.store.ledger import Row, Selection

__all__ = ["FAST", "batch_config", "half_price", "ledger", "requests", "results", "running"]

FAST = Tempo(inbox=0.01, first_look=0.01, most=0.05, settle=0.05)

PRICES = {"input": 2.0, "output": 10.0, "tiers": {"batch": {"input": 1.0, "output": 5.0}}}
"""Dollars a million tokens: as many thousand nano-dollars a token."""


def batch_config(path: Path, url: str, kind: str = "openai", **more: Any) -> AppConfig:
    provider = ProviderConfig(
        name="fake",
        kind=kind,
        base_url=f"{url}v1",
        api_keys=more.pop("api_keys", (Secret("k-1"),)),
        retry=more.pop("retry", RetryConfig()),
    )
    return AppConfig(
        store=StoreConfig(path=str(path)),
        providers={"fake": provider},
        models=more.pop(
            "models", {"default": ModelConfig(targets=["fake/model-x"], max_output_tokens=100)}
        ),
        assistants={"default": AssistantConfig(model="default")},
        prices={"fake/model-x": PRICES},
        **more,
    )


@asynccontextmanager
async def running(
    path: Path, provider: BatchProvider, kind: str = "openai", **more: Any
) -> AsyncGenerator[App]:
    async with trio.open_nursery() as nursery:
        server = await start_server(nursery, provider.handle)
        async with open_app(batch_config(path, server.url, kind, **more), signals=False) as app:
            yield app
        nursery.cancel_scope.cancel()


def requests(*prompts: str) -> list[dict[str, str]]:
    return [{"id": f"q{index}", "prompt": prompt} for index, prompt in enumerate(prompts)]


async def results(app: App, id: str) -> list[dict[str, Any]]:
    with trio.fail_after(20):
        await app.batches.ended(id)
    return [result async for result in app.batches.results(id)]


async def ledger(app: App) -> list[Row]:
    return [row async for row in app.ledger.rows(Selection())]


def half_price(prompt: str) -> int:
    read, written = usage_of(prompt)
    return read * 1_000 + written * 5_000
