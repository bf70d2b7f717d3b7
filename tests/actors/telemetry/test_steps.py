"""Turns and tools as they are told to observers: in spans, in metrics, and over several actors."""

import io
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    ModelConfig,
    ProviderConfig,
    Secret,
    TelemetryConfig,
)
from trouper.actors.errors import TurnFailed
from trouper.actors.logs import configure_logging
from trouper.actors.telemetry.step_metrics import StepMetrics
from trouper.actors.telemetry.step_spans import StepSpans
from trouper.actors.telemetry.steps import Outcome, StepBegan, Steps, ToolBegan, TurnBegan
from trouper.actors.tools import tool
from trouper.runtime import Actor, Ref, Request, System, child, on

TURN = TurnBegan(session="s1", turn=3, assistant="helper", model="default", user="alice")
TOOL = ToolBegan(session="s1", name="weigh", call_id="c1", arguments='{"thing": "a bag"}')


class Tracing:
    """Spans into memory."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._memory.get_finished_spans()}


@pytest.fixture
def tracing() -> Tracing:
    return Tracing()


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def above(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def test_a_tool_is_a_span_below_that_of_its_turn(tracing: Tracing) -> None:
    steps = Steps(StepSpans(tracing.provider))
    with steps.step(TURN), steps.step(TOOL) as outcome:
        outcome.result = "3 kg"
    turn, tool = (tracing.spans()[name] for name in ("invoke_agent helper", "execute_tool weigh"))

    assert above(turn) is None
    assert above(tool) == id_of(turn)
    assert attributes(turn) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "helper",
        "gen_ai.conversation.id": "s1",
        "trouper.turn": 3,
        "trouper.model": "default",
        "user.id": "alice",
    }
    assert attributes(tool) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weigh",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.conversation.id": "s1",
    }
    assert not trace.get_current_span().get_span_context().is_valid


def test_what_a_tool_was_given_and_gave_is_shown_to_who_asked_for_it_without_secrets(
    tracing: Tracing,
) -> None:
    secret = Secret("hunter2-hunter2", "env:HUNTER").reveal()
    steps = Steps(StepSpans(tracing.provider, content=True))
    with steps.step(attrs.evolve(TOOL, arguments=f'{{"key": "{secret}"}}')) as outcome:
        outcome.result = f"it is {secret}" + "x" * 100_000
    told = attributes(tracing.spans()["execute_tool weigh"])

    assert told["gen_ai.tool.call.arguments"] == '{"key": "[redacted]"}'
    assert told["gen_ai.tool.call.result"].startswith("it is [redacted]xxx")
    assert len(told["gen_ai.tool.call.result"]) == 8 * 1024


def test_the_reference_names_every_attribute_of_turns_and_tools_and_no_other(
    tracing: Tracing,
) -> None:
    steps = Steps(StepSpans(tracing.provider, content=True))
    for began in (TURN, TOOL):
        with steps.step(began) as outcome:
            outcome.error, outcome.result = "internal_fault", "3 kg"

    page = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()
    named = {
        name: set(re.findall(r"`([\w.]+)`", row))
        for name, row in re.findall(r"^\| `(\w+) (?:ASSISTANT|TOOL)` \|(.*)$", page, re.MULTILINE)
    }
    assert named == {
        name.partition(" ")[0]: set(attributes(span)) for name, span in tracing.spans().items()
    }


def test_log_lines_name_the_span_that_they_are_written_in(tracing: Tracing) -> None:
    steps, log = Steps(StepSpans(tracing.provider)), structlog.get_logger()
    stream = io.StringIO()
    configure_logging("info", stream)
    try:
        with steps.step(TURN):
            with steps.step(TOOL):
                log.info("within the tool")
            log.info("within the turn")
        log.info("outside")
    finally:
        structlog.reset_defaults()
    lines = stream.getvalue().splitlines()

    spans = tracing.spans()
    for line, name in zip(lines, ("execute_tool weigh", "invoke_agent helper"), strict=False):
        found = spans[name].context
        assert found is not None
        assert f"trace_id={trace.format_trace_id(found.trace_id)}" in line
        assert f"span_id={trace.format_span_id(found.span_id)}" in line
    assert "_id=" not in lines[2]


async def test_how_a_step_ends_is_its_class_and_never_its_words(tracing: Tracing) -> None:
    steps = Steps(StepSpans(tracing.provider))
    with pytest.raises(ValueError, match="private"), steps.step(TURN):
        raise ValueError("a private thing")
    with trio.CancelScope() as scope, steps.step(TOOL):
        scope.cancel()
        await trio.lowlevel.checkpoint()
    turn, tool = (tracing.spans()[name] for name in ("invoke_agent helper", "execute_tool weigh"))

    assert attributes(turn)["error.type"] == turn.status.description == "internal_fault"
    assert attributes(tool)["error.type"] == "cancelled"
    assert tool.status.status_code is trace.StatusCode.UNSET
    assert "private" not in turn.to_json()


async def test_who_is_cancelled_may_say_why_his_step_has_ended(tracing: Tracing) -> None:
    steps = Steps(StepSpans(tracing.provider))
    with trio.CancelScope() as scope, steps.step(TURN) as outcome:
        scope.cancel()
        outcome.error = "interrupted"
        await trio.lowlevel.checkpoint()
    turn = tracing.spans()["invoke_agent helper"]

    assert attributes(turn)["error.type"] == "interrupted"
    assert turn.status.status_code is trace.StatusCode.ERROR


def test_steps_are_timed_by_assistant_and_tool() -> None:
    registry, now = CollectorRegistry(), [0.0]
    steps = Steps(StepMetrics(registry, lambda: now[0]))
    with steps.step(TURN):
        with steps.step(TOOL) as outcome:
            now[0] += 2
            outcome.error = "tool_error"
        now[0] += 1

    for name, labels, seconds in (
        ("gen_ai_invoke_agent", {"gen_ai_agent_name": "helper", "error_type": ""}, 3),
        ("gen_ai_execute_tool", {"gen_ai_tool_name": "weigh", "error_type": "tool_error"}, 2),
    ):
        assert registry.get_sample_value(f"{name}_duration_seconds_sum", labels) == seconds


class Broken:
    """Fails, or lets its end fail."""

    def __init__(self, *, late: bool) -> None:
        self._late = late

    def step(self, began: StepBegan) -> Callable[[Outcome], None]:
        if self._late:
            return self._end
        raise ValueError("broken")

    def _end(self, outcome: Outcome) -> None:
        raise ValueError("broken")


@pytest.mark.parametrize("late", [False, True])
def test_an_observer_that_fails_is_logged_and_changes_nothing(
    tracing: Tracing, caplog: pytest.LogCaptureFixture, late: bool
) -> None:
    steps = Steps(Broken(late=late), StepSpans(tracing.provider))
    with caplog.at_level(logging.ERROR), steps.step(TURN) as outcome:
        assert outcome.error == ""

    assert "an observer of turns and tools failed" in caplog.text
    assert "invoke_agent helper" in tracing.spans()


# Over several actors.


class Do(Request[None]):
    """Take a step."""


class Pass(Request[None]):
    """Have the next one take a step, by asking it."""


class Drop(Request[None]):
    """Have the next one take a step, by telling it."""


class Doer(Actor[Do]):
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    @on(Do)
    async def do(self, message: Do) -> None:
        with self._steps.step(TOOL):
            await trio.lowlevel.checkpoint()


class Asker(Actor[Pass | Drop]):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    async def init(self) -> None:
        self._doer: Ref[Do] = self.find("doer", Doer)

    @on(Pass)
    async def pass_on(self, message: Pass) -> None:
        with self._tracer.start_as_current_span("asking"):
            await self._doer.ask(Do())

    @on(Drop)
    async def drop(self, message: Drop) -> None:
        with self._tracer.start_as_current_span("telling"):
            self._doer.tell(Do())


@pytest.mark.parametrize(("message", "sender"), [(Pass(), "asking"), (Drop(), "telling")])
async def test_an_ask_carries_its_span_and_a_tell_leaves_a_link(
    tracing: Tracing, message: Pass | Drop, sender: str
) -> None:
    steps = Steps(StepSpans(tracing.provider, told=lambda: system.is_told))
    tracer = tracing.provider.get_tracer("test")
    doer, asker = child("doer", lambda: Doer(steps)), child("asker", lambda: Asker(tracer))
    async with System(doer, asker, signals=False) as system:
        assert not system.is_told
        await system.ref("asker", Asker).ask(message)
        await trio.testing.wait_all_tasks_blocked()
    done, sent = tracing.spans()["execute_tool weigh"], tracing.spans()[sender]

    linked = [link.context.span_id for link in done.links]
    if sender == "asking":
        assert (above(done), linked) == (id_of(sent), [])
    else:
        assert (above(done), linked) == (None, [id_of(sent)])
        assert done.context is not None
        assert sent.context is not None
        assert done.context.trace_id != sent.context.trace_id


@tool
def weigh(thing: str) -> str:
    """Weigh a thing."""
    with trace.get_tracer("test").start_as_current_span("weighing"):
        if thing == "air":
            raise ValueError("nothing to weigh")
    return f"{thing} weighs 3 kg"


async def test_a_turn_of_an_application_holds_its_requests_and_its_tools(
    tracing: Tracing, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracing.provider)
    calls = [{"name": "weigh", "arguments": {"thing": "the bag"}}]
    simulator.script(
        {"times": 1, "reply": {"tool_calls": calls}},
        {"times": 1, "reply": {"text": "It is 3 kg."}},
        {"fault": {"kind": "status", "status": 400, "body": {"error": {"message": "private"}}}},
    )
    config = AppConfig(
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={"default": ModelConfig(targets=["sim/large"])},
        assistants={"default": AssistantConfig(model="default", tools=["weigh"])},
        telemetry=TelemetryConfig(traces=True),
    )
    async with open_app(config, signals=False, tools=[weigh]) as app:
        session = await app.session("s", user="alice")
        tracer = tracing.provider.get_tracer("test")
        with tracer.start_as_current_span("the bot's own"):
            assert await session.ask("How heavy is the bag?") == "It is 3 kg."
        spans = tracing.spans()
        with pytest.raises(TurnFailed):
            await session.ask("And now?")
        failed = tracing.spans()["invoke_agent default"]

    own, turn, request, call, tool, inside = (
        spans[name]
        for name in (
            "the bot's own",
            "invoke_agent default",
            "request default",
            "chat large",
            "execute_tool weigh",
            "weighing",
        )
    )
    assert above(turn) == id_of(own)
    assert above(request) == above(tool) == id_of(turn)
    assert above(call) == id_of(request)
    assert above(inside) == id_of(tool)
    assert (attributes(turn)["user.id"], attributes(turn)["trouper.turn"]) == ("alice", 1)
    assert "error.type" not in attributes(turn)
    assert attributes(failed)["error.type"] == "caller_invalid_request"
    assert "private" not in failed.to_json()
