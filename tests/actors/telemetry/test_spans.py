"""Spans: one a request, one a try, and nothing in them that was not asked for."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from trouper.actors.chat import (
    ChatRequest,
    FilePart,
    Finish,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Sampling,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from trouper.actors.config import Secret
from trouper.actors.errors import ConfigError, ErrorKind, ProviderError
from trouper.actors.telemetry.observer import (
    AttemptBegan,
    AttemptEnded,
    RequestBegan,
    RequestEnded,
)
from trouper.actors.telemetry.span_content import MOST
from trouper.actors.telemetry.spans import Spans
from trouper.actors.telemetry.steps import Outcome, TurnBegan
from trouper.actors.telemetry.traces import open_traces

REQUEST = ChatRequest(
    model="",
    messages=(
        Message("system", (TextPart("Be kind."),)),
        Message("user", (TextPart("a private question"),)),
    ),
    max_output_tokens=64,
    sampling=Sampling(temperature=0.2),
)
BEGAN = RequestBegan(request_id="r1", request=REQUEST, model="default", session="s1", user="alice")
FIRST = AttemptBegan(
    number=1,
    provider="main",
    model="big",
    kind="anthropic",
    base_url="https://api.anthropic.com",
)
SECOND = AttemptBegan(
    number=2, provider="home", model="small", kind="openai", base_url="http://127.0.0.1:8080/v1"
)
OVERLOADED = ProviderError(
    kind=ErrorKind.OVERLOADED, message="quoting a private question", status=529
)
ANSWERED = AttemptEnded(
    result="ok",
    usage=Usage(input=100, output=20, cache_read=60, cache_write=10, reasoning=5),
    cost=1_500_000,
    model="small-2026",
    response_id="resp_1",
    finish=Finish.STOP,
    key_id="0a1b2c3d",
    answer=Message("assistant", (TextPart("a private answer"),)),
)


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


async def fall_back(spans: Spans) -> None:
    """A request whose first target is overloaded and whose second one answers."""
    asked = spans.began(BEGAN)
    tried = asked.attempted(FIRST)
    tried.sent()
    tried.ended(AttemptEnded(result="failed", error=OVERLOADED))
    tried = asked.attempted(SECOND)
    tried.sent(0.25)
    await trio.sleep(3)
    tried.first_token()
    tried.ended(ANSWERED)
    asked.ended(RequestEnded(result="ok"))


async def test_each_try_is_a_span_below_the_one_of_its_request(
    tracing: Tracing, autojump_clock: trio.testing.MockClock
) -> None:
    await fall_back(Spans(tracing.provider))

    spans = tracing.spans()
    request, first, second = (spans[name] for name in ("request default", "chat big", "chat small"))
    assert request.context is not None
    assert first.parent is not None
    assert second.parent is not None
    assert first.parent.span_id == second.parent.span_id == request.context.span_id
    assert [span.kind for span in (request, first, second)] == [
        trace.SpanKind.INTERNAL,
        trace.SpanKind.CLIENT,
        trace.SpanKind.CLIENT,
    ]
    assert attributes(request) == {
        "trouper.request.id": "r1",
        "trouper.model": "default",
        "trouper.outcome": "ok",
        "trouper.attempts": 2,
        "gen_ai.conversation.id": "s1",
        "gen_ai.request.stream": True,
        "user.id": "alice",
    }


async def test_a_span_says_what_was_asked_and_answered_as_the_conventions_name_it(
    tracing: Tracing, autojump_clock: trio.testing.MockClock
) -> None:
    await fall_back(Spans(tracing.provider))

    assert attributes(tracing.spans()["chat small"]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.conversation.id": "s1",
        "gen_ai.request.model": "small",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.model": "small-2026",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 3.0,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "trouper.provider": "home",
        "trouper.attempt": 2,
        "trouper.key": "0a1b2c3d",
        "trouper.cost_usd": 0.0015,
        "trouper.limiter.wait": 0.25,
    }


async def test_a_failed_try_says_its_class_and_status_and_never_its_words(
    tracing: Tracing, autojump_clock: trio.testing.MockClock
) -> None:
    await fall_back(Spans(tracing.provider))

    failed = tracing.spans()["chat big"]
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert attributes(failed)["error.type"] == "provider_overloaded"
    assert attributes(failed)["http.response.status_code"] == 529
    assert attributes(failed)["server.port"] == 443
    assert all("private" not in span.to_json() for span in tracing.spans().values())


async def test_a_request_that_fails_is_a_failed_span(tracing: Tracing) -> None:
    spans = Spans(tracing.provider)
    spans.began(BEGAN).ended(RequestEnded(result="failed", error=OVERLOADED))
    # A model that is asked for without a name of the configuration.
    spans.began(RequestBegan(request_id="r2", request=REQUEST)).ended(RequestEnded(result="cached"))

    failed, cached = tracing.spans()["request default"], tracing.spans()["request"]
    assert failed.status.description == attributes(failed)["error.type"] == "provider_overloaded"
    assert attributes(cached)["trouper.outcome"] == "cached"
    assert attributes(cached)["trouper.attempts"] == 0


async def test_the_reference_names_every_attribute_and_no_other(tracing: Tracing) -> None:
    spans = Spans(tracing.provider, content=True)
    sampling = Sampling(0.2, 0.9, 1, 0.5, 0.5)
    asked = spans.began(attrs.evolve(BEGAN, request=attrs.evolve(REQUEST, sampling=sampling)))
    tried = asked.attempted(FIRST)
    tried.sent()
    tried.first_token()
    tried.ended(attrs.evolve(ANSWERED, result="failed", error=OVERLOADED))
    asked.ended(RequestEnded(result="failed", error=OVERLOADED))

    page = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()
    named = {
        name: set(re.findall(r"`([\w.]+)`", row))
        for name, row in re.findall(r"^\| `(\w+) MODEL` \|(.*)$", page, re.MULTILINE)
    }
    assert named == {
        name.partition(" ")[0]: set(attributes(span)) for name, span in tracing.spans().items()
    }


async def test_a_request_stands_below_the_span_of_who_asks(tracing: Tracing) -> None:
    tracer = tracing.provider.get_tracer("test")

    with tracer.start_as_current_span("turn") as turn:
        Spans(tracing.provider).began(BEGAN).ended(RequestEnded(result="ok"))

    parent = tracing.spans()["request default"].parent
    assert parent is not None
    assert parent.span_id == turn.get_span_context().span_id


async def test_prompts_and_answers_are_in_spans_where_that_was_asked_for(
    tracing: Tracing, autojump_clock: trio.testing.MockClock
) -> None:
    spans = Spans(tracing.provider, content=True)
    assert spans.content
    await fall_back(spans)

    told = attributes(tracing.spans()["chat small"])
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "a private question"}]}
    ]
    assert json.loads(told["gen_ai.system_instructions"]) == [
        {"type": "text", "content": "Be kind."}
    ]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "a private answer"}],
            "finish_reason": "stop",
        }
    ]


def told_of(tracing: Tracing, *messages: Message) -> str:
    """What a span has of the messages of a request."""
    spans = Spans(tracing.provider, content=True)
    request = ChatRequest(model="m", messages=messages)
    tried = spans.began(RequestBegan(request_id="r", request=request)).attempted(FIRST)
    tried.ended(AttemptEnded(result="cancelled"))
    return str(attributes(tracing.spans()["chat big"])["gen_ai.input.messages"])


def test_secrets_are_masked_in_what_is_shown(tracing: Tracing) -> None:
    secret = Secret("hunter2-hunter2", "env:HUNTER")

    told = told_of(
        tracing,
        Message("user", (TextPart(f"my key is {secret.reveal()}, and sk-abcdefgh12345678"),)),
        Message("assistant", (ToolCallPart("c1", "login", '{"password": "hunter2-hunter2"}'),)),
    )

    assert "hunter2" not in told
    assert "sk-abcdefgh" not in told


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (ThinkingPart("hm"), {"type": "reasoning", "content": "hm"}),
        (
            ToolCallPart("c1", "clock", "{}"),
            {"type": "tool_call", "id": "c1", "name": "clock", "arguments": "{}"},
        ),
        (
            ToolResultPart("c1", "noon"),
            {"type": "tool_call_response", "id": "c1", "response": "noon"},
        ),
        (
            ImagePart("data:image/png;base64,QUJD", "image/png"),
            {"type": "image", "mime_type": "image/png"},
        ),
        (FilePart("QUJD", media_type="text/csv"), {"type": "file", "mime_type": "text/csv"}),
        (OpaquePart("anthropic", {"private": 1}), {"type": "opaque", "origin": "anthropic"}),
        (TextPart("half a \ud83d"), {"type": "text", "content": "half a ?"}),
    ],
)
def test_each_kind_of_part_is_told_without_its_bytes(
    tracing: Tracing, part: Part, shown: dict[str, str]
) -> None:
    assert json.loads(told_of(tracing, Message("user", (part,)))) == [
        {"role": "user", "parts": [shown]}
    ]


@pytest.mark.parametrize("text", ["x" * 100_000, "\u4e16" * 20_000, "\x01" * 100_000])
def test_a_long_conversation_keeps_its_end_and_fits(tracing: Tracing, text: str) -> None:
    many = [Message("user", (TextPart(text),)) for _ in range(50)]
    parts = tuple(TextPart(text) for _ in range(50))

    told = told_of(tracing, *many, Message("user", (*parts,)), Message("user", (TextPart("last"),)))

    assert len(told.encode()) <= MOST
    assert json.loads(told)[-1]["parts"] == [{"type": "text", "content": "last"}]


def test_without_an_sdk_spans_go_nowhere_and_nothing_fails() -> None:
    of_requests, of_steps = open_traces(content=True)

    of_requests.began(BEGAN).attempted(FIRST).ended(ANSWERED)
    of_steps.step(TurnBegan(session="s", turn=1, assistant="a"))(Outcome())


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "trouper.actors.telemetry.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ConfigError, match=r"pip install 'trouper\[otel\]'"):
        open_traces()
