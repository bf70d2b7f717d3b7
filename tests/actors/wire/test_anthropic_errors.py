"""What the Messages endpoint says when it refuses, and what is no answer at all."""

import json
import pickle
from collections.abc import Iterable
from typing import Any

import pytest

from trouper.actors.chat import (
    Chunk,
    Finish,
    Finished,
    OpaquePart,
    Started,
    TextDelta,
    TextPart,
    ToolCallPart,
    Usage,
    UsageUpdate,
)
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.anthropic import AnthropicCodec

K = ErrorKind
CODEC = AnthropicCodec(max_tokens_default=64)


def refusal(status: int, body: Any, **headers: str) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(ProviderError) as caught:
        CODEC.parse(status, named, raw)
    return caught.value


def said(type: str, message: str = "no", code: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"type": type, "message": message}
    if code is not None:
        error["details"] = {"error_code": code, "error_visibility": "user_facing"}
    return {"type": "error", "error": error, "request_id": "req_body"}


BAD = "invalid_request_error"
TABLE: list[tuple[int, dict[str, Any], ErrorKind]] = [
    (400, said(BAD), K.INVALID_REQUEST),
    (
        400,
        said(BAD, "prompt is too long: 3333404 tokens > 200000 maximum"),
        K.CONTEXT_WINDOW_EXCEEDED,
    ),
    (
        400,
        said(BAD, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        K.CONTEXT_WINDOW_EXCEEDED,
    ),
    (400, said(BAD, "Your credit balance is too low to access the API"), K.QUOTA_EXHAUSTED),
    (400, said(BAD, "Output blocked by content filtering policy"), K.CONTENT_POLICY),
    (400, said(BAD, code="organization_on_hold"), K.PERMISSION),
    (400, said(BAD, code="request_body_timeout"), K.TIMEOUT),
    (400, said(BAD, code="a_code_of_tomorrow"), K.INVALID_REQUEST),
    (401, said("authentication_error"), K.AUTH),
    (402, said("billing_error"), K.QUOTA_EXHAUSTED),
    (402, said("billing_error", code="linked_organization_spend_limit_reached"), K.QUOTA_EXHAUSTED),
    (403, said("permission_error"), K.PERMISSION),
    (404, said("not_found_error", "model: m"), K.MODEL_NOT_FOUND),
    (408, said("timeout_error"), K.TIMEOUT),
    (409, said("conflict_error"), K.CONFLICT),
    (413, said("request_too_large"), K.REQUEST_TOO_LARGE),
    (429, said("rate_limit_error"), K.RATE_LIMITED),
    (429, said("rate_limit_error", code="contract_spend_limit_reached"), K.QUOTA_EXHAUSTED),
    (429, said("rate_limit_error", code="enforced_spend_limit_reached"), K.QUOTA_EXHAUSTED),
    (429, said("rate_limit_error", code="ramp_limit_exceeded"), K.RATE_LIMITED),
    (499, said("api_error"), K.CONNECTION_FAILED),
    (500, said("api_error"), K.SERVER_ERROR),
    (502, said("api_error"), K.SERVER_ERROR),
    (503, said("api_error"), K.OVERLOADED),
    (504, said("timeout_error"), K.TIMEOUT),
    (529, said("overloaded_error"), K.OVERLOADED),
    # An error under status 200: its own words.
    (200, said("overloaded_error"), K.OVERLOADED),
    (200, said("api_error"), K.SERVER_ERROR),
    (200, said("not_found_error"), K.MODEL_NOT_FOUND),
]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_a_refusal_is_classified_by_its_code_then_type_then_status(
    status: int, body: dict[str, Any], kind: ErrorKind
) -> None:
    error = refusal(status, body)

    assert error.kind is kind
    assert error.status == status
    assert error.message == body["error"]["message"]
    assert error.type == body["error"]["type"]
    assert error.code == body["error"].get("details", {}).get("error_code")
    assert error.request_id == "req_body"
    assert not error.in_stream


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # llama.cpp answers so on this wire.
        (400, {"error": {"code": 400, "type": "exceed_context_size_error"}}, "context"),
        (500, {"error": {"code": 500, "message": "m", "type": "server_error"}}, "server_error"),
        (429, {"error": {"message": "m", "code": "insufficient_quota"}}, "quota_exhausted"),
        (401, {"detail": "m"}, "auth"),
        (400, {"error": "m"}, "invalid_request"),
        (200, [{"error": {"message": "m", "code": 429}}], "rate_limited"),
        (200, {"detail": "m"}, "server_error"),
        (400, {"error": {"message": "m", "details": "x"}, "request_id": 7}, "invalid_request"),
        (413, b"<html><h1>413 Request Entity Too Large</h1></html>", "request_too_large"),
        (502, b"<html><title>Bad Gateway</title></html>", "server_error"),
        (529, b"", "overloaded"),
        (404, b"404 page not found", "protocol_error"),
        (301, b"", "protocol_error"),
        (500, b'"no"', "server_error"),
    ],
)
def test_a_refusal_in_anothers_shape_is_understood(status: int, body: Any, kind: str) -> None:
    assert refusal(status, body).kind.value.startswith(kind)


