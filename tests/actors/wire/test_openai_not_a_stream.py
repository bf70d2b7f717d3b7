"""What a streamed call may get in place of a stream: errors, whole bodies, pages, nothing."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from trouper.actors.chat import Chunk, Finish, Finished, Started, TextDelta, Usage, UsageUpdate
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.openai import OpenAICodec

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}


def event(frame: Any) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def delta(**said: Any) -> bytes:
    return event({"id": "1", "model": "m", "choices": [{"index": 0, "delta": said}]})


def decode(parts: Iterable[bytes]) -> list[Chunk]:
    decoder = OpenAICodec().stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


# --- errors within a stream of status 200

ERROR = {"error": {"message": "overloaded", "type": "server_error", "code": "server_is_overloaded"}}
ERROR_FRAMES = {
    "error key": event(ERROR),
    "error key beside empty choices": event({"choices": [], **ERROR}),
    "error key beside a choice": event(
        {**ERROR, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    ),
    "error event": b"event: error\n" + event(ERROR),
    "error event without its key": b"event: error\n" + event(ERROR["error"]),
    "error event in a list": b"event: error\n" + event([ERROR]),
    "error in a list": event([ERROR]),
    "bare error object": event({"object": "error", **ERROR["error"]}),
}


@pytest.mark.parametrize("frame", ERROR_FRAMES.values(), ids=ERROR_FRAMES.keys())
@pytest.mark.parametrize("before", [b"", delta(role="assistant"), delta(content="a")])
def test_an_error_frame_is_raised_after_all_that_preceded_it(frame: bytes, before: bytes) -> None:
    """An error within a stream of status 200 was taken for an empty token or for success
    (OmniRoute PR 8210, goose PR 8027), and escaped retry and fallback as a 200
    (anthropic-sdk-python#1918, litellm#6957): it is looked for before `choices` in every
    frame, and is of the same kind as the HTTP error, with `in_stream` set."""
    decoder = OpenAICodec().stream()

    chunks = decoder.feed(before + frame + DONE)

    assert chunks == OpenAICodec().stream().feed(before)
    assert decoder.done
    with pytest.raises(ProviderError) as caught:
        decoder.feed(b"")
    assert caught.value.kind is ErrorKind.OVERLOADED
    assert caught.value.message == "overloaded"
    assert caught.value.in_stream
    assert caught.value.retryable
    with pytest.raises(ProviderError) as again:
        decoder.eof()
    assert again.value is caught.value


def test_an_error_event_may_be_plain_text() -> None:
    with pytest.raises(ProviderError, match="upstream went away") as caught:
        decode([b"event: error\ndata: upstream went away\n\n"])

    assert caught.value.kind is ErrorKind.SERVER_ERROR


def test_an_error_says_its_status_within_the_frame() -> None:
    with pytest.raises(ProviderError) as caught:
        decode([event({"error": {"message": "slow", "code": 429}})])

    assert (caught.value.kind, caught.value.status) == (ErrorKind.RATE_LIMITED, 429)


@pytest.mark.parametrize("frame", [b"data: {oops\n\n", b"data: 7\n\n", b"data: [1]\n\n"])
def test_an_event_that_is_no_chunk_is_an_error_that_says_which(frame: bytes) -> None:
    """A malformed event killed an otherwise complete stream with an error that said nothing
    (litellm#40404): the error is typed, and names the event and the place within it."""
    with pytest.raises(ProviderError, match="event 2 of the stream") as caught:
        decode([delta(content="a"), frame])

    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


def test_events_that_are_no_json_are_passed_over_as_often_as_was_allowed() -> None:
    broken = b"data: {oops\n\n"
    decoder = OpenAICodec(skip_malformed=2).stream()

    chunks = decoder.feed(broken + delta(content="a") + broken + delta(content="b") + broken)

    assert chunks[1:] == [TextDelta(0, "a"), TextDelta(0, "b")]
    with pytest.raises(ProviderError, match=r"event 5 of the stream is no JSON \(.* at 1\)"):
        decoder.eof()


def test_an_event_over_the_bound_is_an_error_after_the_text_before_it() -> None:
    decoder = OpenAICodec(max_event=1000).stream()

    chunks = decoder.feed(delta(content="a") + b"data: " + b"x" * 2000)

    assert chunks[-1] == TextDelta(0, "a")
    with pytest.raises(ProviderError, match="more than 1000 bytes"):
        decoder.eof()


# --- what is no stream at all

ANSWER = {
    "id": "r1",
    "model": "m",
    "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


@pytest.mark.parametrize("step", [1, 10_000])
def test_an_answer_that_was_not_streamed_is_given_as_chunks(step: int) -> None:
    body = b" \n" + json.dumps(ANSWER).encode()

    chunks = decode(body[i : i + step] for i in range(0, len(body), step))

    assert chunks == [
        Started("r1", "m"),
        TextDelta(0, "hello"),
        UsageUpdate(Usage(input=8, output=5)),
        Finished(Finish.STOP, "stop"),
    ]


def test_an_answer_that_was_not_streamed_and_is_cut_is_truncated() -> None:
    body = json.dumps(ANSWER).encode()
    for cut in range(1, len(body)):
        with pytest.raises(StreamTruncated):
            decode([body[:cut]])


def test_an_error_body_under_status_200_is_that_error() -> None:
    with pytest.raises(ProviderError) as caught:
        decode([json.dumps(ERROR).encode()])

    assert caught.value.kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize("padding", [0, 10_000])
def test_a_page_of_html_is_named_with_its_first_words(padding: int) -> None:
    page = b"<html><title>Sign in</title><body>to go on" + b" " * padding + b"</body></html>"

    with pytest.raises(ProviderError, match="answered with HTML: 'Sign in to go on'") as caught:
        decode([page])

    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


def test_a_page_of_html_is_not_read_to_its_end() -> None:
    decoder = OpenAICodec().stream()

    decoder.feed(b"<html>" + b"x" * 10_000)

    assert decoder.done


def test_text_that_is_no_stream_is_named_with_its_first_words() -> None:
    with pytest.raises(ProviderError, match="no event stream: 'Internal Server Error'") as caught:
        decode([b"Internal ", b"Server Error"])

    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"\xef", b": hello\n\n", b"dat", b"data: {", b"id: 1"]
)
def test_a_stream_that_ends_before_it_has_said_anything_is_truncated(body: bytes) -> None:
    with pytest.raises(StreamTruncated):
        decode([body])


def test_a_body_that_is_no_stream_is_bounded() -> None:
    decoder = OpenAICodec(max_event=1000).stream()

    decoder.feed(b"{" + b" " * 2000)

    assert decoder.done
    with pytest.raises(ProviderError, match="a body of more than 1000 bytes"):
        decoder.feed(b" ")
