"""The console of a whole application: its requests, its costs, its conversations."""

import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from structlog.testing import capture_logs

from tests.fakes.consoles import ConsoleClient, connect, short_folder
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import AppConfig, ProviderConfig, open_app
from trouper.actors.app import App
from trouper.actors.config import (
    AssistantConfig,
    BudgetConfig,
    ConsoleConfig,
    ModelConfig,
    ServerConfig,
)
from trouper.actors.config.tokens import Scope
from trouper.actors.console.console import Console
from trouper.actors.console.peer import role_of
from trouper.actors.tree import breaker_path, limiter_path

PRIVATE = "a private question"
DAILY = BudgetConfig(limit_usd="5.00", per="day")


def config(simulator: SimulatorProcess, budget: BudgetConfig = DAILY, **console: Any) -> AppConfig:
    provider = ProviderConfig(
        name="sim", kind="openai", base_url=simulator.base_url, requests_per_minute=6_000
    )
    return AppConfig(
        providers={"sim": provider},
        models={"default": ModelConfig(targets=["sim/small"])},
        assistants={"default": AssistantConfig(model="default")},
        prices={"sim/*": {"input": 1.0, "output": 2.0}},
        budgets={"daily": budget},
        console=ConsoleConfig(**console),
    )


@asynccontextmanager
async def opened(
    simulator: SimulatorProcess, **console: Any
) -> AsyncGenerator[tuple[App, ConsoleClient]]:
    with short_folder():
        async with open_app(config(simulator, **console), signals=False) as app:
            found: Console = app._watching.console
            client = await connect(found)
            async with client.stream:
                yield app, client


async def test_a_turn_shows_in_costs_outcomes_and_sessions_without_its_words(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator) as (app, client):
        await (await app.session("alice")).ask(PRIVATE)
        told = await client.get("sessions", "costs", "providers", "requests", "tree", "attention")

    (session,) = told["sessions"]
    assert (session["id"], session["turns"], session["running"]) == ("alice", 1, None)
    assert session["cost"] == told["costs"]["total"]["cost"] > 0
    assert [row["name"] for row in told["costs"]["session"]] == ["alice"]
    assert [row["name"] for row in told["costs"]["model"]] == ["sim/small"]
    assert told["costs"]["budgets"][0]["name"] == "daily"
    assert told["providers"][0]["circuits"][0]["outcomes"] == ["ok"]
    assert told["requests"] == []
    assert told["attention"] == []
    assert "private" not in str(told)


async def test_kinds_are_names_that_an_operator_reads(simulator: SimulatorProcess) -> None:
    served = attrs.evolve(config(simulator), server=ServerConfig(listen="127.0.0.1:0"))
    with short_folder():
        async with open_app(served, signals=False, serve=True) as app:
            client = await connect(app._watching.console)
            async with client.stream:
                told = await client.get("tree")

    kinds = {each["path"]: each["kind"] for each in told["new"]}
    functions = ("pace", "console/feed", "loop-lag", "idle-sessions", "gateway")
    assert [kinds.get(path) for path in functions] == [
        "Pace",
        "Console",
        "LoopLag",
        "retirement",
        "gateway",
    ]
    assert [kind for kind in kinds.values() if re.search(r"[.<>]", kind)] == []


async def test_a_conversation_is_told_turn_by_turn_and_its_words_to_admins_only(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator) as (app, client):
        await (await app.session("alice")).ask(PRIVATE)
        told = await client.ask("session", session="alice")
        with capture_logs() as logs:
            denied = await client.ask("session", session="alice", text=True)
        unknown = await client.ask("session", session="bob")

    (turn,) = told["turns"]
    assert [(step["role"], step["what"], step["text"]) for step in turn["steps"]] == [
        ("user", "text", None),
        ("assistant", "text", None),
    ]
    assert turn["steps"][0]["chars"] == len(PRIVATE)
    assert (turn["stop"], turn["target"]) == ("end_turn", "sim/small")
    assert turn["cost"] > 0
    assert "private" not in str(told)
    assert denied["err"]["code"] == "denied"
    assert [(line["event"], line["result"]) for line in logs] == [("console transcript", "denied")]
    assert unknown["err"]["code"] == "not_found"