def test_a_page_is_quoted_without_its_tags() -> None:
    page = b"<html><title>413</title><body>Request Entity Too Large</body></html>"

    assert refusal(413, page).message == "413 Request Entity Too Large"


def test_headers_tell_when_to_try_again_and_under_which_id() -> None:
    error = refusal(429, said("rate_limit_error"), Request_Id="req_1", Retry_After="7")

    assert (error.request_id, error.retry_after, error.should_retry) == ("req_1", 7.0, None)
    assert not refusal(529, said("overloaded_error"), x_should_retry="false").retryable


def test_a_spend_limit_is_not_waited_for_and_a_ramp_limit_is() -> None:
    spent = said("rate_limit_error", code="enforced_spend_limit_reached")
    ramp = said("rate_limit_error", code="ramp_limit_exceeded")

    assert not refusal(429, spent).retryable
    assert refusal(429, ramp, retry_after="3").retryable


def test_a_wait_named_with_an_answer_that_is_no_refusal_is_no_wait() -> None:
    assert refusal(200, said("overloaded_error"), retry_after="30").retry_after is None
    assert CODEC.parse(200, {"retry-after": "30"}, json.dumps(ANSWER).encode()).text == "hello"


def test_an_error_can_be_pickled() -> None:
    error = refusal(429, said("rate_limit_error"), retry_after="7")

    again = pickle.loads(pickle.dumps(error))

    assert (again.kind, again.retry_after, str(again)) == (error.kind, 7.0, str(error))


# --- answers under status 200

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "text", "text": "hello"},
        None,
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 8, "output_tokens": 5, "service_tier": "standard"},
}


def test_a_whole_answer_is_read_with_all_its_parts() -> None:
    answer = CODEC.parse(200, {}, json.dumps(ANSWER).encode())

    assert answer.message.parts == (TextPart("hello"), ToolCallPart("t1", "f", '{"a":1}'))
    assert (answer.finish, answer.raw_finish) == (Finish.TOOL_CALLS, "tool_use")
    assert (answer.model, answer.response_id, answer.service_tier) == ("m", "msg_1", "standard")
    assert answer.usage == Usage(input=8, output=5)


def test_a_refusal_of_the_model_is_kept_apart_from_text() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "no"}
    body = {"content": [], "stop_reason": "refusal", "stop_details": details}

    answer = CODEC.parse(200, {}, json.dumps(body).encode())

    assert (answer.text, answer.finish, answer.usage) == ("", Finish.REFUSAL, None)
    assert answer.message.parts == (OpaquePart("anthropic", {**details, "refusal": "no"}),)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b" \n", "an empty body"),
        (b"<!doctype html><h1>Welcome</h1>", "HTML: 'Welcome'"),
        (b"OK", "text that is not JSON: 'OK'"),
        (b"[]", "JSON that is no message"),
        (b'{"choices": []}', "JSON that is no message"),
        (b'{"content": "hello"}', "JSON that is no message"),
    ],
)
def test_an_answer_that_is_none_says_what_came_and_what_to_check(body: bytes, what: str) -> None:
    error = refusal(200, body, request_id="req_1")

    assert error.kind is K.PROTOCOL_ERROR
    assert f"answered with {what}" in error.message
    assert "base_url" in str(error)
    assert error.request_id == "req_1"


def test_an_answer_that_breaks_off_is_truncated() -> None:
    body = json.dumps(ANSWER).encode()
    for cut in range(1, len(body)):
        assert isinstance(refusal(200, body[:cut]), StreamTruncated)


# --- what a streamed call may get


def decode(parts: Iterable[bytes]) -> list[Chunk]:
    decoder = CODEC.stream()
    chunks = [chunk for part in parts for chunk in decoder.feed(part)]
    return chunks + decoder.eof()


def event(kind: str, frame: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(frame)}\n\n".encode()


