"""What is counted of requests, as a scrape shows it."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from trouper.actors.chat import ChatRequest, Message, TextPart, Usage
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.telemetry.labels import error_type, provider_name
from trouper.actors.telemetry.metrics import Metrics
from trouper.actors.telemetry.observer import (
    AttemptBegan,
    AttemptEnded,
    RequestBegan,
    RequestEnded,
)
from trouper.actors.telemetry.reading import Deployment
from trouper.runtime import ActorDown

REQUEST = ChatRequest(model="m", messages=(Message("user", (TextPart("hi"),)),))
CALL = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "openai",
    "gen_ai_request_model": "big",
    "provider": "main",
}
BIG = {"provider": "main", "model": "big"}
USAGE = Usage(input=100, output=20, cache_read=60, cache_write=10, reasoning=5)


@attrs.define
class House:
    """Metrics of one deployment, `main/big`, and one model, `default`, at a time that is set."""

    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry)
    now: float = 0.0
    metrics: Metrics = attrs.field(
        default=attrs.Factory(
            lambda self: Metrics(
                self.registry,
                [Deployment("main", "big", "openai", "https://api.openai.com/v1")],
                ["default"],
                lambda: self.now,
            ),
            takes_self=True,
        )
    )

    def value(self, name: str, **labels: str) -> float:
        """A sample, 0 where there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def call(self, ended: AttemptEnded, provider: str = "main", model: str = "big") -> None:
        """A streamed call: one second at the gates, two to its first word, four to its end."""
        asked = self.metrics.began(RequestBegan(request_id="r", request=REQUEST, model="default"))
        tried = asked.attempted(AttemptBegan(number=1, provider=provider, model=model))
        self.now += 1
        tried.sent(1.0)
        self.now += 2
        tried.first_token()
        self.now += 2
        tried.ended(ended)
        asked.ended(RequestEnded(result=ended.result, error=ended.error))


@pytest.fixture
def house() -> House:
    return House()


def test_a_call_is_timed_from_the_moment_it_is_sent(house: House) -> None:
    house.call(AttemptEnded(result="ok", usage=USAGE, cost=5))

    assert house.value(
        "gen_ai_client_operation_duration_seconds_sum", **CALL, error_type=""
    ) == pytest.approx(4)
    assert house.value(
        "gen_ai_client_operation_time_to_first_chunk_seconds_sum", **CALL
    ) == pytest.approx(2)
    assert house.value("trouper_limiter_wait_seconds_sum", provider="main") == pytest.approx(1)
    assert house.value("trouper_requests_total", model="default", outcome="ok") == 1
    assert house.value("trouper_attempts_total", **BIG, outcome="ok") == 1


def test_chunks_are_timed_from_the_first_content_to_the_end_once_a_call(house: House) -> None:
    name = "gen_ai_client_operation_time_per_output_chunk_seconds"
    house.call(AttemptEnded(result="ok", usage=USAGE, cost=5, chunks=8))
    # All of it came at once: there is no time between two.
    house.call(AttemptEnded(result="ok", usage=USAGE, cost=5))

    assert house.value(f"{name}_count", **CALL) == 1
    assert house.value(f"{name}_sum", **CALL) == pytest.approx(2 / 8)


def test_tokens_are_counted_as_the_provider_has_counted_them(house: House) -> None:
    house.call(AttemptEnded(result="ok", usage=USAGE, cost=5))
    house.call(AttemptEnded(result="ok", usage=attrs.evolve(USAGE, estimated=True), cost=5))

    counted = {
        kind: house.value("trouper_tokens_total", **BIG, type=kind)
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    }
    assert counted == {
        "input": 100,
        "output": 20,
        "cache_read": 60,
        "cache_write": 10,
        "reasoning": 5,
    }
    tokens = "gen_ai_client_token_usage_sum"
    assert house.value(tokens, **CALL, gen_ai_token_type="input") == 100
    assert house.value(tokens, **CALL, gen_ai_token_type="output") == 20


