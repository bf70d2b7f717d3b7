"""Streamed messages: every split, every cut, every oddity that servers have."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    Chunk,
    Finish,
    Finished,
    Heartbeat,
    OpaquePart,
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
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Codec, Decoder

CODEC: Codec = AnthropicCodec(max_tokens_default=64)


def event(kind: str, /, **said: Any) -> bytes:
    frame = json.dumps({"type": kind, **said}, ensure_ascii=False)
    return f"event: {kind}\ndata: {frame}\n\n".encode()


def start(**usage: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": []}
    return event("message_start", message={**message, "usage": usage})


def delta(index: int, kind: str, /, **said: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **said})


def text(index: int, said: str) -> bytes:
    return delta(index, "text_delta", text=said)


def fragment(index: int, said: str) -> bytes:
    return delta(index, "input_json_delta", partial_json=said)


def block(index: int, kind: str, /, *deltas: bytes, **said: Any) -> bytes:
    begun = event("content_block_start", index=index, content_block={"type": kind, **said})
    return begun + b"".join(deltas) + event("content_block_stop", index=index)


def ended(reason: str | None = "end_turn", /, **usage: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage=usage)


PING = event("ping")
STOP = event("message_stop")


def decode(parts: Iterable[bytes]) -> list[Chunk]:
    decoder: Decoder = CODEC.stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


def parts_of(*stream: bytes) -> tuple[Any, ...]:
    assembly = Assembly()
    assembly.extend(decode([start(), *stream, ended(), STOP]))
    return assembly.completion().message.parts


STREAM = b"".join(
    [
        start(input_tokens=10, cache_read_input_tokens=5, output_tokens=1),
        PING,
        block(
            0,
            "thinking",
            delta(0, "thinking_delta", thinking="hm "),
            delta(0, "thinking_delta", thinking="\u2028so"),
            delta(0, "signature_delta", signature="EqQB"),
            thinking="",
            signature="",
        ),
        b": a comment\n\n",
        block(1, "redacted_thinking", data="Zm9v"),
        block(2, "server_tool_use", fragment(2, '{"q":'), fragment(2, "1}"), id="s1", input={}),
        block(3, "web_search_tool_result", tool_use_id="s1", content=[{"url": "u"}]),
        block(4, "text", text(4, "Grüße \u2028 "), text(4, "日本"), text="", citations=None),
        block(5, "tool_use", fragment(5, ""), fragment(5, '{"a": 1}'), id="t1", name="f", input={}),
        block(6, "tool_use", fragment(6, ""), id="t2", name="g", input={}),
        ended("tool_use", output_tokens=42),
        STOP,
    ]
)
WHOLE = decode([STREAM])


def test_a_stream_is_started_then_its_parts_then_usage_then_finished_last() -> None:
    assert WHOLE[:9] == [
        Started("msg_1", "m-1", None, "anthropic"),
        UsageUpdate(Usage(input=15, output=1, cache_read=5)),
        Heartbeat(),
        ThinkingDelta(0, "hm "),
        ThinkingDelta(0, "\u2028so"),
        ThinkingSignature(0, "EqQB"),
        *WHOLE[6:9],
    ]
    assert WHOLE[9:11] == [TextDelta(4, "Grüße \u2028 "), TextDelta(4, "日本")]
    assert WHOLE[11:13] == [ToolCallStarted(5, "t1", "f"), ToolArgsDelta(5, '{"a": 1}')]
    assert WHOLE[-2:] == [
        UsageUpdate(Usage(input=15, output=42, cache_read=5)),
        Finished(Finish.TOOL_CALLS, "tool_use"),
    ]


def test_a_stream_makes_a_message_whose_parts_may_go_back_as_they_came() -> None:
    assembly = Assembly()
    assembly.extend(WHOLE)

    assert assembly.completion().message.parts == (
        ThinkingPart("hm \u2028so", "EqQB", origin="anthropic"),
        ThinkingPart("", "Zm9v", redacted=True, origin="anthropic"),
        OpaquePart("anthropic", {"type": "server_tool_use", "id": "s1", "input": {"q": 1}}),
        OpaquePart(
            "anthropic",
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
        ),
        TextPart("Grüße \u2028 日本"),
        ToolCallPart("t1", "f", '{"a": 1}'),
        ToolCallPart("t2", "g", "{}"),
    )


@given(st.lists(st.integers(0, len(STREAM))))
def test_the_same_chunks_come_out_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]

    assert decode(STREAM[begin:end] for begin, end in pairwise(places)) == WHOLE


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_ends_change_nothing(ending: str) -> None:
    stream = STREAM.replace(b"\n", ending.encode())

    assert decode([stream]) == WHOLE
    assert decode(stream[i : i + 1] for i in range(len(stream))) == WHOLE


def test_a_byte_order_mark_and_blank_lines_before_the_first_event_change_nothing() -> None:
    stream = b"\xef\xbb\xbf\r\n\n" + STREAM

    assert decode([stream]) == WHOLE
    assert decode(stream[i : i + 1] for i in range(len(stream))) == WHOLE


def test_a_cut_at_any_byte_is_a_proper_end_or_a_truncation_and_never_silent() -> None:
    """Truncated streams were reported as success (litellm#40260, Portkey#1797): without
    message_stop or a stop_reason an answer is StreamTruncated."""
    # The answer is whole once the event with its stop_reason is.
    whole_from = STREAM.index(STOP)
    for cut in range(len(STREAM)):
        if cut < whole_from:
            with pytest.raises(StreamTruncated, match="the stream ended before the answer did"):
                decode([STREAM[:cut]])
        else:
            assert decode([STREAM[:cut]]) == WHOLE


def test_what_comes_after_message_stop_is_not_read() -> None:
    decoder = CODEC.stream()

    assert decoder.feed(STREAM + STREAM) == WHOLE
    assert decoder.done
    assert decoder.feed(STREAM) == []
    assert decoder.eof() == []


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("stop_sequence", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("tool_use", Finish.TOOL_CALLS),
        ("pause_turn", Finish.PAUSE),
        ("compaction", Finish.PAUSE),
        ("refusal", Finish.REFUSAL),
        ("model_context_window_exceeded", Finish.CONTEXT_WINDOW),
        ("invented_tomorrow", Finish.UNKNOWN),
    ],
)
def test_every_stop_reason_has_its_word(raw: str, finish: Finish) -> None:
    assert decode([start(), ended(raw), STOP])[-1] == Finished(finish, raw)


def test_message_stop_alone_ends_an_answer_without_a_reason() -> None:
    assert decode([start(), ended(None), STOP])[-1] == Finished(Finish.UNKNOWN, None)


def test_message_stop_without_a_message_is_a_truncation() -> None:
    with pytest.raises(StreamTruncated, match="message_stop came before the answer did"):
        decode([STOP])


def test_a_refusal_is_explained_in_a_part_of_its_own() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "blocked"}
    why = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details})

    chunks = decode([start(), why, STOP])

    assert chunks[1] == RefusalDelta(0, "blocked")
    assert chunks[-1] == Finished(Finish.REFUSAL, "refusal")


@pytest.mark.parametrize("details", [None, {}, {"type": "refusal", "explanation": None}])
def test_a_refusal_may_come_without_a_word(details: Any) -> None:
    why = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details})

    assert decode([start(), why, STOP])[1:] == [Finished(Finish.REFUSAL, "refusal")]


def test_counts_are_totals_and_what_a_later_event_leaves_out_stays() -> None:
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    begun = start(
        input_tokens=10,
        cache_creation_input_tokens=7,
        cache_read_input_tokens=100,
        cache_creation=split,
        output_tokens=1,
        service_tier="priority",
    )
    details = {"thinking_tokens": 20}
    end = ended("end_turn", output_tokens=50, input_tokens=None, output_tokens_details=details)

    chunks = decode([begun, end, STOP])

    assert chunks[0] == Started("msg_1", "m-1", "priority", "anthropic")
    assert chunks[-2] == UsageUpdate(
        Usage(input=117, output=50, cache_read=100, cache_write=7, cache_write_1h=4, reasoning=20)
    )


def test_what_the_cache_took_is_counted_where_only_its_parts_are_told() -> None:
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}

    chunks = decode([start(input_tokens=1, cache_creation=split), ended(), STOP])

    assert chunks[1] == UsageUpdate(Usage(input=8, cache_write=7, cache_write_1h=4))


@pytest.mark.parametrize("usage", [None, 7, {"input_tokens": "?", "cache_creation": 3}])
def test_counts_that_are_none_do_no_harm(usage: Any) -> None:
    begun = event("message_start", message={"usage": usage})
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)

    assert decode([begun, end, STOP])[-1] == Finished(Finish.STOP, "end_turn")


def test_an_answer_may_come_without_the_start_of_its_message() -> None:
    chunks = decode([block(0, "text", text="a"), ended(), STOP])

    assert chunks[:2] == [Started("", "", None, "anthropic"), TextDelta(0, "a")]
    assert decode([ended(), STOP])[0] == Started("", "", None, "anthropic")


def test_a_message_that_starts_twice_is_one_message() -> None:
    assert decode([start(), start(), ended(), STOP]) == decode([start(), ended(), STOP])


def test_events_and_deltas_of_tomorrow_and_nulls_everywhere_are_taken_in_stride() -> None:
    odd = [
        event("invented_tomorrow", index=0),
        event("message_start", message=None),
        event("content_block_start", index=9, content_block=None),
        event("content_block_delta", index=9, delta=None),
        event("content_block_stop", index=9),
        event("content_block_stop", index=[]),
        event("message_delta", delta=None, usage=None),
        event("content_block_start", index=0, content_block={"type": "text", "text": None}),
        delta(0, "invented_tomorrow", text="b"),
        delta(0, "input_json_delta", partial_json="{"),
        delta(0, "text_delta", text=None),
        b"data: {}\n\n",
        b"data:\n\n",
        b"data: \n\n",
    ]

    assert parts_of(*odd, text(0, "a")) == (TextPart("a"),)


@pytest.mark.parametrize("step", [1, 10_000])
def test_the_events_name_is_enough_where_the_data_does_not_say_its_type(step: int) -> None:
    events = [
        start(),
        b'event: content_block_delta\ndata: {"delta": {"type": "text_delta", "text": "a"}}\n\n',
        b'event: message_delta\ndata: {"delta": {"stop_reason": "end_turn"}}\n\n',
        b"event: message_stop\ndata: {}\n\n",
    ]

    chunks = decode(part[i : i + step] for part in events for i in range(0, len(part), step))

    assert chunks[1:] == [TextDelta(0, "a"), Finished(Finish.STOP, "end_turn")]


def outcome(parts: Iterable[bytes], bound: int) -> tuple[list[Chunk], ErrorKind | None]:
    decoder = AnthropicCodec(max_tokens_default=64, max_event=bound).stream()
    chunks: list[Chunk] = []
    try:
        for part in parts:
            chunks += decoder.feed(part)
        chunks += decoder.eof()
    except ProviderError as error:
        return chunks, error.kind
    return chunks, None


def test_the_bound_of_an_event_does_not_depend_on_how_it_is_cut() -> None:
    events = [start(), text(0, "a" * 300), ended()]
    stream = b"".join(events)
    kinds: set[ErrorKind | None] = set()
    for bound in range(len(events[1]) - 60, len(events[1]) + 5):
        whole = outcome(events, bound)

        assert whole == outcome((stream[i : i + 1] for i in range(len(stream))), bound)
        kinds.add(whole[1])
    assert kinds == {ErrorKind.PROTOCOL_ERROR, None}


def test_openais_done_ends_what_has_a_reason_and_truncates_what_has_none() -> None:
    done = b"data: [DONE]\n\n"

    assert decode([start(), ended(), done])[-1] == Finished(Finish.STOP, "end_turn")
    with pytest.raises(StreamTruncated):
        decode([start(), done])


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert parts_of(block(0, "text", text="a~b").replace(b"~", b"\xff")) == (TextPart("a\ufffdb"),)
