"""Streamed chat completions: every split, every cut, every oddity that servers have."""

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
    IncompleteToolCall,
    Logprobs,
    OpaquePart,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingPart,
    Usage,
    UsageUpdate,
)
from trouper.actors.errors import StreamTruncated
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Codec, Decoder
from trouper.actors.wire.openai import OpenAICodec

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}


def event(frame: Any) -> bytes:
    return b"data: " + json.dumps(frame, ensure_ascii=False).encode() + b"\n\n"


def delta(finish: str | None = None, /, **said: Any) -> bytes:
    return event(
        {
            "id": "chatcmpl-1",
            "model": "m-1",
            "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
        }
    )


def totals(**also: Any) -> bytes:
    return event({"id": "chatcmpl-1", "model": "m-1", "choices": [], "usage": USAGE, **also})


def decode(parts: Iterable[bytes], codec: Codec | None = None) -> list[Chunk]:
    decoder: Decoder = (codec or OpenAICodec()).stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


STREAM = b"".join(
    [
        delta(role="assistant", content="", refusal=None),
        b": keep-alive\n\n",
        delta(reasoning_content="hm"),
        delta(content="Grüße \u2028 "),
        delta(content="日本", reasoning_content=None),
        delta(
            tool_calls=[
                {"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}},
                {"index": 1, "id": "c2", "function": {"name": "g", "arguments": ""}},
            ]
        ),
        delta(tool_calls=[{"index": 1, "function": {"arguments": '{"b": 2}'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a": 1}'}}]),
        delta("tool_calls"),
        totals(),
        DONE,
    ]
)
WHOLE = decode([STREAM])


def test_a_stream_is_started_then_its_parts_then_usage_then_finished_last() -> None:
    assert WHOLE[0] == Started("chatcmpl-1", "m-1", None, "openai")
    assert WHOLE[1:4] == [
        ThinkingDelta(0, "hm"),
        TextDelta(1, "Grüße \u2028 "),
        TextDelta(1, "日本"),
    ]
    assert UsageUpdate(Usage(input=8, output=5)) in WHOLE
    assert WHOLE[-1] == Finished(Finish.TOOL_CALLS, "tool_calls")


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
    """Truncated streams were reported as success (litellm#40260, pydantic-ai#6610,
    Portkey#1797): the end of the bytes without a finish_reason is StreamTruncated."""
    # The answer is whole once the event with its finish_reason is.
    whole_from = STREAM.index(totals())
    for cut in range(len(STREAM)):
        if cut < whole_from:
            with pytest.raises(StreamTruncated, match="before any finish_reason"):
                decode([STREAM[:cut]])
        else:
            assert decode([STREAM[:cut]])[-1] == WHOLE[-1]


def test_an_answer_without_done_ends_with_its_connection() -> None:
    assert decode([delta(content="a"), delta("stop")])[-1] == Finished(Finish.STOP, "stop")


def test_done_without_a_finish_reason_is_a_truncation_after_what_was_said() -> None:
    decoder = OpenAICodec().stream()

    chunks = decoder.feed(delta(content="half a sen") + DONE)

    assert chunks[-1] == TextDelta(0, "half a sen")
    assert decoder.done
    with pytest.raises(StreamTruncated, match=r"\[DONE\] came before any finish_reason"):
        decoder.eof()


def test_the_totals_and_done_end_an_answer_whose_server_gives_no_reason() -> None:
    assert decode([delta(content="4"), totals(), DONE])[-1] == Finished(Finish.UNKNOWN, None)
    with pytest.raises(StreamTruncated):
        decode([delta(content="4"), totals()])


def test_a_lenient_codec_takes_a_bare_done_for_the_end() -> None:
    """The way out for servers that never send a finish_reason (pydantic-ai#2996)."""
    chunks = decode([delta(content="4"), DONE], OpenAICodec(lenient_finish=True))

    assert chunks[-1] == Finished(Finish.UNKNOWN, None)


def test_an_unknown_finish_reason_is_kept_as_it_came() -> None:
    assert decode([delta("guardrail_intervened"), DONE])[-1] == Finished(
        Finish.UNKNOWN, "guardrail_intervened"
    )


def test_an_empty_finish_reason_is_none() -> None:
    with pytest.raises(StreamTruncated):
        decode([delta("", content="a"), DONE])


def test_what_comes_after_the_finish_reason_is_read_and_what_comes_after_done_is_not() -> None:
    decoder = OpenAICodec().stream()

    chunks = decoder.feed(
        delta("stop", content="a") + delta(content="b") + totals() + DONE + delta(content="c")
    )

    assert [type(chunk) for chunk in chunks[1:]] == [TextDelta, TextDelta, UsageUpdate, Finished]
    assert decoder.done
    assert decoder.feed(delta(content="d")) == []
    assert decoder.eof() == []


def test_a_refusal_is_no_text_and_changes_why_the_answer_ended() -> None:
    chunks = decode([delta(refusal="I am "), delta(refusal="sorry"), delta("stop"), DONE])
    assembly = Assembly()
    assembly.extend(chunks)

    assert chunks[1:3] == [RefusalDelta(0, "I am "), RefusalDelta(0, "sorry")]
    assert chunks[-1] == Finished(Finish.REFUSAL, "stop")
    assert assembly.completion().message.parts == (
        OpaquePart("openai", {"type": "refusal", "refusal": "I am sorry"}),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"summary": "m"}, 7]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, None]},
        {"content": [{"type": "audio"}, {"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_thinking_is_read_from_every_field_that_servers_put_it_in(said: dict[str, Any]) -> None:
    assembly = Assembly()
    assembly.extend(decode([delta(**said), delta(content="so"), delta("stop"), DONE]))

    assert assembly.completion().message.parts[0] == ThinkingPart("hm", origin="openai")
    assert assembly.completion().text == "so"


def test_content_in_parts_is_text() -> None:
    chunks = decode([delta(content=[{"type": "text", "text": "1"}]), delta("stop"), DONE])

    assert TextDelta(0, "1") in chunks


def test_of_several_answers_the_first_is_read() -> None:
    other = event({"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]})

    chunks = decode([delta(content="A"), other, delta("length"), DONE])

    assert [chunk for chunk in chunks if isinstance(chunk, TextDelta)] == [TextDelta(0, "A")]
    assert chunks[-1] == Finished(Finish.LENGTH, "length")


def test_comments_between_events_say_nothing() -> None:
    comment = b": OPENROUTER PROCESSING\n\n"
    said = [comment, delta(content="a"), comment * 3, delta("stop"), comment, DONE]

    assert [type(chunk) for chunk in decode(said)] == [Started, TextDelta, Finished]


def test_frames_without_choices_and_nulls_everywhere_are_taken_in_stride() -> None:
    odd = [
        event({"choices": [], "id": "", "model": "", "prompt_filter_results": []}),
        event({"choices": None}),
        event({"choices": [None, {"delta": None, "finish_reason": None}]}),
        event({"choices": "?", "usage": {"prompt_tokens": "?"}}),
        event({"choices": [], "error": None}),
        b"data:\n\n",
        b"data: \n\n",
    ]

    chunks = decode([*odd, delta(content="a"), delta("stop"), DONE])

    assert [chunk for chunk in chunks if isinstance(chunk, TextDelta)] == [TextDelta(0, "a")]


def test_the_tier_that_served_is_told_at_the_start() -> None:
    frame = {"id": "1", "model": "m", "service_tier": "flex", "choices": []}

    assert decode([event(frame), delta("stop"), DONE])[0] == Started("1", "m", "flex", "openai")


def test_the_tier_at_the_end_is_told_with_the_end() -> None:
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "service_tier": "priority"}
    finished = decode([delta(content="a"), event(end), DONE])[-1]

    assert finished == Finished(Finish.STOP, "stop", "priority")


def test_likelihoods_are_handed_on_where_they_were_asked_for() -> None:
    tokens = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}]
    frames = [
        event(
            {
                "id": "1",
                "choices": [
                    {
                        "delta": {"content": token["token"]},
                        "logprobs": {"content": [token], "refusal": None},
                    }
                ],
            }
        )
        for token in tokens
    ]
    odd = event({"choices": [{"delta": {}, "logprobs": [1]}]})
    chunks = decode([*frames, odd, delta("stop")])
    message = {"role": "assistant", "content": "ab"}
    choice = {"message": message, "logprobs": {"content": tokens, "refusal": None}}
    body = json.dumps({"choices": [choice | {"finish_reason": "stop"}]}).encode()

    assert chunks[1:3] == [TextDelta(0, "a"), Logprobs({"content": tokens[:1]})]
    for whole in (chunks, decode([body])):
        assembly = Assembly()
        assembly.extend(whole)
        assert assembly.completion().logprobs == {"content": tokens}
    assert OpenAICodec().parse(200, {}, body).logprobs == {"content": tokens}


def test_audio_and_annotations_are_kept_as_they_came() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}
    stream = [
        delta(role="assistant", audio={"id": "audio_1", "transcript": "he"}),
        delta(audio={"data": "UklG", "transcript": "llo"}),
        delta(audio={"data": "Rg=="}, annotations=[cited]),
        delta(audio={"expires_at": 7}),
        delta("stop"),
    ]
    audio = {"id": "audio_1", "transcript": "hello", "data": "UklGRg==", "expires_at": 7}
    said = {"role": "assistant", "content": None, "audio": audio, "annotations": [cited]}
    body = json.dumps({"choices": [{"message": said, "finish_reason": "stop"}]}).encode()

    assembly = Assembly()
    assembly.extend(decode(stream))
    for parts in (
        assembly.completion().message.parts,
        OpenAICodec().parse(200, {}, body).message.parts,
    ):
        assert parts == (
            OpaquePart("openai", {"type": "audio", **audio}),
            OpaquePart("openai", {"type": "trouper.beside", "annotations": [cited]}),
        )


def test_a_call_that_the_limit_cut_off_is_not_to_be_run() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": '}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = json.dumps({"choices": [{"message": said, "finish_reason": "length"}]}).encode()
    cut_off = IncompleteToolCall("a", "f", '{"x": ')

    assert PartDone(0, cut_off) in decode([delta(tool_calls=[call]), delta("length")])
    assert OpenAICodec().parse(200, {}, body).message.parts == (cut_off,)


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    chunks = decode([delta(content="a~b").replace(b"~", b"\xff"), delta("stop"), DONE])

    assert TextDelta(0, "a\ufffdb") in chunks


def test_done_may_have_blanks_around_it() -> None:
    assert decode([delta("stop"), b"data:  [DONE] \n\n"])[-1] == Finished(Finish.STOP, "stop")