def test_a_million_calls_of_one_nano_dollar_cost_a_thousandth_of_a_dollar(house: House) -> None:
    calls = house.metrics.calls("main", "big")
    for _ in range(1_000_000 // 1_000):
        calls.ended(AttemptEnded(result="ok", cost=1_000), 0.0)

    assert house.value("trouper_cost_usd_total", **BIG) == 0.001


@pytest.mark.parametrize(
    ("ended", "unknown"),
    [
        (AttemptEnded(result="ok", cost=0), 0),
        (AttemptEnded(result="ok"), 1),
        (AttemptEnded(result="cancelled"), 1),
        (AttemptEnded(result="failed", error=RuntimeError("?")), 1),
        (
            AttemptEnded(
                result="failed",
                error=ProviderError(kind=ErrorKind.TIMEOUT, message="late", billed="maybe"),
            ),
            1,
        ),
        (
            AttemptEnded(
                result="failed", error=ProviderError(kind=ErrorKind.AUTH, message="no", billed="no")
            ),
            0,
        ),
    ],
)
def test_a_cost_that_nobody_knows_is_said_and_not_zero(
    house: House, ended: AttemptEnded, unknown: int
) -> None:
    house.call(ended)

    assert house.value("trouper_cost_unknown_total", **BIG) == unknown


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ProviderError(kind=ErrorKind.INVALID_REQUEST, message="x"), "caller_invalid_request"),
        (ProviderError(kind=ErrorKind.CIRCUIT_OPEN, message="x"), "policy_circuit_open"),
        (ProviderError(kind=ErrorKind.OVERLOADED, message="x"), "provider_overloaded"),
        (ActorDown("providers/x", "stopped"), "internal_unavailable"),
        (RuntimeError("a bug that quotes sk-1234567890"), "internal_fault"),
    ],
)
def test_errors_are_counted_by_who_has_to_act(
    house: House, error: BaseException, named: str
) -> None:
    house.call(AttemptEnded(result="failed", error=error))

    assert house.value("trouper_attempts_total", **BIG, outcome=named) == 1
    assert house.value("trouper_requests_total", model="default", outcome=named) == 1
    duration = "gen_ai_client_operation_duration_seconds_count"
    assert house.value(duration, **CALL, error_type=named) == 1
    assert b"sk-1234567890" not in generate_latest(house.registry)


def test_every_kind_of_error_has_somebody_to_blame() -> None:
    named = {error_type(ProviderError(kind=kind, message="x")) for kind in ErrorKind}

    assert len(named) == len(ErrorKind)
    assert {name.partition("_")[0] for name in named} == {
        "caller",
        "policy",
        "provider",
        "internal",
    }


@pytest.mark.parametrize(
    ("kind", "base_url", "name"),
    [
        ("openai", "https://api.groq.com/openai/v1", "groq"),
        ("openai", "https://mine.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("openai-responses", "https://gateway.example/v1", "openai"),
        ("ollama", "http://127.0.0.1:11434", "ollama"),
        ("local", "", "local"),
    ],
)
def test_a_provider_has_the_name_that_dashboards_know(kind: str, base_url: str, name: str) -> None:
    assert provider_name(kind, base_url) == name


def test_a_call_is_in_flight_in_one_phase_at_a_time(house: House) -> None:
    def phases() -> dict[str, float]:
        return {
            phase: house.value("trouper_requests_in_flight", provider="main", phase=phase)
            for phase in ("gates", "model", "answer")
        }

    asked = house.metrics.began(RequestBegan(request_id="r", request=REQUEST))
    tried = asked.attempted(AttemptBegan(number=1, provider="main", model="big"))
    steps: list[Callable[[], Any]] = [
        lambda: None,
        tried.sent,
        tried.first_token,
        lambda: tried.ended(AttemptEnded(result="ok")),
    ]
    seen: list[dict[str, float]] = []
    for step in steps:
        step()
        seen.append(phases())

    assert seen == [
        {"gates": 1, "model": 0, "answer": 0},
        {"gates": 0, "model": 1, "answer": 0},
        {"gates": 0, "model": 0, "answer": 1},
        {"gates": 0, "model": 0, "answer": 0},
    ]


def test_a_call_that_a_gate_refused_is_no_call_to_the_model(house: House) -> None:
    asked = house.metrics.began(RequestBegan(request_id="r", request=REQUEST))
    tried = asked.attempted(AttemptBegan(number=1, provider="main", model="big"))
    refused = ProviderError(kind=ErrorKind.CIRCUIT_OPEN, message="left alone")
    tried.ended(AttemptEnded(result="failed", error=refused))

    assert house.value("trouper_attempts_total", **BIG, outcome="policy_circuit_open") == 1
    duration = "gen_ai_client_operation_duration_seconds_count"
    assert house.value(duration, **CALL, error_type="policy_circuit_open") == 0
    assert house.value("trouper_cost_unknown_total", **BIG) == 0


def test_an_answer_out_of_the_cache_is_a_request_without_a_try(house: House) -> None:
    asked = house.metrics.began(RequestBegan(request_id="r", request=REQUEST, model="default"))
    asked.ended(RequestEnded(result="cached"))

    assert house.value("trouper_requests_total", model="default", outcome="cached") == 1
    assert house.value("trouper_attempts_total", **BIG, outcome="ok") == 0


def test_a_scrape_is_as_long_after_ten_thousand_names_as_after_ten(house: House) -> None:
    def lines() -> int:
        return len(generate_latest(house.registry).splitlines())

    def calls(names: range) -> None:
        for number in names:
            house.call(AttemptEnded(result="ok", usage=USAGE), f"p{number}", f"m{number}")
            request = RequestBegan(
                request_id=f"r{number}",
                request=REQUEST,
                model=f"model{number}",
                session=f"s{number}",
                user=f"u{number}",
            )
            house.metrics.began(request).ended(RequestEnded(result="ok"))

    calls(range(10))
    after_ten = lines()
    calls(range(10, 10_000))

    assert lines() == after_ten
    other = {"provider": "other", "model": "other"}
    assert house.value("trouper_attempts_total", **other, outcome="ok") == 10_000
