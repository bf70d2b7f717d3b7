"""Answers as the events of a response, read back by the codec of the other side."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    Chunk,
    Completion,
    Finish,
    Finished,
    Heartbeat,
    IncompleteToolCall,
    Logprobs,
    Message,
    OpaquePart,
    Part,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.wire.assembly import Assembly, chunks_of
from trouper.actors.wire.openai_faults import ApiFault
from trouper.actors.wire.openai_values import ORIGIN as CHAT_ORIGIN
from trouper.actors.wire.responses import ResponsesCodec
from trouper.actors.wire.responses_serving import Event, sse_frames
from trouper.actors.wire.responses_serving_events import ResponseWriter
from trouper.actors.wire.responses_serving_request import read_response_request
from trouper.actors.wire.responses_values import BESIDE, ORIGIN

HEX = "0123456789abcdef01234567"
BEGUN = Started("x", "gpt-x", None, ORIGIN)
END: list[Chunk] = [UsageUpdate(Usage(input=3, output=2)), Finished(Finish.STOP, "stop")]


def writer(**fields: Any) -> ResponseWriter:
    asked = read_response_request({"model": "small", "input": "hi", **fields})
    return ResponseWriter(asked, id=HEX, created=5)


def told(*batches: Sequence[Chunk], **fields: Any) -> list[dict[str, Any]]:
    """The JSON of all events of an answer that came in these batches."""
    response = writer(**fields)
    events: list[Event] = []
    for batch in batches:
        events += response.take(batch)
    events += [*response.close(), response.end(response.response())]
    frames: list[dict[str, Any]] = [json.loads(event.data) for event in events]
    assert [frame["type"] for frame in frames] == [event.kind for event in events]
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    return frames


def output(*batches: Sequence[Chunk], **fields: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told(*batches, **fields)[-1]["response"]["output"]
    return items


def test_text_is_told_in_the_order_that_clients_know() -> None:
    frames = told([BEGUN], [TextDelta(0, "You")], [TextDelta(0, " said")], END)

    assert [frame["type"].removeprefix("response.") for frame in frames] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert frames[0]["response"]["status"] == "in_progress"
    assert frames[0]["response"]["model"] == "small"
    assert frames[6]["text"] == "You said"
    whole = frames[-1]["response"]
    assert (whole["id"], whole["created_at"], whole["status"]) == (f"resp_{HEX}", 5, "completed")
    assert whole["output"][0]["content"][0]["text"] == "You said"
    assert whole["usage"]["total_tokens"] == 5
    assert len({frame["item_id"] for frame in frames if "item_id" in frame}) == 1


def test_the_text_of_a_batch_is_one_event() -> None:
    batch: list[Chunk] = [BEGUN, *(TextDelta(0, letter) for letter in "abc")]

    deltas = [frame["delta"] for frame in told(batch, END) if "delta" in frame]

    assert deltas == ["abc"]


def test_calls_are_told_as_they_come_and_may_be_open_together() -> None:
    chunks: list[Chunk] = [
        BEGUN,
        ToolCallStarted(0, "c1", "f"),
        ToolCallStarted(1, "c2", "g"),
        ToolArgsDelta(1, '{"a"'),
        ToolArgsDelta(0, "{}"),
        ToolArgsDelta(1, ":1}"),
        PartDone(0, ToolCallPart("c1", "f", "{}")),
        PartDone(1, ToolCallPart("c2", "g", '{"a":1}')),
        Finished(Finish.TOOL_CALLS),
    ]

    frames = told(chunks)

    done = [frame["item"] for frame in frames if frame["type"] == "response.output_item.done"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in done] == [
        ("c1", "f", "{}"),
        ("c2", "g", '{"a":1}'),
    ]
    assert frames[-1]["type"] == "response.completed"
    assert frames[-1]["response"]["output"] == done


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = ToolCallPart("c", "f", "")

    (item,) = output([BEGUN, ToolCallStarted(0, "c", "f"), PartDone(0, call), END[1]])

    assert (item["arguments"], item["status"]) == ("{}", "completed")


def test_a_call_that_was_cut_off_is_said_to_be_incomplete() -> None:
    cut: list[Chunk] = [ToolCallStarted(0, "c", "f"), ToolArgsDelta(0, '{"a')]
    whole: list[Chunk] = [ToolCallStarted(1, "d", "g"), ToolArgsDelta(1, "{}")]

    frames = told(
        [BEGUN, *whole, *cut, PartDone(0, IncompleteToolCall("c", "f", '{"a'))],
        [Finished(Finish.LENGTH)],
    )

    response = frames[-1]["response"]
    assert frames[-1]["type"] == "response.incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input": "a\\nb"}', "a\nb"), ('{"inp', '{"inp'), ('{"other": 1}', '{"other": 1}')],
)
def test_a_custom_tool_gets_its_text(arguments: str, text: str) -> None:
    custom = {"type": "custom", "name": "patch"}
    chunks: list[Chunk] = [BEGUN, ToolCallStarted(0, "c", "patch")]
    chunks += [ToolArgsDelta(0, letter) for letter in arguments]
    chunks += [PartDone(0, ToolCallPart("c", "patch", arguments)), END[1]]

    frames = told(chunks, tools=[custom])

    (item,) = frames[-1]["response"]["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", text)
    deltas = [frame for frame in frames if frame["type"] == "response.custom_tool_call_input.delta"]
    assert [frame["delta"] for frame in deltas] == [text]


def test_thinking_is_an_item_of_its_own_with_what_must_come_back() -> None:
    chunks: list[Chunk] = [
        BEGUN,
        ThinkingDelta(0, "hm"),
        ThinkingSignature(0, "sealed"),
        TextDelta(2, "so"),
        *END,
    ]

    frames = told(chunks)

    reasoning, message = frames[-1]["response"]["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert reasoning["encrypted_content"] == "sealed"
    assert message["content"][0]["text"] == "so"


def test_thinking_that_nobody_may_read_has_no_words() -> None:
    hidden = ThinkingPart("", "sealed", redacted=True, origin="anthropic")

    frames = told([BEGUN, PartDone(0, hidden), TextDelta(1, "so"), *END])

    (reasoning, _) = frames[-1]["response"]["output"]
    assert reasoning["summary"] == []
    assert reasoning["encrypted_content"].startswith("trouper-1.")
    assert not any("summary" in frame["type"] for frame in frames)


def test_thinking_and_words_that_come_as_whole_parts_are_told() -> None:
    thought = ThinkingPart("hm", "sealed", origin=ORIGIN)

    reasoning, message = output(
        [BEGUN, PartDone(0, thought), PartDone(2, TextPart("so")), PartDone(4, TextPart("")), *END]
    )

    assert reasoning["summary"][0]["text"] == "hm"
    assert message["content"][0]["text"] == "so"


def test_a_refusal_is_a_message_without_text() -> None:
    told_twice = OpaquePart(ORIGIN, {"type": "refusal", "refusal": "no"})

    streamed = output([BEGUN, RefusalDelta(0, "no"), PartDone(0, told_twice), *END])
    at_once = output([BEGUN, PartDone(0, told_twice), *END])

    assert streamed == at_once
    assert [item["content"] for item in streamed] == [[{"type": "refusal", "refusal": "no"}]]


def test_what_stands_beside_text_is_within_its_message() -> None:
    cited = [{"type": "url_citation", "url": "https://example.org"}]
    beside = OpaquePart(ORIGIN, {"type": BESIDE, "annotations": cited, "phase": "final_answer"})

    (message,) = output([BEGUN, TextDelta(0, "so"), PartDone(1, beside), *END])

    assert message["content"][0]["annotations"] == cited
    assert message["phase"] == "final_answer"


def test_what_a_provider_did_itself_is_passed_on() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    custom = {"type": "custom", "id": "c", "custom": {"name": "patch", "input": "x"}}

    items = output(
        [
            BEGUN,
            PartDone(0, OpaquePart(ORIGIN, search)),
            PartDone(1, OpaquePart(CHAT_ORIGIN, custom)),
            PartDone(2, OpaquePart(CHAT_ORIGIN, {"type": "audio"})),
            PartDone(3, OpaquePart("somebody else", {"type": "x"})),
            *END,
        ]
    )

    assert items[0] == search
    assert (items[1]["type"], items[1]["call_id"], items[1]["input"]) == (
        "custom_tool_call",
        "c",
        "x",
    )
    assert len(items) == 2


def test_thinking_in_plain_words_is_within_its_item() -> None:
    content = [{"type": "reasoning_text", "text": "hm"}]
    raw = {"type": "reasoning", "summary": [], "content": content}

    (item,) = output([BEGUN, ThinkingDelta(0, "hm"), PartDone(1, OpaquePart(ORIGIN, raw)), *END])

    assert item["content"] == content


def test_words_that_come_behind_a_call_are_another_message() -> None:
    call = ToolCallPart("c", "f", "{}")

    items = output(
        [BEGUN, TextDelta(0, "a"), ToolCallStarted(1, "c", "f"), PartDone(1, call)],
        [TextDelta(0, "b"), *END],
    )

    assert [item["type"] for item in items] == ["message", "function_call", "message"]
    assert len({item["id"] for item in items}) == 3


def test_the_tier_and_the_model_are_those_that_served() -> None:
    frames = told(
        [Started("x", "gpt-x", "flex")], [Finished(Finish.STOP, None, "priority")], model=""
    )

    assert (frames[0]["response"]["model"], frames[0]["response"]["service_tier"]) == (
        "gpt-x",
        "flex",
    )
    assert frames[-1]["response"]["service_tier"] == "priority"


def test_what_says_nothing_to_the_client_makes_no_event() -> None:
    response = writer()
    response.take([BEGUN])

    assert response.take([]) == []
    assert response.take([Heartbeat(), Logprobs({"content": []})]) == []


def test_a_filtered_answer_says_so() -> None:
    frames = told([BEGUN, Finished(Finish.CONTENT_FILTER)])

    assert frames[-1]["response"]["incomplete_details"] == {"reason": "content_filter"}


def test_a_request_that_generates_nothing_is_whole_at_once() -> None:
    frames = told(generate=False)

    assert [frame["type"] for frame in frames] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert (frames[-1]["response"]["output"], frames[-1]["response"]["usage"]["total_tokens"]) == (
        [],
        0,
    )


@pytest.mark.parametrize("begun", [False, True])
def test_a_failure_is_told_with_what_there_is(begun: bool) -> None:
    response = writer()
    before = response.take([BEGUN, TextDelta(0, "You")]) if begun else []

    fault = ApiFault(status=429, message="slow down", code="rate_limit_exceeded", retry_after=1.5)
    frames = [json.loads(event.data) for event in [*before, *response.fail(fault)]]

    assert [frame["type"] for frame in frames][:2] == ["response.created", "response.in_progress"]
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    failed = frames[-1]["response"]
    assert (frames[-1]["type"], failed["status"]) == ("response.failed", "failed")
    assert failed["error"] == {
        "code": "rate_limit_exceeded",
        "message": "slow down. Please try again in 1.5s.",
    }
    assert [item["status"] for item in failed["output"]] == (["incomplete"] if begun else [])


WORDS = st.text(min_size=1, max_size=20)
CALLS = st.builds(
    ToolCallPart,
    st.uuids().map(str),
    st.sampled_from(["f", "g"]),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2).map(json.dumps),
)
THOUGHTS = st.builds(ThinkingPart, WORDS, WORDS, st.just(False), st.just(ORIGIN))
PARTS: st.SearchStrategy[Part] = st.builds(TextPart, WORDS) | CALLS | THOUGHTS
COUNTS = st.integers(0, 1000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached = draw(COUNTS)
    return Usage(input=cached + draw(COUNTS), output=draw(COUNTS), cache_read=cached)


def decoded(wire: bytes) -> Completion:
    assembly = Assembly()
    decoder = ResponsesCodec().stream()
    assembly.extend(decoder.feed(wire))
    assembly.extend(decoder.eof())
    return assembly.completion()


@given(st.lists(PARTS, max_size=5), usages(), st.sampled_from([None, Finish.LENGTH]), st.data())
def test_an_answer_is_read_back_as_it_was(
    parts: list[Part], usage: Usage, cut: Finish | None, data: st.DataObject
) -> None:
    """Whatever the answer and however it came, both as a stream and as the response in its end."""
    called = any(isinstance(part, ToolCallPart) for part in parts)
    finish = cut or (Finish.TOOL_CALLS if called else Finish.STOP)
    said = Message("assistant", tuple(parts))
    chunks = chunks_of(Completion(message=said, finish=finish, usage=usage, model="gpt-x"))
    response = writer()
    events: list[Event] = []
    while chunks:
        count = data.draw(st.integers(1, len(chunks)))
        events += response.take(chunks[:count])
        del chunks[:count]
    whole = response.response()
    events += [*response.close(), response.end(response.response())]

    streamed = decoded(sse_frames(events))
    plain = ResponsesCodec().parse(200, {}, json.dumps(response.response()).encode())

    assert streamed.message == plain.message == said
    assert (streamed.usage, streamed.finish, plain.finish) == (usage, finish, finish)
    assert whole["id"] == streamed.response_id == f"resp_{HEX}"