async def test_an_admin_reads_what_was_said_and_that_is_written_down(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator, role="admin") as (app, client):
        await (await app.session("alice")).ask(f"{PRIVATE} sk-abcdefgh12345678")
        with capture_logs() as logs:
            told = await client.ask("session", session="alice", text=True)

    assert PRIVATE in told["turns"][0]["steps"][0]["text"]
    assert "sk-abc" not in str(told)
    assert [(line["event"], line["session"], line["by"]) for line in logs] == [
        ("console transcript", "alice", f"uid:{os.getuid()}")
    ]


async def test_what_a_budget_warns_of_is_an_event(simulator: SimulatorProcess) -> None:
    small = BudgetConfig(limit_usd="0.001", per="day", alert_at=0.01)
    async with opened(simulator, budget=small) as (app, client):
        await (await app.session("alice")).ask("hello " * 100)
        told = (await client.get("events"))["ev"]

    (event,) = [each for each in told if each["msg"].startswith("budget")]
    assert (event["level"], event["msg"]) == ("warning", "budget is nearly spent")
    assert event["detail"].startswith("daily, ")
    assert event["detail"].endswith(" of 0.001 dollars")


async def test_a_conversation_is_followed_while_it_streams(simulator: SimulatorProcess) -> None:
    simulator.script({"reply": {"text": "one two three four five", "delay": 0.02, "pace": 0.15}})
    async with opened(simulator, role="admin") as (app, client), trio.open_nursery() as nursery:
        session = await app.session("alice")
        with capture_logs() as logs:
            first = await client.ask("follow", session="alice", text=True, hz=5)
        nursery.start_soon(session.ask, PRIVATE)
        frames = [await client.until("said")]
        while frames[-1]["running"] is not None:
            frames.append(await client.until("said"))
        await client.say('{"op":"unsub","id":2}')
        ended = await client.until("ack")

    assert (first["t"], first["turns"], first["id"]) == ("session", [], 1)
    more = [
        step.get("more") or step["text"]
        for frame in frames
        for turn in frame["turns"]
        for step in turn["steps"]
        if step["at"] == 1
    ]
    assert "".join(more) == "one two three four five"
    assert len(more) > 2
    assert frames[-1]["turns"][-1]["stop"] == "end_turn"
    assert ended["id"] == 2
    assert [line["result"] for line in logs] == ["done"]


async def test_who_may_not_read_follows_numbers_and_also_of_one_that_is_suspended(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator) as (app, client):
        session = await app.session("alice")
        await session.ask(PRIVATE)
        app.system.operator.suspend("sessions/alice")
        denied = await client.ask("follow", session="alice", text=True)
        told = await client.ask("follow", session="alice")
        await app.system.operator.stop("sessions/alice")
        gone = await client.frame()

    assert denied["err"]["code"] == "denied"
    assert [turn["number"] for turn in told["turns"]] == [1]
    assert "private" not in str(told)
    assert gone["err"]["code"] in ("not_found", "refused")


async def test_a_request_is_seen_in_its_phase_while_it_is_under_way(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"reply": {"text": "well", "delay": 0.5}})
    async with opened(simulator) as (app, client), trio.open_nursery() as nursery:
        session = await app.session("alice")
        nursery.start_soon(session.ask, "one")
        phases: set[str] = set()
        with trio.move_on_after(5):
            while "sent" not in phases:
                rows = (await client.get("requests"))["requests"]
                phases |= {row["phase"] for row in rows}
                assert all(row["session"] == "alice" for row in rows)
                await trio.sleep(0.005)

    assert "sent" in phases


async def test_what_runs_in_an_application_shows_its_declared_fields(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator) as (app, client):
        await (await app.session("alice")).ask(PRIVATE)
        shown = {}
        for path in (limiter_path("sim"), breaker_path("sim", "small"), "sessions/alice"):
            told = await client.ask("inspect", path=path, want=["fields"])
            shown[path] = {each["name"]: each["value"] for each in told["fields"]}

    assert shown[limiter_path("sim")]["_granted"] == "1"
    assert shown[breaker_path("sim", "small")]["_breaker"].startswith("Closed(")
    assert shown["sessions/alice"]["_history"] == "2"
    assert "turns=1" in shown["sessions/alice"]["overview"]
    assert "private" not in str(shown)


def test_the_scopes_of_a_token_say_what_one_may_do() -> None:
    assert role_of({Scope.SESSION, Scope.MODELS}) is None
    assert role_of({Scope.CONSOLE_READ}) == "read"
    assert role_of({Scope.CONSOLE_READ, Scope.CONSOLE_OPERATE}) == "operate"
    assert role_of(set(Scope)) == "admin"
