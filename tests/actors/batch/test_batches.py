"""A batch from its submission to its results, through each way that there is."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.batches import BatchProvider, usage_of
from tests.fakes.http_server import start_server
from trouper.actors import AppConfig, ProviderConfig, open_app
from trouper.actors.app import App
from trouper.actors.batch import house
from trouper.actors.batch.house import Tempo
from trouper.actors.batch.rows import Way
from trouper.actors.config import AssistantConfig, ModelConfig, Secret, StoreConfig
from trouper.actors.config.budgets import BudgetConfig
from trouper.actors.store.ledger import Row, Selection

FAST = Tempo(inbox=0.01, first_look=0.01, most=0.05, settle=0.05)

PRICES = {"input": 2.0, "output": 10.0, "tiers": {"batch": {"input": 1.0, "output": 5.0}}}
"""Dollars a million tokens: as many thousand nano-dollars a token."""


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "TEMPO", FAST)


def config(path: Path, url: str, kind: str = "openai", **more: Any) -> AppConfig:
    provider = ProviderConfig(
        name="fake",
        kind=kind,
        base_url=f"{url}v1",
        api_keys=more.pop("api_keys", (Secret("k-1"),)),
    )
    return AppConfig(
        store=StoreConfig(path=str(path)),
        providers={"fake": provider},
        models={"default": ModelConfig(targets=["fake/model-x"], max_output_tokens=100)},
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
        async with open_app(config(path, server.url, kind, **more), signals=False) as app:
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


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_batch_goes_through_the_providers_endpoint_at_half_the_price(
    tmp_path: Path, kind: str
) -> None:
    provider = BatchProvider()
    prompts = [f"prompt {n}" for n in range(5)]
    async with running(tmp_path / "s.db", provider, kind) as app:
        id = await app.batches.submit(requests(*prompts), user="alice")
        found = await results(app, id)
        rows = await ledger(app)

    assert [one["custom_id"] for one in found] == ["q0", "q1", "q2", "q3", "q4"]
    assert [one["text"] for one in found] == [f"You said: {prompt}" for prompt in prompts]
    assert [one["cost_nano_dollars"] for one in found] == [half_price(p) for p in prompts]
    assert found[0]["usage"]["input"] == usage_of("prompt 0")[0]
    assert found[0]["completion"]["finish"] == "stop"
    assert provider.plain == []
    assert len(provider.batches) == 1
    costs = [row.closing.cost for row in rows if row.closing and row.closing.cost]
    assert sorted(costs) == sorted(map(half_price, prompts))
    assert {(row.state, row.opening.user, row.opening.attempt) for row in rows} == {
        ("settled", "alice", 1)
    }
    assert all(row.closing and row.closing.service_tier == "batch" for row in rows)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_what_has_failed_or_expired_says_so_and_costs_nothing(
    tmp_path: Path, kind: str
) -> None:
    async with running(tmp_path / "s.db", BatchProvider(), kind) as app:
        id = await app.batches.submit(requests("one", "fail this", "expire this"))
        good, failed, expired = await results(app, id)
        status = await app.batches.status(id)
        rows = {row.opening.op_id: row for row in await ledger(app)}

    assert good["text"] == "You said: one"
    assert failed["error"]["kind"] == "invalid_request"
    assert "fail this" in failed["error"]["message"]
    assert expired["error"]["kind"] == "expired"
    assert status is not None
    assert (status.counts.done, status.counts.failed, status.counts.total) == (1, 2, 3)
    assert [rows[f"{id}-{n}"].state for n in range(3)] == ["settled", "released", "released"]


async def test_without_an_endpoint_requests_are_asked_one_by_one_at_the_usual_price(
    tmp_path: Path,
) -> None:
    provider = BatchProvider(batching=False)
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one", "fail two", "three"))
        one, two, three = await results(app, id)

    read, written = usage_of("one")
    assert one["cost_nano_dollars"] == read * 2_000 + written * 10_000
    assert two["error"]["kind"] == "invalid_request"
    assert three["text"] == "You said: three"
    assert sorted(provider.plain) == ["fail two", "one", "three"]


async def test_it_may_be_asked_for_one_by_one(tmp_path: Path) -> None:
    provider = BatchProvider()
    way: Way = "background"
    async with running(tmp_path / "s.db", provider) as app:
        id = await app.batches.submit(requests("one"), way=way)
        assert (await results(app, id))[0]["text"] == "You said: one"
    assert provider.plain == ["one"]
    assert provider.batches == {}


async def test_what_no_budget_covers_is_refused_and_the_rest_is_asked(tmp_path: Path) -> None:
    # Reserved are 100 tokens of the answer at 5,000, and some of the prompt.
    budgets = {"all": BudgetConfig(limit_usd="0.0012", per="total")}
    async with running(tmp_path / "s.db", BatchProvider(), budgets=budgets) as app:
        id = await app.batches.submit(requests("one", "two", "three"))
        one, two, three = await results(app, id)

    assert (one["text"], two["text"]) == ("You said: one", "You said: two")
    assert three["error"]["kind"] == "budget_exceeded"
    assert 'budget "all"' in three["error"]["message"]
