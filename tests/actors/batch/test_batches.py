"""A batch from its submission to its results, through each way that there is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fakes import batch_app
from tests.fakes.batch_app import half_price, ledger, requests, results, running
from tests.fakes.batches import BatchProvider, usage_of
from trouper.actors.batch.rows import Way
from trouper.actors.config import ModelConfig
from trouper.actors.config.budgets import BudgetConfig


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


def alerts(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    told = (line["event"] for line in lines if line["event"].startswith("budget "))
    return [event for event in told if event != "budget stands"]


async def test_a_budget_warns_of_what_the_results_of_a_batch_have_cost(tmp_path: Path) -> None:
    cost = half_price("one") + half_price("two")
    limit = f"{cost * 1.05 / 1e9:.9f}"
    budgets = {
        "all": BudgetConfig(limit_usd=limit, per="total", alert_at=0.9),
        "alice": BudgetConfig(limit_usd="1000.00", scope="user", per="day"),
    }
    small = {"default": ModelConfig(targets=["fake/model-x"], max_output_tokens=1)}
    with capture_logs() as lines:
        async with running(
            tmp_path / "s.db", BatchProvider(), budgets=budgets, models=small
        ) as app:
            id = await app.batches.submit(requests("one", "two"), user="alice")
            await results(app, id)
            spent = await app.ledger.spent("all", "total")

    assert spent.spent == cost
    assert alerts(lines) == ["budget is nearly spent"]


async def test_a_budget_says_that_it_does_not_cover_a_batch(tmp_path: Path) -> None:
    budgets = {"all": BudgetConfig(limit_usd="0.0012", per="total")}
    with capture_logs() as lines:
        async with running(tmp_path / "s.db", BatchProvider(), budgets=budgets) as app:
            id = await app.batches.submit(requests("one", "two", "three", "four"))
            await results(app, id)

    assert alerts(lines) == ["budget does not cover a call"]


async def test_requests_for_more_than_any_call_may_have_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_app, "PRICES", {"input": 1.0, "output": 10_000.0})
    lines = [
        {"id": "more than any", "prompt": "one", "max_tokens": 10**13},
        {"id": "too dear", "prompt": "two", "max_tokens": 10**9},
        {"id": "well", "prompt": "three", "max_tokens": 10},
    ]
    async with running(tmp_path / "s.db", BatchProvider()) as app:
        id = await app.batches.submit(lines)
        more, dear, well = await results(app, id)

        assert "max_output_tokens: 10000000000000" in str(more)
        assert "correct the price" in str(dear)
        assert well["text"] == "You said: three"
        assert len(await ledger(app)) == 1
