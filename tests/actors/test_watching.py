"""What a running application tells of itself: metrics over its port, and spans of its calls."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import AppConfig, ProviderConfig, open_app
from trouper.actors.app import App
from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.config import (
    AssistantConfig,
    BudgetConfig,
    ModelConfig,
    Secret,
    ServerConfig,
    StoreConfig,
    TelemetryConfig,
)
from trouper.actors.provider.connection import Connection
from trouper.actors.store.ledger import Selection
from trouper.actors.tree import connection_path
from trouper.runtime.events import DeadLetter, RuntimeEvent


def config(simulator: SimulatorProcess, cache: float | None = None, **more: Any) -> AppConfig:
    provider = ProviderConfig(
        name="sim", kind="openai", base_url=simulator.base_url, requests_per_minute=6_000
    )
    return AppConfig(
        server=more.pop("server", ServerConfig(listen="127.0.0.1:0")),
        providers={"sim": provider},
        models={"default": ModelConfig(targets=["sim/small"], cache=cache)},
        assistants={"default": AssistantConfig(model="default")},
        **more,
    )


async def metrics(app: App, token: str = "") -> httpx.Response:
    assert app.listening is not None
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{app.listening.url}/metrics", headers=headers)


async def test_a_call_shows_in_the_metrics(simulator: SimulatorProcess) -> None:
    async with open_app(config(simulator), serve=True, signals=False) as app:
        session = await app.session("alice")
        await session.ask("one")
        text = (await metrics(app)).text

    for line in (
        'trouper_requests_total{model="default",outcome="ok"} 1.0',
        'trouper_attempts_total{model="small",outcome="ok",provider="sim"} 1.0',
        'trouper_actors{kind="Session",state="running"} 1.0',
        'trouper_limiter_waiting{provider="sim"} 0.0',
        'trouper_breaker_state{model="small",provider="sim",state="closed"} 1.0',
        "trouper_sessions 1.0",
        'trouper_connections{transport="http"} 1.0',
        "trouper_loop_stalls_total 0.0",
    ):
        assert f"{line}\n" in text
    assert "alice" not in text


async def test_budgets_show_in_the_metrics(simulator: SimulatorProcess) -> None:
    budgets = {
        "daily": BudgetConfig(limit_usd="5.00", per="day"),
        "each": BudgetConfig(limit_usd="1.00", per="day", scope="user"),
    }
    async with open_app(config(simulator, budgets=budgets), serve=True, signals=False) as app:
        text = (await metrics(app)).text

    assert 'trouper_budget_limit_usd{budget="daily"} 5.0\n' in text
    assert 'budget="each"' not in text


async def test_metrics_are_for_those_who_have_the_token(simulator: SimulatorProcess) -> None:
    server = ServerConfig(listen="127.0.0.1:0", tokens=[Secret("a-token-for-tests", "test")])
    async with open_app(config(simulator, server=server), serve=True, signals=False) as app:
        assert (await metrics(app)).status_code == 401
        assert (await metrics(app, "a-token-for-tests")).status_code == 200


async def test_what_the_runtime_reports_is_counted_and_told_to_the_program(
    simulator: SimulatorProcess,
) -> None:
    events: list[RuntimeEvent] = []
    async with open_app(
        config(simulator), serve=True, signals=False, observer=events.append
    ) as app:
        app.system.ref(connection_path("sim"), Connection).tell(object())  # type: ignore[arg-type]
        await trio.testing.wait_all_tasks_blocked()
        text = (await metrics(app)).text

    letters = [event for event in events if isinstance(event, DeadLetter)]
    assert len(letters) == 1
    assert f'trouper_dead_letters_total{{reason="{letters[0].reason.value}"}} 1.0\n' in text


async def test_calls_are_spans_where_that_is_configured(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    for traces in (False, True):
        telemetry = TelemetryConfig(traces=traces)
        async with open_app(config(simulator, telemetry=telemetry), signals=False) as app:
            await (await app.session("alice")).ask("a private question")

    spans = memory.get_finished_spans()
    names = ["chat small", "invoke_agent default", "request default"]
    assert sorted(span.name for span in spans) == names
    assert all("private" not in span.to_json() for span in spans)


@pytest.mark.parametrize("cache", [None, 60.0])
async def test_prompts_and_answers_are_in_the_spans_where_that_is_configured(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch, cache: float | None
) -> None:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    telemetry = TelemetryConfig(traces=True, content=True)

    async with open_app(config(simulator, cache, telemetry=telemetry), signals=False) as app:
        await (await app.session("alice")).ask("one")
        request = ChatRequest(model="default", messages=(Message("user", (TextPart("two"),)),))
        await app.complete(request)

    told = [dict(span.attributes or {}) for span in memory.get_finished_spans()]
    chats = [each for each in told if "gen_ai.provider.name" in each]
    assert [
        (text in str(each["gen_ai.input.messages"]), str(each["gen_ai.output.messages"]))
        for each, text in zip(chats, ("one", "two"), strict=True)
    ] == [(True, said("one")), (True, said("two"))]


def said(text: str) -> str:
    part = f'{{"type":"text","content":"You said: {text}"}}'
    return f'[{{"role":"assistant","parts":[{part}],"finish_reason":"stop"}}]'


async def test_an_answer_is_kept_where_the_model_says_for_how_long(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    store = StoreConfig(path=tmp_path / "trouper.db")
    async with open_app(config(simulator, 60.0, store=store), serve=True, signals=False) as app:
        first = await (await app.session("alice")).ask("one")
        second = await (await app.session("bob")).ask("one")
        text = (await metrics(app)).text
        rows = [row async for row in app.ledger.rows(Selection())]
    # And after a restart.
    async with open_app(config(simulator, 60.0, store=store), signals=False) as app:
        third = await (await app.session("carol")).ask("one")

    assert first == second == third == "You said: one"
    assert len(simulator.requests()) == 1
    assert 'trouper_requests_total{model="default",outcome="cached"} 1.0\n' in text
    outcomes = [row.closing.outcome for row in rows if row.closing is not None]
    assert outcomes == ["ok", "cached"]
    assert (tmp_path / "trouper-cache.db").exists()
