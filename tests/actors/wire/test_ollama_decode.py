"""Streamed answers of Ollama: every split, every cut, every oddity."""

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
    PartDone,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.codec import Codec, Decoder
from trouper.actors.wire.ollama import OllamaCodec


def line(frame: Any) -> bytes:
    return json.dumps(frame, ensure_ascii=False).encode() + b"\n"


def said(content: Any = "", /, **also: Any) -> bytes:
    message = {"role": "assistant", "content": content, **also}
    return line({"model": "m-1", "created_at": "…", "message": message, "done": False})


def done(reason: Any = "stop", /, **also: Any) -> bytes:
    frame = {"model": "m-1", "message": {"role": "assistant", "content": ""}, "done": True}
    return line({**frame, "done_reason": reason, "eval_duration": 9, **also})


def call(name: str, arguments: Any, **also: Any) -> dict[str, Any]:
    return {**also, "function": {"name": name, "arguments": arguments}}


def decode(parts: Iterable[bytes], codec: Codec | None = None) -> list[Chunk]:
    decoder: Decoder = (codec or OllamaCodec()).stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


def failure(parts: Iterable[bytes], codec: Codec | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        decode(parts, codec)
    return caught.value


STREAM = b"".join(
    [
        said(thinking="hm"),
        b"\n",
        said("Grüße \u2028 "),
        said("日本\u0085", thinking=""),
        said(tool_calls=[call("f", {"a": "é"}, id="c1"), call("g", {}, id="c2")]),
        done(prompt_eval_count=8, eval_count=5),
    ]
)
WHOLE = decode([STREAM])


def test_a_stream_is_started_then_its_parts_then_usage_then_finished_last() -> None:
    assert decode([STREAM]) == [
        Started("", "m-1", None, "ollama"),
        ThinkingDelta(0, "hm"),
        TextDelta(1, "Grüße \u2028 "),
        TextDelta(1, "日本\u0085"),
        ToolCallStarted(2, "c1", "f"),
        ToolArgsDelta(2, '{"a":"é"}'),
        PartDone(2, ToolCallPart("c1", "f", '{"a":"é"}')),
        ToolCallStarted(3, "c2", "g"),
        ToolArgsDelta(3, "{}"),
        PartDone(3, ToolCallPart("c2", "g", "{}")),
        UsageUpdate(Usage(input=8, output=5)),
        Finished(Finish.TOOL_CALLS, "stop"),
    ]


@given(st.lists(st.integers(0, len(STREAM))))
def test_the_same_chunks_come_out_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]

    assert decode(STREAM[begin:end] for begin, end in pairwise(places)) == WHOLE


def test_crlf_and_a_byte_order_mark_and_blank_lines_change_nothing() -> None:
    stream = b"\xef\xbb\xbf" + STREAM.replace(b"\n", b"\r\n\r\n")

    assert decode([stream]) == WHOLE
    assert decode(stream[i : i + 1] for i in range(len(stream))) == WHOLE


def test_a_cut_at_any_byte_is_a_proper_end_or_a_truncation_and_never_silent() -> None:
    whole_from = len(STREAM) - 1  # the last line needs no line end
    stream = b"\xef\xbb\xbf" + STREAM
    for cut in range(len(stream)):
        if cut - 3 < whole_from:
            with pytest.raises(StreamTruncated, match="before done: true, after"):
                decode([stream[:cut]])
        else:
            assert decode([stream[:cut]]) == WHOLE


def test_what_comes_after_done_is_not_read() -> None:
    decoder = OllamaCodec().stream()

    chunks = decoder.feed(said("a") + done() + said("b") + b"rubbish\n")

    assert chunks[1:] == [TextDelta(0, "a"), Finished(Finish.STOP, "stop")]
    assert decoder.done
    assert decoder.feed(b"more") == []
    assert decoder.eof() == []


def test_the_last_frame_may_have_the_last_word() -> None:
    chunks = decode([done(message={"content": "bye", "thinking": "so"})])

    assert chunks[1:3] == [ThinkingDelta(0, "so"), TextDelta(1, "bye")]


def test_a_last_frame_without_a_message_ends_the_answer() -> None:
    assert decode([said("a"), b'{"done": true, "done_reason": "length"}'])[-1] == Finished(
        Finish.LENGTH, "length"
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("length", Finish.LENGTH),
        # What ends by these is no answer, and must not be taken for one.
        ("load", Finish.UNKNOWN),
        ("unload", Finish.UNKNOWN),
        ("something new", Finish.UNKNOWN),
    ],
)
def test_the_reason_is_kept_as_it_came(reason: str, finish: Finish) -> None:
    assert decode([done(reason)])[-1] == Finished(finish, reason)


@pytest.mark.parametrize("reason", [None, "", 7])
def test_an_end_without_a_reason_is_an_end(reason: Any) -> None:
    assert decode([said("a"), done(reason)])[-1] == Finished(Finish.UNKNOWN, None)
    calls = said(tool_calls=[call("f", {})])
    assert decode([calls, done(reason)])[-1] == Finished(Finish.TOOL_CALLS, None)


def test_calls_that_ran_into_the_limit_are_no_reason_to_run_tools() -> None:
    chunks = decode([said(tool_calls=[call("f", {})]), done("length")])

    assert chunks[-1] == Finished(Finish.LENGTH, "length")