START = event("message_start", {"type": "message_start", "message": {"id": "1", "model": "m"}})
TEXT = event(
    "content_block_delta",
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
)
OVERLOADED = said("overloaded_error", "Overloaded")
ERRORS = {
    "error event": event("error", OVERLOADED),
    "error without the event's name": b"data: " + json.dumps(OVERLOADED).encode() + b"\n\n",
    "error event without its type": event("error", {"error": OVERLOADED["error"]}),
    "OpenAI's shape": b"data: "
    + json.dumps({"error": {"message": "Overloaded", "code": "server_is_overloaded"}}).encode()
    + b"\n\n",
    "in a list": b"data: " + json.dumps([OVERLOADED]).encode() + b"\n\n",
}


@pytest.mark.parametrize("frame", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("before", [b"", START, START + TEXT])
def test_an_error_event_is_raised_after_all_that_preceded_it(frame: bytes, before: bytes) -> None:
    """An overloaded_error within a stream surfaced as status 200 and escaped retry and
    fallback (anthropic-sdk-python#1918, #1258, litellm#6957): it is of the same kind as
    the HTTP error, with `in_stream` set."""
    decoder = CODEC.stream()

    chunks = decoder.feed(before + frame + TEXT)

    assert chunks == CODEC.stream().feed(before)
    assert decoder.done
    with pytest.raises(ProviderError) as caught:
        decoder.feed(b"")
    error = caught.value
    assert (error.kind, error.message) == (K.OVERLOADED, "Overloaded")
    assert (error.in_stream, error.phase, error.billed) == (True, "stream", "maybe")
    assert error.retryable
    with pytest.raises(ProviderError) as again:
        decoder.eof()
    assert again.value is error


def test_an_error_event_may_be_plain_text() -> None:
    with pytest.raises(ProviderError, match="upstream went away") as caught:
        decode([START, b"event: error\ndata: upstream went away\n\n"])

    assert caught.value.kind is K.SERVER_ERROR


def test_an_error_event_names_its_request() -> None:
    with pytest.raises(ProviderError) as caught:
        decode([event("error", OVERLOADED)])

    assert caught.value.request_id == "req_body"


@pytest.mark.parametrize(
    "frame", [b"data: {oops\n\n", b"data: 7\n\n", b"data: [1]\n\n", b'data: {"choices": []}\n\n']
)
def test_an_event_that_is_none_of_anthropics_is_an_error_that_says_which(frame: bytes) -> None:
    with pytest.raises(ProviderError, match="event 2 of the stream") as caught:
        decode([START, frame])

    assert caught.value.kind is K.PROTOCOL_ERROR


def test_arguments_of_a_tool_that_was_never_called_are_no_answer() -> None:
    arguments = {"type": "input_json_delta", "partial_json": "{"}
    stray = {"type": "content_block_delta", "index": 3, "delta": arguments}

    with pytest.raises(ProviderError, match="block 3, which had not begun") as caught:
        decode([START, event("content_block_delta", stray)])

    assert caught.value.kind is K.PROTOCOL_ERROR


def test_an_event_over_the_bound_is_an_error_after_the_text_before_it() -> None:
    decoder = AnthropicCodec(max_tokens_default=64, max_event=1000).stream()

    chunks = decoder.feed(START + TEXT + b"data: " + b"x" * 2000)

    assert chunks[-1] == TextDelta(0, "a")
    with pytest.raises(ProviderError, match="more than 1000 bytes"):
        decoder.eof()


@pytest.mark.parametrize("step", [1, 10_000])
def test_an_answer_that_was_not_streamed_is_given_as_chunks(step: int) -> None:
    body = b" \n" + json.dumps(ANSWER | {"content": ANSWER["content"][:1]}).encode()

    chunks = decode(body[i : i + step] for i in range(0, len(body), step))

    assert chunks == [
        Started("msg_1", "m", "standard", "anthropic"),
        UsageUpdate(Usage(input=8, output=5)),
        TextDelta(0, "hello"),
        UsageUpdate(Usage(input=8, output=5)),
        Finished(Finish.TOOL_CALLS, "tool_use"),
    ]


def test_an_error_body_under_status_200_is_that_error() -> None:
    with pytest.raises(ProviderError) as caught:
        decode([json.dumps(OVERLOADED).encode()])

    assert caught.value.kind is K.OVERLOADED


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"Internal Server Error"])
def test_what_is_no_stream_is_named_with_its_first_words(body: bytes) -> None:
    with pytest.raises(ProviderError, match="answered with") as caught:
        decode([body])

    assert caught.value.kind is K.PROTOCOL_ERROR


@pytest.mark.parametrize("body", [b"", b"\n", b": hello\n\n", b"event: mess", b'{"type": "mess'])
def test_a_stream_that_ends_before_it_has_said_anything_is_truncated(body: bytes) -> None:
    with pytest.raises(StreamTruncated):
        decode([body])
