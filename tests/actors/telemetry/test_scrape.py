"""What a scrape shows of the program's state, and that it shows what the docs say."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from tests.fakes.metrics import exposed
from trouper.actors.catalog.facts import ModelRef
from trouper.actors.chat import Usage
from trouper.actors.gate.circuit_messages import CircuitState
from trouper.actors.gate.limiter_messages import Level, LimiterLevel
from trouper.actors.store.ledger import Closing
from trouper.actors.telemetry.labels import FirstOnes
from trouper.actors.telemetry.lag import LoopLag
from trouper.actors.telemetry.names import FAMILIES, Conventions
from trouper.actors.telemetry.reading import BudgetReading, Deployment, Reading, ask_each
from trouper.actors.telemetry.scrape import Scrapes
from trouper.runtime import (
    Actor,
    ActorCrashed,
    ChildSpec,
    Request,
    System,
    child,
    dynamic,
    on,
    supervisor,
)

LEVEL = LimiterLevel(
    requests=Level(level=30, capacity=100, rate=1),
    tokens=None,
    input_tokens=None,
    output_tokens=None,
    paused_for=0.0,
    in_flight=1,
    max_in_flight=None,
    waiting=2,
    next_in=None,
    granted=5,
    refused=0,
)
OPEN = CircuitState(
    state="open", cause="server_error", reopens_in=4.0, calls=0, failures=0, in_flight=0
)


class Die(Request[None]):
    """Crash."""


class Ping(Request[str]):
    """Are you there?"""


class Sleep(Request[None]):
    """Be deaf for a minute."""


class Talker(Actor[Die | Sleep | Ping]):
    @on(Sleep)
    async def sleep(self, message: Sleep) -> None:
        await trio.sleep(60)

    @on(Die)
    async def die(self, message: Die) -> None:
        raise RuntimeError("crashed for a test")

    @on(Ping)
    async def ping(self, message: Ping) -> str:
        return "pong"


async def text_of(reading: Reading) -> str:
    async def read() -> Reading:
        return reading

    _, text = await Scrapes(read, lambda path: "Kind").scrape()
    return text.decode()


async def test_limits_of_several_keys_are_shown_as_one_provider() -> None:
    paused = attrs.evolve(
        LEVEL, requests=Level(level=90, capacity=100, rate=1), paused_for=7.0, waiting=0
    )

    text = await text_of(Reading(limiters={("main", 0): LEVEL, ("main", 1): paused}))

    assert 'trouper_limiter_available_ratio{limit="requests",provider="main"} 0.6\n' in text
    assert 'limit="tokens"' not in text
    assert 'trouper_limiter_waiting{provider="main"} 2.0\n' in text
    assert 'trouper_limiter_paused_seconds{provider="main"} 7.0\n' in text


async def test_a_circuit_is_in_one_of_its_states() -> None:
    text = await text_of(Reading(circuits={("main", "big"): OPEN}))

    for state, value in (("open", "1.0"), ("closed", "0.0"), ("half_open", "0.0")):
        line = f'trouper_breaker_state{{model="big",provider="main",state="{state}"}} {value}\n'
        assert line in text


async def test_how_often_a_circuit_has_changed_is_counted() -> None:
    opened_twice = attrs.evolve(OPEN, transitions={"open": 2, "half_open": 1})

    text = await text_of(Reading(circuits={("main", "big"): opened_twice}))

    for state, value in (("open", "2.0"), ("half_open", "1.0"), ("closed", "0.0")):
        labels = f'model="big",provider="main",to="{state}"'
        assert f"trouper_breaker_transitions_total{{{labels}}} {value}\n" in text


async def test_budgets_are_shown_in_dollars() -> None:
    budget = BudgetReading(name="daily", limit=5_000_000_000, spent=1_250_000_000, reserved=1)

    text = await text_of(Reading(budgets=(budget,)))

    assert 'trouper_budget_limit_usd{budget="daily"} 5.0\n' in text
    assert 'trouper_budget_spent_usd{budget="daily"} 1.25\n' in text
    assert 'trouper_budget_reserved_usd{budget="daily"} 1e-09\n' in text


async def test_connections_lag_and_sessions_are_shown() -> None:
    reading = Reading(sessions=3, connections=5, websockets=2, lag=0.25, stalls=1)

    text = await text_of(reading)

    assert "trouper_sessions 3.0\n" in text
    assert 'trouper_connections{transport="http"} 3.0\n' in text
    assert 'trouper_connections{transport="websocket"} 2.0\n' in text
    assert "trouper_loop_lag_seconds 0.25\n" in text
    assert "trouper_loop_stalls_total 1.0\n" in text


@asynccontextmanager
async def watched(*children: ChildSpec) -> AsyncGenerator[tuple[System, Scrapes]]:
    """A system whose events are counted as they come, and which is read at each scrape."""
    system = System(
        *children,
        signals=False,
        observer=lambda event: scrapes.observe(event),  # noqa: PLW0108 - it is made below
    )

    async def read() -> Reading:
        return Reading(actors=system.snapshot(), done=system.inspector.done())

    scrapes = Scrapes(read, system.kind_of)
    async with system:
        yield system, scrapes


async def test_ten_thousand_actors_have_as_many_series_as_ten() -> None:
    async with watched(dynamic("many", Talker, max_children=10_000)) as (system, scrapes):
        children = system.children("many", Talker)

        async def grow(numbers: range) -> int:
            refs = [await children.start(f"talker-{number}") for number in numbers]
            with pytest.raises(ActorCrashed):
                await refs[-1].ask(Die())
            return len((await scrapes.scrape())[1].splitlines())

        with_ten = await grow(range(10))
        with_all = await grow(range(10, 10_000))
        text = (await scrapes.scrape())[1].decode()

    assert with_all == with_ten
    assert 'trouper_actors{kind="Talker",state="running"} 9998.0' in text
    assert 'trouper_crashes_total{kind="Talker"} 2.0' in text


async def test_restarts_and_dead_letters_are_counted_by_kind_and_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watched(child("t", Talker)) as (system, scrapes):
        system.ref("t", Talker).tell(Die())
        await trio.sleep(10)
        text = (await scrapes.scrape())[1].decode()

    assert 'trouper_crashes_total{kind="Talker"} 1.0\n' in text
    assert 'trouper_restarts_total{kind="Talker"} 1.0\n' in text
    assert 'trouper_dead_letters_total{reason="crashed"} 1.0\n' in text
    assert 'trouper_dead_letters_total{reason="overflow"} 0.0\n' in text


async def test_messages_are_counted_and_timed_by_kind_over_all_lives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watched(dynamic("many", Talker)) as (system, scrapes):
        many = system.children("many", Talker)
        for name in ("a", "b"):
            ref = await many.start(name)
            ref.tell(Sleep())
            await ref.ask(Ping(), timeout=100)
            await many.stop(name)
        with pytest.raises(ActorCrashed):
            await (await many.start("c")).ask(Die())
        text = (await scrapes.scrape())[1].decode()

    assert 'trouper_messages_total{kind="Talker",outcome="ok"} 4.0\n' in text
    assert 'trouper_messages_total{kind="Talker",outcome="error"} 1.0\n' in text
    for what in ("wait", "handle"):
        name = f"trouper_message_{what}_seconds"
        assert f'{name}_bucket{{kind="Talker",le="15.0"}} 3.0\n' in text
        assert f'{name}_bucket{{kind="Talker",le="60.0"}} 5.0\n' in text
        assert f'{name}_bucket{{kind="Talker",le="+Inf"}} 5.0\n' in text
        assert f'{name}_count{{kind="Talker"}} 5.0\n' in text
        assert f'{name}_sum{{kind="Talker"}} 120.0\n' in text


async def test_who_uses_the_console_is_shown_by_way_and_role() -> None:
    reading = Reading(
        clients={("unix", "operate"): 2, ("web", "read"): 0}, actions={("restart", "stale"): 3}
    )

    text = await text_of(reading)

    assert 'trouper_console_clients{role="operate",transport="unix"} 2.0\n' in text
    assert 'trouper_console_clients{role="read",transport="web"} 0.0\n' in text
    assert 'trouper_console_actions_total{action="restart",result="stale"} 3.0\n' in text


async def test_a_supervisor_that_gives_up_is_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fragile = supervisor("fragile", child("t", Talker), intensity=0)
    async with watched(fragile) as (system, scrapes):
        system.ref("fragile/t", Talker).tell(Die())
        await trio.sleep(10)
        text = (await scrapes.scrape())[1].decode()

    assert "trouper_supervisor_giveups_total 1.0\n" in text


async def test_who_does_not_answer_is_left_out_of_a_scrape(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with System(child("a", Talker), child("b", Talker), signals=False) as system:
        refs = {name: system.ref(name, Talker) for name in ("a", "b")}
        refs["b"].tell(Sleep())

        assert await ask_each(refs, Ping()) == {"a": "pong"}


async def test_a_stall_of_the_loop_is_seen_and_forgotten_after_a_minute(
    mock_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    lag = LoopLag()
    nursery.start_soon(lag.run)

    async def after(*jumps: float) -> float:
        for seconds in jumps:
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        return lag.worst

    assert await after(0.1) == 0
    assert await after(0.1 + 0.75) == pytest.approx(0.75)
    assert await after(0.1 + 0.35) == pytest.approx(0.75)
    assert lag.stalls == 1
    # It stood still for half a second, most of which it was to sleep through anyway.
    assert await after(0.1 + 0.41) == pytest.approx(0.75)
    assert lag.stalls == 2
    assert await after(*[0.1] * 601) == pytest.approx(0, abs=1e-6)


def test_a_name_that_comes_late_is_called_other() -> None:
    names = FirstOnes(2)

    assert [names(each) for each in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


async def test_scrapers_get_the_format_that_they_ask_for() -> None:
    async def read() -> Reading:
        return Reading()

    scrapes = Scrapes(read, lambda path: "Kind")

    plain, _ = await scrapes.scrape("*/*")
    modern, text = await scrapes.scrape("application/openmetrics-text; version=1.0.0")

    assert plain == "text/plain; version=0.0.4; charset=utf-8"
    assert modern.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")


async def test_what_is_shown_is_what_the_table_says() -> None:
    text = await text_of(Reading())

    shown = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    ours = {name: kind for name, kind in shown.items() if not name.startswith("process_")}
    # prometheus-client tells when each series began, as gauges beside it.
    ours = {name: kind for name, kind in ours.items() if not name.endswith("_created")}
    assert ours == {exposed(family): family.type for family in FAMILIES.values()}


async def test_the_names_of_calls_follow_the_version_of_the_conventions_that_is_configured() -> (
    None
):
    async def read() -> Reading:
        return Reading()

    async def names(conventions: Conventions) -> set[str]:
        scrapes = Scrapes(read, lambda path: "Kind", conventions=conventions)
        text = (await scrapes.scrape())[1].decode()
        return set(re.findall(r"^# TYPE (gen_ai_\w+) histogram$", text, re.MULTILINE))

    before, after = await names("2026-05"), await names("inference")

    calls = {
        f"{what}_seconds" for what in ("duration", "time_to_first_chunk", "time_per_output_chunk")
    }
    assert before - after == {f"gen_ai_client_operation_{each}" for each in calls}
    assert after - before == {f"gen_ai_client_inference_{each}" for each in calls}


def test_the_reference_describes_every_metric_and_no_other() -> None:
    page = Path(__file__).parents[3] / "docs/reference/metrics.md"
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", page.read_text(), re.MULTILINE)

    assert rows == [
        (
            exposed(family),
            family.type,
            ", ".join(f"`{label}`" for label in family.labels) or "none",
            family.help,
        )
        for family in FAMILIES.values()
    ]


async def test_what_a_request_of_a_batch_has_cost_is_counted_and_no_call_is() -> None:
    async def read() -> Reading:
        return Reading()

    scrapes = Scrapes(read, lambda path: "Kind", [Deployment("main", "big", "openai", "")])
    ref = ModelRef("main", "big")
    usage = Usage(input=100, output=20)
    scrapes.settled(ref, Closing(state="settled", outcome="ok", usage=usage, cost=2_000_000))
    scrapes.settled(ref, Closing(state="unknown", outcome="expired"))

    text = (await scrapes.scrape())[1].decode()

    assert 'trouper_tokens_total{model="big",provider="main",type="input"} 100.0\n' in text
    assert 'trouper_cost_usd_total{model="big",provider="main"} 0.002\n' in text
    assert 'trouper_cost_unknown_total{model="big",provider="main"} 1.0\n' in text
    assert 'trouper_attempts_total{model="big",outcome="ok",provider="main"} 0.0\n' in text
