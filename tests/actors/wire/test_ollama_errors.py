"""What Ollama's refusals mean, by status and by sentence."""

import json
from typing import Any

import pytest

from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.ollama import OllamaCodec

K = ErrorKind


def parse_error(status: int, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ProviderError) as caught:
        OllamaCodec().parse(status, headers or {}, data)
    return caught.value


def stream_error(sentence: str) -> ProviderError:
    decoder = OllamaCodec().stream()
    decoder.feed(json.dumps({"error": sentence}).encode() + b"\n")
    with pytest.raises(ProviderError) as caught:
        decoder.eof()
    return caught.value


# From the server's source, and from its issues on GitHub.
TOLD = [
    (404, "model 'm:1b' not found", K.MODEL_NOT_FOUND),
    (404, 'model "m:1b" not found, try pulling it first', K.MODEL_NOT_FOUND),
    (400, '"m" does not support tools', K.INVALID_REQUEST),
    (400, '"m" does not support thinking', K.INVALID_REQUEST),
    (401, "unauthorized", K.AUTH),
    (403, "remote inference is unavailable", K.PERMISSION),
    (429, "too many concurrent requests", K.RATE_LIMITED),
    (429, "you've reached your weekly usage limit", K.QUOTA_EXHAUSTED),
    (499, "request canceled", K.SERVER_ERROR),
    (503, "server busy, please try again.  maximum pending requests exceeded", K.OVERLOADED),
    (503, "Server overloaded, please retry shortly (ref: 1)", K.OVERLOADED),
    (500, "unexpected server status: llm server loading model", K.OVERLOADED),
    (500, "unexpected server status: llm busy - no slots available", K.OVERLOADED),
    (500, "timed out waiting for llama runner to start - progress 0.00 - ", K.TIMEOUT),
    (500, "llama runner process has terminated: exit status 2", K.SERVER_ERROR),
    (500, "unable to load model: /root/.ollama/models/blobs/sha256-1", K.SERVER_ERROR),
    (500, "llama-server process has terminated: error loading model", K.SERVER_ERROR),
    (502, "upstream is away", K.SERVER_ERROR),
    (400, "the input length exceeds the context length", K.CONTEXT_WINDOW_EXCEEDED),
    (500, "the request exceeds the available context size", K.CONTEXT_WINDOW_EXCEEDED),
]
NO_ROOM = [
    "model requires more system memory (63.6 GiB) than is available (18.9 GiB)",
    "llama runner process has terminated: cudaMalloc failed: out of memory",
    "llama-server reported out-of-memory during startup: failed to allocate buffer",
]


@pytest.mark.parametrize(("status", "sentence", "kind"), TOLD)
def test_status_and_sentence_tell_the_kind(status: int, sentence: str, kind: ErrorKind) -> None:
    error = parse_error(status, {"error": sentence}, {"Retry-After": "3"})

    assert error.kind is kind
    assert (error.status, error.retry_after, error.in_stream) == (status, 3, False)


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("model 'm:1b' not found", K.MODEL_NOT_FOUND),
        ("llm server loading model", K.OVERLOADED),
        ("timed out waiting for llama-server to start", K.TIMEOUT),
        ("the input length exceeds the context length", K.CONTEXT_WINDOW_EXCEEDED),
        ("an error was encountered while running the model", K.SERVER_ERROR),
    ],
)
def test_a_sentence_within_a_stream_tells_the_same(sentence: str, kind: ErrorKind) -> None:
    error = stream_error(sentence)

    assert (error.kind, error.in_stream, error.billed) == (kind, True, "maybe")


@pytest.mark.parametrize("sentence", NO_ROOM)
def test_no_memory_is_not_tried_again_at_once_and_says_what_to_do(sentence: str) -> None:
    for error in (parse_error(500, {"error": sentence}), stream_error(sentence)):
        assert (error.kind, error.retryable) == (ErrorKind.OVERLOADED, False)
        assert error.message.startswith(" ".join(sentence.split()))
        assert error.message.endswith("choose a smaller one, or lower num_ctx")


@pytest.mark.parametrize(("status", "sentence", "kind"), TOLD)
def test_what_passes_is_tried_again(status: int, sentence: str, kind: ErrorKind) -> None:
    passing = {K.OVERLOADED, K.TIMEOUT, K.SERVER_ERROR, K.RATE_LIMITED}

    assert parse_error(status, {"error": sentence}).retryable == (kind in passing)


