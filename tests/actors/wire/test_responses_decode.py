"""Streamed responses: every split, every cut, every item, every oddity that servers have."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tests.fakes.responses import added, decode, done, event, response, said, text
from trouper.actors.chat import (
    Finish,
    Finished,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.responses import ResponsesCodec

COUNTED = {
    "input_tokens": 90,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 10},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 110,
}


SUMMARY = "response.reasoning_summary_text.delta"
ARGUMENTS = "response.function_call_arguments.delta"

STREAM = b"".join(
    [
        response("created", service_tier="auto", status="in_progress"),
        response("in_progress"),
        added(0, type="reasoning", id="rs_1", summary=[], encrypted_content="gAAA"),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=0),
        event(SUMMARY, item_id="rs_1", output_index=0, summary_index=0, delta="**Plan**"),
        b": keep-alive\n\n",
        event(SUMMARY, item_id="rs_1", output_index=0, summary_index=1, delta="then"),
        event(SUMMARY, item_id="rs_1", output_index=0, summary_index=1, delta=" on"),
        done(0, type="reasoning", id="rs_1", summary=[], encrypted_content="gAAABB"),
        added(1, type="message", id="msg_1", role="assistant", content=[]),
        event("response.content_part.added", output_index=1, content_index=0),
        text(1, "Grüße \u2028 "),
        text(1, "日本"),
        event(
            "response.output_text.done", output_index=1, content_index=0, text="Grüße \u2028 日本"
        ),
        done(1, **said("Grüße \u2028 日本")),
        added(2, type="function_call", id="fc_1", call_id="c1", name="f", arguments=""),
        added(3, type="function_call", id="fc_2", call_id="c2", name="g", arguments=""),
        event(ARGUMENTS, item_id="fc_2", output_index=3, delta='{"b":'),
        event(ARGUMENTS, item_id="fc_1", output_index=2, delta='{"a": 1}'),
        event(ARGUMENTS, item_id="fc_2", output_index=3, delta=" 2}"),
        done(2, type="function_call", id="fc_1", call_id="c1", name="f", arguments='{"a": 1}'),
        done(3, type="function_call", id="fc_2", call_id="c2", name="g", arguments='{"b": 2}'),
        response("completed", status="completed", usage=COUNTED, service_tier="default"),
    ]
)
WHOLE = decode([STREAM])


def test_a_stream_is_started_then_its_parts_then_usage_then_finished_last() -> None:
    assert WHOLE[0] == Started("resp_1", "m-1", None, "openai-responses")
    assert WHOLE[1:7] == [
        ThinkingDelta(0, "**Plan**"),
        ThinkingDelta(0, "\n\nthen"),
        ThinkingDelta(0, " on"),
        ThinkingSignature(0, "gAAABB"),
        TextDelta(2, "Grüße \u2028 "),
        TextDelta(2, "日本"),
    ]
    assert WHOLE[7:14] == [
        ToolCallStarted(4, "c1", "f"),
        ToolCallStarted(6, "c2", "g"),
        ToolArgsDelta(6, '{"b":'),
        ToolArgsDelta(4, '{"a": 1}'),
        ToolArgsDelta(6, " 2}"),
        PartDone(4, ToolCallPart("c1", "f", '{"a": 1}')),
        PartDone(6, ToolCallPart("c2", "g", '{"b": 2}')),
    ]
    assert WHOLE[14] == UsageUpdate(
        Usage(input=90, output=20, cache_read=64, cache_write=10, reasoning=12)
    )
    # At the start the tier is `auto`, which is no tier that serves.
    assert WHOLE[15:] == [Finished(Finish.TOOL_CALLS, "completed", "default")]


@given(st.lists(st.integers(0, len(STREAM))))
def test_the_same_chunks_come_out_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]

    assert decode(STREAM[begin:end] for begin, end in pairwise(places)) == WHOLE


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_ends_change_nothing(ending: str) -> None:
    stream = STREAM.replace(b"\n", ending.encode())

    assert decode([stream]) == WHOLE
    assert decode(stream[i : i + 1] for i in range(len(stream))) == WHOLE


def test_a_cut_at_any_byte_is_a_truncation_and_never_silent() -> None:
    """Truncated streams were reported as success (litellm#40260, pydantic-ai#6610), and so
    were Responses that are incomplete or failed (pydantic-ai#7911): without a terminal
    event an answer is StreamTruncated."""
    for cut in range(len(STREAM)):
        with pytest.raises(StreamTruncated, match="the stream ended before the answer did"):
            decode([STREAM[:cut]])


def test_an_answer_needs_no_done_and_what_comes_after_its_end_is_not_read() -> None:
    decoder = ResponsesCodec().stream()
    chunks = decoder.feed(STREAM + b"data: [DONE]\n\n" + text(9, "more"))

    assert chunks == WHOLE
    assert decoder.done
    assert decoder.feed(text(9, "more")) == decoder.eof() == []


def test_another_wires_done_does_not_end_an_answer() -> None:
    with pytest.raises(StreamTruncated, match=r"\[DONE\] came before the answer did"):
        decode([response("created"), text(0, "a"), b"data: [DONE]\n\n"])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_output_tokens", Finish.LENGTH),
        ("content_filter", Finish.CONTENT_FILTER),
        ("max_messages", Finish.UNKNOWN),
        ("steered", Finish.UNKNOWN),
    ],
)
def test_an_incomplete_answer_says_why(reason: str, finish: Finish) -> None:
    end = response("incomplete", incomplete_details={"reason": reason})

    assert decode([text(0, "a"), end])[-1] == Finished(finish, reason)


def test_an_incomplete_answer_without_a_reason_is_no_stop() -> None:
    assert decode([response("incomplete")])[-1] == Finished(Finish.UNKNOWN, "incomplete")


def test_a_refusal_is_no_text_and_changes_why_the_answer_ended() -> None:
    content = {"type": "refusal", "refusal": "I won't."}
    chunks = decode(
        [
            added(0, type="message", id="msg_1"),
            event("response.refusal.delta", output_index=0, content_index=0, delta="I "),
            event("response.refusal.delta", output_index=0, content_index=0, delta="won't."),
            done(0, type="message", id="msg_1", content=[content]),
            response("completed"),
        ]
    )

    assert chunks[1:] == [
        RefusalDelta(0, "I "),
        RefusalDelta(0, "won't."),
        Finished(Finish.REFUSAL, "completed"),
    ]


def test_events_that_are_no_json_are_passed_over_as_often_as_was_allowed() -> None:
    decoder = ResponsesCodec(skip_malformed=1).stream()
    broken = b"event: response.output_text.delta\ndata: {oops\n\n"

    chunks = decoder.feed(text(0, "a") + broken + text(0, "b") + broken + text(0, "c"))

    assert chunks[1:] == [TextDelta(0, "a"), TextDelta(0, "b")]
    with pytest.raises(ProviderError, match="event 4 of the stream is no JSON"):
        decoder.eof()


def test_a_type_may_stand_in_the_event_line_alone() -> None:
    stream = b'event: response.output_text.delta\ndata: {"output_index": 0, "delta": "a"}\n\n'

    assert TextDelta(0, "a") in decode([stream, response("completed")])


def test_events_of_unknown_types_and_nulls_everywhere_are_taken_in_stride() -> None:
    stream = [
        event("response.created", response=None),
        event("keepalive", sequence_number=3),
        b"data: {}\n\n",
        added(0),
        event("response.output_item.added", item=None),
        event("response.output_item.done", item=None),
        event("response.output_text.delta", delta=None),
        event("response.refusal.delta", delta=None),
        event(SUMMARY, delta=None),
        done(1, type="message", content=None),
        done(2, type="reasoning", summary=None, content=None, encrypted_content=None),
        done(2, type="reasoning", summary=None),
        done(3, type="message", content=[None, {"type": "output_text", "text": ""}]),
        event("response.completed", response={"usage": None, "output": [None]}),
    ]

    assert decode(stream) == [
        Started("", "", None, "openai-responses"),
        Finished(Finish.STOP, "completed"),
    ]


def test_arguments_of_a_call_that_had_not_begun_are_an_error_that_says_so() -> None:
    with pytest.raises(ProviderError, match="the call at 7, which had not begun") as caught:
        decode([event(ARGUMENTS, item_id="f", output_index=7, delta="{}")])

    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR
