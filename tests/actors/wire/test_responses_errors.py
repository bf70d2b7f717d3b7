"""What the Responses endpoint says when it fails: before, within and instead of an answer."""

import json
from typing import Any

import pytest

from tests.fakes.responses import event, text
from trouper.actors.chat import Chunk, TextDelta, UsageUpdate
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.responses import ResponsesCodec

TEXT = text(0, "so")


def failed(*parts: bytes) -> tuple[list[Chunk], ProviderError]:
    """The chunks of a stream up to its error, and the error."""
    decoder = ResponsesCodec().stream()
    chunks = decoder.feed(b"".join(parts))
    assert decoder.done
    with pytest.raises(ProviderError) as caught:
        decoder.eof()
    return chunks, caught.value


KINDS = {
    "server_error": ErrorKind.SERVER_ERROR,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "insufficient_quota": ErrorKind.QUOTA_EXHAUSTED,
    "context_length_exceeded": ErrorKind.CONTEXT_WINDOW_EXCEEDED,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "invalid_prompt": ErrorKind.CONTENT_POLICY,
    "bio_policy": ErrorKind.CONTENT_POLICY,
    "misalignment_policy_violation": ErrorKind.CONTENT_POLICY,
    "image_content_policy_violation": ErrorKind.CONTENT_POLICY,
    "data_residency_mismatch": ErrorKind.PERMISSION,
    "vector_store_timeout": ErrorKind.TIMEOUT,
    "invalid_image": ErrorKind.INVALID_REQUEST,
    "image_too_large": ErrorKind.INVALID_REQUEST,
    "failed_to_download_image": ErrorKind.INVALID_REQUEST,
    "yet_to_be_invented": ErrorKind.SERVER_ERROR,
}


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
def test_a_response_that_failed_is_classified_by_its_code(code: str, kind: ErrorKind) -> None:
    error = {"code": code, "message": "It failed."}
    usage = {"input_tokens": 5, "output_tokens": 2}
    response = {"status": "failed", "error": error, "usage": usage}
    chunks, raised = failed(TEXT, event("response.failed", response=response))

    assert (raised.kind, raised.code, raised.message) == (kind, code, "It failed.")
    assert (raised.in_stream, raised.phase, raised.billed) == (True, "stream", "maybe")
    # What came before is handed on, and what it cost is told.
    assert TextDelta(0, "so") in chunks
    assert isinstance(chunks[-1], UsageUpdate)

    body = json.dumps({"object": "response", "output": [], **response}).encode()
    with pytest.raises(ProviderError) as caught:
        ResponsesCodec().parse(200, {}, body)

    assert (caught.value.kind, caught.value.message) == (kind, "It failed.")
    assert (caught.value.in_stream, caught.value.billed) == (False, "maybe")


def test_a_response_that_failed_and_does_not_say_why_is_still_an_error() -> None:
    for kind in ("response.failed", "response.cancelled"):
        _, raised = failed(event(kind, response={"error": None}))

        assert raised.kind is ErrorKind.SERVER_ERROR
        assert "did not say why" in raised.message


@pytest.mark.parametrize(
    "members",
    [
        {"code": "rate_limit_exceeded", "message": "Slow down.", "param": None},
        {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down."}},
    ],
)
def test_an_error_event_is_raised_after_all_that_preceded_it(members: dict[str, Any]) -> None:
    chunks, raised = failed(TEXT, event("error", **members), TEXT)

    assert chunks[-1] == TextDelta(0, "so")
    assert (raised.kind, raised.code) == (ErrorKind.RATE_LIMITED, "rate_limit_exceeded")
    assert raised.message == "Slow down."


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 11.054s. Visit us.", 11.054),
        ("Please try again in 28ms.", 0.028),
        ("Please try again in 1m30s, or pay.", 90.0),
        ("Please try again in a while.", None),
    ],
)
def test_a_wait_is_read_from_the_sentence_because_a_stream_has_no_headers(
    words: str, seconds: float | None
) -> None:
    _, raised = failed(event("error", code="rate_limit_exceeded", message=words))

    assert raised.retry_after == seconds


def test_an_error_event_of_another_wire_is_an_error_too() -> None:
    _, raised = failed(TEXT, b'data: {"error": {"message": "no", "code": 503}}\n\n')

    assert (raised.kind, raised.status) == (ErrorKind.OVERLOADED, 503)


def test_an_error_event_may_be_plain_text() -> None:
    _, raised = failed(b"event: error\ndata: upstream went away\n\n")

    assert raised.message == "upstream went away"


@pytest.mark.parametrize(
    "frame", [b'{"id": "chatcmpl-1", "choices": []}', b"[1]", b'"text"', b"{broken"]
)
def test_an_event_of_another_wire_is_an_error_that_says_which(frame: bytes) -> None:
    _, raised = failed(TEXT, b"data: " + frame + b"\n\n")

    assert raised.kind is ErrorKind.PROTOCOL_ERROR
    assert "event 2" in raised.message


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_not_there_yet_says_what_to_change(status: str) -> None:
    body = json.dumps({"status": status, "output": []}).encode()

    with pytest.raises(ProviderError, match=r"not there yet .* leave `background` out") as caught:
        ResponsesCodec().parse(200, {}, body)

    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


def test_a_refusal_is_classified_as_on_openais_other_wire() -> None:
    error = {"message": "Slow down.", "type": "tokens", "code": "rate_limit_exceeded"}
    headers = {"Retry-After": "7", "x-request-id": "req_1"}

    with pytest.raises(ProviderError) as caught:
        ResponsesCodec().parse(429, headers, json.dumps({"error": error}).encode())

    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert (caught.value.retry_after, caught.value.request_id) == (7.0, "req_1")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<html><title>Login</title>", ErrorKind.PROTOCOL_ERROR, "HTML: 'Login'"),
        (b'{"choices": []}', ErrorKind.PROTOCOL_ERROR, "JSON that is no response"),
        (b"[]", ErrorKind.PROTOCOL_ERROR, "JSON that is no response"),
        (b'{"error": {"message": "no", "code": 401}}', ErrorKind.SERVER_ERROR, "no"),
        (b'[{"error": {"message": "no"}}]', ErrorKind.SERVER_ERROR, "no"),
        (b'{"detail": "Not here."}', ErrorKind.SERVER_ERROR, "Not here."),
    ],
)
def test_a_200_that_is_no_answer_says_what_came(body: bytes, kind: ErrorKind, words: str) -> None:
    for read in (lambda: ResponsesCodec().parse(200, {}, body), lambda: failed_body(body)):
        with pytest.raises(ProviderError, match=words) as caught:
            read()

        assert not isinstance(caught.value, StreamTruncated)
        assert caught.value.kind in (kind, ErrorKind.AUTH)


def failed_body(body: bytes) -> None:
    decoder = ResponsesCodec().stream()
    decoder.feed(body)
    decoder.eof()


def test_an_answer_that_breaks_off_is_truncated() -> None:
    body = json.dumps({"status": "completed", "output": [{"type": "message"}]}).encode()
    for cut in range(1, len(body)):
        with pytest.raises(StreamTruncated):
            ResponsesCodec().parse(200, {}, body[:cut])