def test_a_model_that_is_not_there_says_how_to_get_it() -> None:
    for sentence in ("model 'm:1b' not found", 'model "m:1b" not found, try pulling it first'):
        error = parse_error(404, {"error": sentence})

        assert error.message == "model 'm:1b' not found; `ollama pull m:1b` fetches it"


def test_a_missing_page_is_no_missing_model() -> None:
    error = parse_error(404, b"404 page not found")

    assert (error.kind, error.message) == (ErrorKind.PROTOCOL_ERROR, "404 page not found")


def test_too_long_a_conversation_says_what_to_raise() -> None:
    assert parse_error(400, {"error": TOLD[-2][1]}).message.endswith("say less, or raise num_ctx")


def test_a_cloud_model_says_where_to_sign_in_and_not_with_what() -> None:
    error = parse_error(401, {"error": "unauthorized", "signin_url": "https://x.example?key=s"})

    assert "ollama signin" in error.message
    assert "key=s" not in str(error)


def test_the_error_of_the_process_behind_is_read_where_it_is_quoted() -> None:
    inner = {
        "error": {
            "code": 400,
            "message": "request (9 tokens) exceeds the available context size (8 tokens)",
            "type": "exceed_context_size_error",
        }
    }

    error = parse_error(400, {"error": json.dumps(inner)})

    assert (error.kind, error.type) == (
        ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        "exceed_context_size_error",
    )
    assert error.message.startswith("request (9 tokens) exceeds")


@pytest.mark.parametrize("sentence", ["{not json", "{}"])
def test_a_sentence_that_only_looks_like_a_quotation_stays(sentence: str) -> None:
    assert parse_error(500, {"error": sentence}).message == sentence


def test_a_gateway_before_it_is_understood() -> None:
    body = {"error": {"message": "Slow down", "type": "rate_limit_error", "code": "x"}}

    error = parse_error(429, body, {"x-request-id": "r1"})

    assert (error.kind, error.code, error.request_id) == (ErrorKind.RATE_LIMITED, "x", "r1")


def test_a_page_of_html_is_told_in_words() -> None:
    error = parse_error(502, b"<html><h1>Bad Gateway</h1></html>")

    assert (error.kind, error.message) == (ErrorKind.SERVER_ERROR, "Bad Gateway")


def test_a_redirect_names_where_to() -> None:
    error = parse_error(301, b"", {"location": "https://x.example/"})

    assert error.kind is ErrorKind.PROTOCOL_ERROR
    assert "'https://x.example/'" in error.message


ANSWER = {"model": "m", "message": {"role": "assistant", "content": "hi"}, "done": True}


def test_an_answer_may_be_written_over_several_lines_or_in_a_list() -> None:
    for body in (json.dumps(ANSWER, indent=2), json.dumps([ANSWER])):
        assert OllamaCodec().parse(200, {}, b"\xef\xbb\xbf" + body.encode()).text == "hi"


def test_an_answer_that_was_streamed_all_the_same_is_put_together() -> None:
    first = {**ANSWER, "done": False}
    body = f"{json.dumps(first)}\n{json.dumps(ANSWER)}\n".encode()

    assert OllamaCodec().parse(200, {}, body).text == "hihi"


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", K.PROTOCOL_ERROR, "an empty body"),
        (b"<html>Sign in</html>", K.PROTOCOL_ERROR, "HTML: 'Sign in'"),
        (b"hello", K.PROTOCOL_ERROR, "text that is not JSON: 'hello'"),
        (b"[]", K.PROTOCOL_ERROR, "JSON that is no chat answer"),
        (b'{"choices": []}', K.PROTOCOL_ERROR, "JSON that is no chat answer"),
        (b'{"error": "out of memory"}', K.OVERLOADED, "out of memory; unload"),
        (b'{"message": "no such route"}', K.SERVER_ERROR, "no such route"),
        (json.dumps(ANSWER).encode()[:-3], K.STREAM_TRUNCATED, "before done: true"),
        (
            json.dumps({**ANSWER, "done": False}).encode(),
            K.STREAM_TRUNCATED,
            "says that it is not done",
        ),
    ],
)
def test_a_200_that_is_no_answer_says_what_it_is(body: bytes, kind: ErrorKind, words: str) -> None:
    error = parse_error(200, body, {"x-request-id": "r1"})

    assert error.kind is kind
    assert isinstance(error, StreamTruncated) == (kind is K.STREAM_TRUNCATED)
    assert words in error.message
    assert (error.status, error.request_id, error.in_stream) == (200, "r1", False)
