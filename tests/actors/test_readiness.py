"""Ready is what can answer: each model has a target that can be asked, and the rest is a warning."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import pytest

from trouper.actors import AppConfig, ProviderConfig, open_app
from trouper.actors.app import App
from trouper.actors.config import AssistantConfig, ModelConfig, ServerConfig
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Reset, Trip
from trouper.actors.gateway.readiness import READY, Readiness
from trouper.actors.readiness import readiness_of
from trouper.actors.tree import breaker_path
from trouper.runtime import ActorSnapshot

FALLBACK: Mapping[str, Any] = {"default": ["a/m", "b/m"]}


@asynccontextmanager
async def opened(models: Mapping[str, Any]) -> AsyncGenerator[App]:
    """Providers "a" and "b", whom nobody asks anything."""
    config = AppConfig(
        server=ServerConfig(listen="127.0.0.1:0"),
        providers={
            name: ProviderConfig(name=name, kind="openai", base_url="http://127.0.0.1:9/v1")
            for name in "ab"
        },
        models={name: ModelConfig(targets=targets) for name, targets in models.items()},
        assistants={"default": AssistantConfig(model="default")},
    )
    async with open_app(config, serve=True, signals=False) as app:
        yield app


def with_states(app: App, patch: pytest.MonkeyPatch, **states: str) -> None:
    """The connections of these providers are in these states."""
    crash = type("Crash", (), {"error": "KeyError: what a user has said"})()

    def as_it_is(actor: ActorSnapshot) -> ActorSnapshot:
        for name, state in states.items():
            if actor.path == f"providers/{name}/connection":
                return attrs.evolve(actor, state=state, last_crash=crash)
        return actor

    snapshot = app.system.snapshot

    def patched(under: str) -> tuple[ActorSnapshot, ...]:
        return tuple(map(as_it_is, snapshot(under)))

    patch.setattr(app.system, "snapshot", patched)


async def told(app: App) -> tuple[int, dict[str, Any]]:
    """What anybody hears who asks the port."""
    assert app.listening is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{app.listening.url}/readyz")
    return answer.status_code, answer.json()


async def test_an_application_that_has_started_is_ready() -> None:
    async with opened(FALLBACK) as app:
        assert await app.readiness() == READY
        assert await told(app) == (200, {"ready": True, "reasons": [], "warnings": []})


async def test_a_provider_that_restarts_is_a_warning_while_another_one_stands_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(FALLBACK) as app:
        with_states(app, monkeypatch, a="backoff")
        assert await told(app) == (
            200,
            {"ready": True, "reasons": [], "warnings": ["provider a is restarting"]},
        )


async def test_a_provider_of_which_somebody_has_suspended_a_part_is_a_warning() -> None:
    async with opened(FALLBACK) as app:
        app.system.operator.suspend(breaker_path("a", "m"))

        assert (await app.readiness()).warnings == ("provider a is suspended by hand",)


async def test_a_model_of_which_no_target_can_be_asked_is_a_reason_without_words_of_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened({**FALLBACK, "small": ["a/s"]}) as app:
        with_states(app, monkeypatch, a="backoff")
        assert await app.readiness() == Readiness(
            ("model small has no target that can be asked: provider a is restarting",)
        )
        with_states(app, monkeypatch, b="starting")
        assert (await told(app))[1]["reasons"] == [
            (
                "model default has no target that can be asked: provider a is restarting, "
                "provider b is starting"
            ),
            "model small has no target that can be asked: provider a is restarting",
        ]


async def test_a_circuit_that_is_open_until_it_is_reset_is_like_a_provider_that_is_down() -> None:
    async with opened({**FALLBACK, "small": ["a/s"]}) as app:
        circuit = app.system.ref(breaker_path("a", "s"), Circuit)
        await circuit.ask(Trip("under test"))
        status, body = await told(app)
        assert (status, body["warnings"]) == (503, [])
        [reason] = body["reasons"]
        assert reason == (
            "model small has no target that can be asked: "
            "the circuit of a/s is open until it is reset"
        )
        await circuit.ask(Reset())
        assert (await app.readiness()).ready


async def test_such_a_circuit_is_a_warning_while_another_target_stands_in() -> None:
    async with opened(FALLBACK) as app:
        await app.system.ref(breaker_path("b", "m"), Circuit).ask(Trip("under test"))
        assert await app.readiness() == Readiness(
            (), ("the circuit of b/m is open until it is reset",)
        )


async def test_a_circuit_that_will_reopen_by_itself_is_a_warning() -> None:
    async with opened({"default": ["a/m"]}) as app:
        await app.system.ref(breaker_path("a", "m"), Circuit).ask(Trip("ill", seconds=60))
        assert await app.readiness() == Readiness((), ("provider a: tripped",))


async def test_what_the_console_says_is_a_warning_without_the_names_of_people() -> None:
    async with opened(FALLBACK) as app:
        await app.session("alice")
        app.system.operator.suspend("sessions/alice")

        assert await app.readiness() == Readiness((), ("sessions: suspended",))


async def test_no_warning_tells_of_money_or_of_what_crashed() -> None:
    private: dict[str, Any] = {"detail": "95% used: $0.95; KeyError: what a user has said"}
    attention = [
        {"what": "loop", "path": "", "name": "event loop", "health": "stalled", **private},
        {"what": "budget", "path": "", "name": "daily", "health": "over budget", **private},
        {"what": "actor", "path": "tools/clock", "name": "clock", "health": "stuck", **private},
        {"what": "actor", "path": "store/writer", "name": "writer", "health": "stuck", **private},
        {"what": "actor", "path": "providers/a", "name": "a", "health": "stopped", **private},
    ]
    async with opened(FALLBACK) as app:
        told = await readiness_of(app.system, app.config, attention)

    assert told == Readiness(
        (),
        (
            "event loop: stalled",
            "budget daily: over budget",
            "tool clock: stuck",
            "store: stuck",
            "provider a: stopped",
        ),
    )


async def test_a_target_for_long_prompts_alone_does_not_stand_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = {"target": "b/m", "on": ["context_window_exceeded"]}
    async with opened({"default": ["a/m", long]}) as app:
        with_states(app, monkeypatch, a="backoff")
        assert not (await app.readiness()).ready