def test_calls_without_ids_get_one_each() -> None:
    chunks = decode([said(tool_calls=[call("f", {}), call("f", {})]), done()])
    ids = [chunk.id for chunk in chunks if isinstance(chunk, ToolCallStarted)]

    assert len(set(ids)) == 2
    assert all(ids)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({}, "{}"), (None, "{}"), ('{"a": 1}', '{"a": 1}'), ({"b": 1, "a": [2]}, '{"b":1,"a":[2]}')],
)
def test_arguments_are_the_text_of_an_object(arguments: Any, text: str) -> None:
    chunks = decode([said(tool_calls=[call("f", arguments, id="c")]), done()])

    assert PartDone(0, ToolCallPart("c", "f", text)) in chunks


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": 8, "eval_count": 5}, Usage(input=8, output=5)),
        # A prompt in the cache was not counted by older versions.
        ({"eval_count": 5}, Usage(input=0, output=5, estimated=True)),
        ({"prompt_eval_count": 8}, Usage(input=8, output=0)),
        ({"prompt_eval_count": "8", "eval_count": None}, None),
        ({}, None),
    ],
)
def test_usage_says_where_it_is_a_guess(counts: dict[str, Any], usage: Usage | None) -> None:
    updates = [chunk for chunk in decode([done(**counts)]) if isinstance(chunk, UsageUpdate)]

    assert updates == ([] if usage is None else [UsageUpdate(usage)])


def test_nulls_and_other_types_everywhere_are_taken_in_stride() -> None:
    odd = [
        said(None, thinking=None, tool_calls=None),
        said(7, thinking=["x"], tool_calls="?"),
        said(tool_calls=[None, {}, {"function": None}, {"function": "f"}]),
        line({"error": None, "message": {}, "done": None}),
        line({"status": "something new"}),
    ]

    assert decode([*odd, said("a"), done()])[1:] == [
        TextDelta(0, "a"),
        Finished(Finish.STOP, "stop"),
    ]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert TextDelta(0, "a\ufffdb") in decode([said("a~b").replace(b"~", b"\xff"), done()])


def test_an_error_under_status_200_follows_what_was_said() -> None:
    decoder = OllamaCodec().stream()

    chunks = decoder.feed(said("half") + line({"error": "the model failed"}) + done())

    assert chunks[-1] == TextDelta(0, "half")
    assert decoder.done
    for last in (decoder.eof, lambda: decoder.feed(b"")):
        with pytest.raises(ProviderError, match="the model failed") as caught:
            last()
        assert caught.value.kind is ErrorKind.SERVER_ERROR
        assert (caught.value.in_stream, caught.value.retryable) == (True, True)


@pytest.mark.parametrize(
    "frame",
    [
        {"error": "no"},
        {"error": {"message": "no", "type": "x"}},  # aimock, and gateways
        {"message": "no"},
        {"detail": "no"},
        [{"error": {"message": "no"}}],
    ],
)
@pytest.mark.parametrize("end", [b"\n", b""])
def test_an_error_is_one_in_any_shape_and_without_its_line_end(frame: Any, end: bytes) -> None:
    error = failure([line(frame).rstrip() + end])

    assert (error.message, error.in_stream) == ("no", True)


def test_a_line_that_is_no_json_is_named_with_its_place() -> None:
    error = failure([said("a"), b'{"message": oops}\n', done()])

    assert error.kind is ErrorKind.PROTOCOL_ERROR
    assert "line 2 of the stream is no JSON" in error.message
    assert "oops" in error.message


def test_a_line_that_is_no_object_is_named() -> None:
    assert "line 1 of the stream is no JSON object: '7'" in failure([b"7\n", done()]).message
    assert "no JSON object: '[]'" in failure([b"[]\n"]).message


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!doctype html>\n<title>502 Bad Gateway</title>\n", "HTML: '502 Bad Gateway'"),
        (b"  <html><body>Sign in", "HTML: 'Sign in'"),
        (b"<p>" + b"x" * 8000 + b"\n", "HTML: 'xxx"),
        (b"upstream connect error", "text that is not JSON: 'upstream connect error'"),
        (b"{malformed: <<<>>>", "text that is not JSON: '{malformed:"),
        (b'"ready"', "JSON that is no chat answer"),
        (b'{"choices": []}\n{"choices": []}\n', "JSON that is no chat answer"),
    ],
)
def test_what_is_no_answer_at_all_is_told_apart(body: bytes, what: str) -> None:
    for parts in ([body], [body[i : i + 1] for i in range(len(body))]):
        error = failure(parts)

        assert error.kind is ErrorKind.PROTOCOL_ERROR
        assert what in error.message


def test_an_endless_page_is_given_up_early() -> None:
    decoder = OllamaCodec().stream()
    fed = 0
    while not decoder.done:
        decoder.feed(b"<br>\n")
        fed += 5

    assert fed < 6000


def test_a_line_beyond_the_bound_is_an_error_after_what_was_said() -> None:
    decoder = OllamaCodec(max_line=200).stream()

    assert decoder.feed(said("a") + said("b" * 200))[-1] == TextDelta(0, "a")
    with pytest.raises(ProviderError, match="a line of more than 200 bytes") as caught:
        decoder.eof()
    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


def test_nothing_at_all_is_a_truncation() -> None:
    for body in (b"", b"\n\r\n  "):
        assert isinstance(failure([body]), StreamTruncated)


def test_a_broken_tail_after_lines_that_were_whole_is_a_truncation() -> None:
    for tail in (b"nul", b"12", b"<html>"):
        assert isinstance(failure([said("a"), tail]), StreamTruncated)
