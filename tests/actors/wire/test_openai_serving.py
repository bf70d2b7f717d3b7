"""What we serve is what a client of OpenAI's reads: held to our own client's side of the wire."""

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    Completion,
    Finish,
    Finished,
    Heartbeat,
    Logprobs,
    Message,
    OpaquePart,
    Part,
    Started,
    TextDelta,
    TextPart,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.wire.assembly import Assembly, chunks_of
from trouper.actors.wire.openai_answer import read_answer
from trouper.actors.wire.openai_decode import OpenAIDecoder
from trouper.actors.wire.openai_frames import FrameWriter
from trouper.actors.wire.openai_serving import completion_body, model_body, models_body
from trouper.actors.wire.openai_values import BESIDE, ORIGIN, refusal_part

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
calls = st.builds(
    ToolCallPart,
    id=st.uuids().map(lambda uuid: f"call_{uuid.hex}"),
    name=st.sampled_from(["clock", "search"]),
    args_json=st.dictionaries(text, text, max_size=2).map(lambda it: orjson.dumps(it).decode()),
)
usages = st.none() | st.builds(
    Usage,
    input=st.integers(10, 99),
    output=st.integers(10, 99),
    cache_read=st.integers(0, 10),
    cache_write=st.integers(0, 10),
    reasoning=st.integers(0, 10),
)


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    """Answers that OpenAI's wire has words for."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(ThinkingPart(draw(text), origin=ORIGIN))
    if draw(st.booleans()):
        parts.append(TextPart(draw(text)))
    refused = draw(st.booleans())
    if refused:
        parts.append(refusal_part(draw(text)))
    called = draw(st.lists(calls, max_size=3, unique_by=lambda call: call.id))
    parts += called
    finish, raw = draw(
        st.sampled_from([(Finish.LENGTH, "length"), (Finish.CONTENT_FILTER, "content_filter")])
    )
    if called:
        finish, raw = Finish.TOOL_CALLS, "tool_calls"
    return Completion(
        message=Message("assistant", tuple(parts)),
        finish=finish,
        raw_finish=raw,
        usage=draw(usages),
        model="m",
        response_id="chatcmpl-1",
        service_tier=draw(st.none() | st.just("flex")),
        logprobs=draw(st.none() | st.just({"content": [{"token": "a", "logprob": -0.5}]})),
    )


def frames_of(batches: list[list[Any]], **options: Any) -> list[Any]:
    """The data of all frames; [DONE] is the last of them."""
    writer = FrameWriter(id="chatcmpl-1", model="m", created=1, **options)
    wire = b"".join(writer.take(batch) for batch in batches)
    events = wire.decode().split("\n\n")
    assert events.pop() == ""
    shown = [event.removeprefix("data: ") for event in events if event.startswith("data: ")]
    return [event if event == "[DONE]" else orjson.loads(event) for event in shown]


@given(completions())
def test_a_served_answer_is_read_as_what_it_was(completion: Completion) -> None:
    body = completion_body(completion, id="chatcmpl-1", model="m", created=1)

    assert read_answer(200, {}, body) == completion


@given(completions(), st.data())
def test_a_served_stream_is_read_as_what_it_was(
    completion: Completion, data: st.DataObject
) -> None:
    chunks = chunks_of(completion)
    cut = data.draw(st.integers(0, len(chunks)))
    writer = FrameWriter(id="chatcmpl-1", model="m", include_usage=True)
    decoder = OpenAIDecoder()
    assembly = Assembly()

    for batch in (chunks[:cut], [], chunks[cut:]):
        assembly.extend(decoder.feed(writer.take(batch)))
    assembly.extend(decoder.eof())

    assert attrs.evolve(assembly.completion(), response_id="chatcmpl-1") == completion


def test_text_of_one_batch_is_one_frame() -> None:
    spoken = [TextDelta(0, each) for each in ("You ", "said", ": hi")]
    role, first, second, end, done = frames_of(
        [[Started("x", "gpt"), *spoken], [TextDelta(0, "!")], [Finished(Finish.STOP, "stop")]]
    )

    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert first["choices"][0]["delta"] == {"content": "You said: hi"}
    assert second["choices"][0]["delta"] == {"content": "!"}
    assert (end["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")
    assert {frame["id"] for frame in (role, first, second, end)} == {"chatcmpl-1"}
    assert {frame["object"] for frame in (role, first, second, end)} == {"chat.completion.chunk"}
    assert "usage" not in first


def test_totals_have_a_frame_of_their_own_where_they_are_asked_for() -> None:
    usage = Usage(input=10, output=20, cache_read=4, cache_write=2, cache_write_1h=1, reasoning=5)
    *frames, totals, done = frames_of(
        [[TextDelta(0, "hi"), UsageUpdate(usage), Finished(Finish.STOP)]], include_usage=True
    )

    assert [frame["usage"] for frame in frames] == [None, None, None]
    assert (totals["choices"], done) == ([], "[DONE]")
    assert totals["usage"]["total_tokens"] == 30
    assert totals["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert totals["usage"]["prompt_tokens_details"]["cache_write_tokens"] == 3
    assert totals["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


def test_calls_are_numbered_from_0_whatever_parts_stand_before_them() -> None:
    frames = frames_of(
        [
            [TextDelta(0, "let me see"), ToolCallStarted(3, "a", "clock")],
            [ToolArgsDelta(3, "{}"), ToolCallStarted(5, "b", "clock"), ToolArgsDelta(5, "{")],
            [Finished(Finish.STOP, "stop")],
        ]
    )

    deltas = [frame["choices"][0]["delta"] for frame in frames[:-1]]
    told = [delta["tool_calls"][0]["index"] for delta in deltas if "tool_calls" in delta]
    assert told == [0, 0, 1, 1]
    # A server that says stop where it wants tools to be run is understood.
    assert frames[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_parts_that_are_told_whole_are_told() -> None:
    custom = OpaquePart(
        ORIGIN, {"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}
    )
    audio = OpaquePart(ORIGIN, {"type": "audio", "id": "a1", "data": "aGk="})
    cited = OpaquePart(ORIGIN, {"type": BESIDE, "annotations": [{"type": "url_citation"}]})
    foreign = OpaquePart("anthropic", {"type": "server_tool_use"})
    completion = Completion(
        message=Message("assistant", (custom, audio, cited, foreign)), finish=Finish.TOOL_CALLS
    )

    streamed = [frame["choices"][0]["delta"] for frame in frames_of([chunks_of(completion)])[1:-2]]
    body = orjson.loads(completion_body(completion, id="x", model="m"))
    message = body["choices"][0]["message"]
    assert streamed == [
        {"tool_calls": [{"index": 0, **custom.raw}]},
        {"audio": {"id": "a1", "data": "aGk="}},
        {"annotations": [{"type": "url_citation"}]},
    ]
    assert message["tool_calls"] == [custom.raw]
    assert message["audio"] == {"id": "a1", "data": "aGk="}
    assert message["annotations"] == [{"type": "url_citation"}]


def test_the_tier_that_served_is_told_once_it_is_known() -> None:
    first, *_, end, _ = frames_of(
        [[Started("x", "m", "auto"), TextDelta(0, "a"), Finished(Finish.STOP, "stop", "flex")]]
    )

    assert (first["service_tier"], end["service_tier"]) == ("auto", "flex")


def test_a_provider_that_thinks_keeps_the_connection_alive() -> None:
    writer = FrameWriter(id="x", model="")

    alive = writer.take([Heartbeat(), ThinkingSignature(0, "sig")])

    assert alive.startswith(b":")
    assert OpenAIDecoder().feed(alive) == []


def test_likelihoods_stand_beside_their_text() -> None:
    _, one, two, _, _ = frames_of(
        [
            [TextDelta(0, "a"), Logprobs({"content": [1]}), Logprobs({"refusal": [2]})],
            [Finished(Finish.STOP)],
        ]
    )

    assert (one["choices"][0]["delta"]["content"], one["choices"][0]["logprobs"]) == (
        "a",
        {"content": [1]},
    )
    assert two["choices"][0]["delta"]["content"] == ""


@pytest.mark.parametrize(
    ("finish", "raw", "refusal", "word"),
    [
        (Finish.STOP, "end_turn", False, "stop"),
        (Finish.CONTEXT_WINDOW, "model_length", False, "length"),
        (Finish.REFUSAL, "refusal", False, "content_filter"),
        (Finish.REFUSAL, "stop", True, "stop"),
        (Finish.ERROR, "error", False, "error"),
        (Finish.UNKNOWN, "guardrail", False, "guardrail"),
        (Finish.UNKNOWN, None, False, "stop"),
    ],
)
def test_finishes_have_openais_words(
    finish: Finish, raw: str | None, refusal: bool, word: str
) -> None:
    parts: tuple[Part, ...] = (refusal_part("no"),) if refusal else (TextPart("hm"),)
    completion = Completion(message=Message("assistant", parts), finish=finish, raw_finish=raw)

    whole = orjson.loads(completion_body(completion, id="x", model=""))
    streamed = frames_of([[*chunks_of(completion)[:-1], Finished(finish, raw)]])

    assert whole["choices"][0]["finish_reason"] == word
    assert streamed[-2]["choices"][0]["finish_reason"] == word


def test_an_answer_names_the_model_by_the_name_that_was_asked() -> None:
    completion = Completion(
        message=Message("assistant", (TextPart("hi"),)), finish=Finish.STOP, model="gpt-x-2026"
    )

    asked = orjson.loads(completion_body(completion, id="x", model="default"))
    unnamed = orjson.loads(completion_body(completion, id="x", model=""))

    assert (asked["model"], unnamed["model"]) == ("default", "gpt-x-2026")
    assert "usage" not in asked


def test_models_are_listed_as_openai_lists_them() -> None:
    listed = orjson.loads(models_body(("a", "b"), 5))

    assert [each["id"] for each in listed["data"]] == ["a", "b"]
    assert orjson.loads(model_body("a", 5)) == listed["data"][0]
