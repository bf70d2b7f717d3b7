"""What a plain answer says: a completion, a refusal of any shape, or nothing of the kind."""

import json
import pickle
from typing import Any

import pytest

from trouper.actors.chat import Finish, OpaquePart, TextPart, ThinkingPart, ToolCallPart, Usage
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.openai import OpenAICodec

K = ErrorKind


def refusal(status: int, body: Any, **headers: str) -> ProviderError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(ProviderError) as caught:
        OpenAICodec().parse(status, named, raw)
    return caught.value


def openai_error(**said: Any) -> dict[str, Any]:
    return {"error": {"message": "no", "type": None, "param": None, "code": None} | said}


TABLE: list[tuple[int, dict[str, Any], ErrorKind]] = [
    (400, {"code": "context_length_exceeded"}, K.CONTEXT_WINDOW_EXCEEDED),
    (400, {"message": "maximum context length is 8192 tokens"}, K.CONTEXT_WINDOW_EXCEEDED),
    (400, {"code": 400, "type": "exceed_context_size_error"}, K.CONTEXT_WINDOW_EXCEEDED),
    (400, {"code": "content_policy_violation"}, K.CONTENT_POLICY),
    (400, {"code": "content_filter"}, K.CONTENT_POLICY),
    (400, {"type": "invalid_request_error"}, K.INVALID_REQUEST),
    (422, {"type": "invalid_request_error"}, K.INVALID_REQUEST),
    (418, {}, K.INVALID_REQUEST),
    (401, {"code": "invalid_api_key"}, K.AUTH),
    (401, {"type": "authentication_error", "code": "invalid_request_error"}, K.AUTH),
    (401, {}, K.AUTH),
    (402, {"message": "Insufficient Balance"}, K.QUOTA_EXHAUSTED),
    (403, {"code": "unsupported_country_region_territory"}, K.PERMISSION),
    (403, {}, K.PERMISSION),
    (404, {"code": "model_not_found"}, K.MODEL_NOT_FOUND),
    (404, {"code": "DeploymentNotFound"}, K.MODEL_NOT_FOUND),
    (404, {}, K.MODEL_NOT_FOUND),
    (405, {}, K.PROTOCOL_ERROR),
    (408, {}, K.TIMEOUT),
    (409, {}, K.CONFLICT),
    (413, {}, K.REQUEST_TOO_LARGE),
    (429, {"code": "rate_limit_exceeded", "type": "tokens"}, K.RATE_LIMITED),
    (429, {"code": "slow_down"}, K.RATE_LIMITED),
    (429, {}, K.RATE_LIMITED),
    (429, {"code": "insufficient_quota"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "billing_hard_limit_reached"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "credit_balance_exhausted"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "organization_spend_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (402, {"code": "project_spend_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "organization_usage_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (429, {"type": "insufficient_quota"}, K.QUOTA_EXHAUSTED),
    (500, {"type": "server_error"}, K.SERVER_ERROR),
    (500, {"type": "invalid_request_error"}, K.SERVER_ERROR),
    (502, {}, K.SERVER_ERROR),
    (504, {}, K.SERVER_ERROR),
    (520, {}, K.SERVER_ERROR),
    (503, {"type": "server_error"}, K.OVERLOADED),
    (500, {"code": "server_is_overloaded"}, K.OVERLOADED),
    (529, {}, K.OVERLOADED),
    # An error under status 200: its own words, and its own status.
    (200, {"code": "insufficient_quota"}, K.QUOTA_EXHAUSTED),
    (200, {"code": 502}, K.SERVER_ERROR),
    (200, {"code": "401"}, K.AUTH),
    (200, {"type": "invalid_request_error"}, K.INVALID_REQUEST),
    (200, {}, K.SERVER_ERROR),
]


@pytest.mark.parametrize(("status", "said", "kind"), TABLE)
def test_a_refusal_is_classified_by_its_code_then_type_then_status(
    status: int, said: dict[str, Any], kind: ErrorKind
) -> None:
    error = refusal(status, openai_error(**said))

    assert error.kind is kind
    assert error.status == status
    assert not error.in_stream


SHAPES: dict[str, tuple[Any, str, str | None, str | None]] = {
    "OpenAI's": (openai_error(message="m", type="t", code="c"), "m", "c", "t"),
    "llama.cpp's integer code": ({"error": {"code": 400, "message": "m"}}, "m", "400", None),
    "a string as the error": ({"error": "m"}, "m", None, None),
    "a string beside a code": ({"error": "m", "code": "c", "type": "t"}, "m", "c", "t"),
    "detail": ({"detail": "m"}, "m", None, None),
    "a validator's list": (
        {"detail": [{"loc": ["body", "x"], "msg": "m"}, {"msg": "n"}]},
        "m; n",
        None,
        None,
    ),
    "the bare object": ({"object": "error", "message": "m", "type": "t"}, "m", None, "t"),
    "a message with detail within": ({"message": {"detail": [{"msg": "m"}]}}, "m", None, None),
    "a list of strings": ({"error": ["m", "n"], "error_type": "x"}, "m; n", None, None),
    "the object within a list": ([{"error": {"message": "m", "code": 400}}], "m", "400", None),
    "errors": ({"errors": [{"code": 7, "message": "m"}]}, "m", None, None),
    "a plain string": ("m", "m", None, None),
    "a summary beside the error": (
        {"message": "outer", "error": {"message": "m"}},
        "m",
        None,
        None,
    ),
    "OpenRouter's quotation": (
        {"error": {"message": "m", "metadata": {"raw": "upstream said n"}}},
        "m: upstream said n",
        None,
        None,
    ),
}


@pytest.mark.parametrize(("body", "message", "code", "type"), SHAPES.values(), ids=SHAPES.keys())
def test_the_words_of_a_refusal_are_found_in_every_shape(
    body: Any, message: str, code: str | None, type: str | None
) -> None:
    error = refusal(400, body)

    assert (error.message, error.code, error.type) == (message, code, type)


def test_what_is_no_json_is_quoted_without_its_tags() -> None:
    page = b"<html><head><style>p{}</style><title>502</title></head><body>Bad  Gateway</body>"

    assert refusal(502, page).message == "502 Bad Gateway"
    assert refusal(502, page).kind is K.SERVER_ERROR
    assert refusal(500, b"Internal Server Error").message == "Internal Server Error"


def test_a_path_that_is_not_there_is_no_missing_model() -> None:
    assert refusal(404, b"404 page not found").kind is K.PROTOCOL_ERROR
    assert "base_url" in str(refusal(404, b"404 page not found"))


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b'{"error": {"a": {"b": 1}}}'])
def test_a_refusal_without_words_still_says_something(body: bytes) -> None:
    assert refusal(500, body).message == "the provider answered 500 and said nothing"


def test_a_body_nested_beyond_sense_is_no_trouble() -> None:
    body: Any = "deep"
    for _ in range(50):
        body = {"error": [body]}

    assert refusal(400, body).kind is K.INVALID_REQUEST


def test_a_message_is_kept_short() -> None:
    assert len(refusal(400, openai_error(message="x " * 10_000)).message) == 1000


def test_a_redirect_names_where_to() -> None:
    error = refusal(301, b"", location="https://elsewhere.example/v1")

    assert error.kind is K.PROTOCOL_ERROR
    assert "https://elsewhere.example/v1" in error.message


def test_headers_tell_when_to_try_again_and_under_which_id() -> None:
    error = refusal(429, openai_error(), X_Request_Id="req_1", Retry_After="7")

    assert (error.request_id, error.retry_after, error.should_retry) == ("req_1", 7.0, None)


def test_the_servers_own_word_on_retries_outranks_ours() -> None:
    assert not refusal(429, openai_error(), x_should_retry="false").retryable
    assert refusal(400, openai_error(), x_should_retry="true").retryable


def test_a_wait_named_with_an_answer_that_is_no_refusal_is_no_wait() -> None:
    assert refusal(200, openai_error(), retry_after="30").retry_after is None


def test_an_error_can_be_pickled() -> None:
    error = refusal(429, openai_error(), retry_after="7")

    again = pickle.loads(pickle.dumps(error))

    assert (again.kind, again.retry_after, str(again)) == (error.kind, 7.0, str(error))


# --- answers under status 200

WHOLE: dict[str, Any] = {
    "id": "r1",
    "model": "m",
    "service_tier": "flex",
    "choices": [
        {"index": 1, "message": {"content": "not this one"}, "finish_reason": "stop"},
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "hello",
                "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"function": {"name": "g", "arguments": {"x": 1}}},
                    {"id": "custom"},
                    {"id": "b", "type": "custom", "custom": {"name": "h", "input": "ls"}},
                    7,
                ],
            },
            "finish_reason": "tool_calls",
        },
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}


def test_a_whole_answer_is_read_with_all_its_parts() -> None:
    answer = OpenAICodec().parse(200, {}, json.dumps(WHOLE).encode())

    *said, minted, custom = answer.message.parts
    assert said == [
        ThinkingPart("hm", origin="openai"),
        TextPart("hello"),
        ToolCallPart("a", "f", "{}"),
    ]
    raw = {"id": "b", "type": "custom", "custom": {"name": "h", "input": "ls"}}
    assert custom == OpaquePart("openai", raw)
    assert isinstance(minted, ToolCallPart)
    assert (minted.name, minted.args_json, minted.id[:5]) == ("g", '{"x":1}', "call_")
    assert (answer.finish, answer.raw_finish) == (Finish.TOOL_CALLS, "tool_calls")
    assert (answer.model, answer.response_id, answer.service_tier) == ("m", "r1", "flex")
    assert answer.usage == Usage(input=100, output=20, cache_read=40, cache_write=10, reasoning=5)


USAGES: list[tuple[dict[str, Any], Usage]] = [
    ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(input=3, output=2)),
    ({"prompt_tokens": 3, "prompt_cache_hit_tokens": 2}, Usage(input=3, cache_read=2)),
    ({"prompt_tokens": 3, "cached_tokens": 2}, Usage(input=3, cache_read=2)),
    # xAI counts the reasoning beside the completion; its total gives that away.
    (
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "total_tokens": 354,
            "completion_tokens_details": {"reasoning_tokens": 340},
        },
        Usage(input=12, output=342, reasoning=340),
    ),
    # A part is never more than its whole.
    (
        {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9, "audio_tokens": 1}},
        Usage(input=3, cache_read=3),
    ),
    ({"prompt_tokens": -1, "completion_tokens": "x", "prompt_tokens_details": []}, Usage()),
]


@pytest.mark.parametrize(("raw", "usage"), USAGES)
def test_tokens_are_totals_with_their_parts_within(raw: dict[str, Any], usage: Usage) -> None:
    """Cached tokens were billed twice (litellm#11789, #9812, #11364, aider#5516): `input` is
    the total with the cached ones, and a part is never more than its whole."""
    answer = OpenAICodec().parse(200, {}, json.dumps(WHOLE | {"usage": raw}).encode())

    assert answer.usage == usage


def test_a_refusal_of_the_model_is_kept_apart_from_text() -> None:
    said = {"content": None, "refusal": "no", "tool_calls": None}
    body = {"choices": [{"message": said, "finish_reason": "stop"}]}

    answer = OpenAICodec().parse(200, {}, json.dumps(body).encode())

    assert answer.finish is Finish.REFUSAL
    assert answer.text == ""
    assert answer.message.parts == (OpaquePart("openai", {"type": "refusal", "refusal": "no"}),)


NO_ANSWERS = [
    (b"", "an empty body"),
    (b"  \n", "an empty body"),
    (b"<!doctype html><h1>Welcome</h1>", "HTML: 'Welcome'"),
    (b"OK", "text that is not JSON: 'OK'"),
    (b"{'a': 1}", "text that is not JSON"),
    (b"[]", "JSON that is no chat completion"),
    (b"7", "JSON that is no chat completion"),
    (b'{"choices": []}', "JSON that is no chat completion"),
    (b'{"choices": [7]}', "JSON that is no chat completion"),
]


@pytest.mark.parametrize(("body", "what"), NO_ANSWERS)
def test_an_answer_that_is_none_says_what_came_and_what_to_check(body: bytes, what: str) -> None:
    error = refusal(200, body, x_request_id="req_1")

    assert error.kind is K.PROTOCOL_ERROR
    assert f"answered with {what}" in error.message
    assert "base_url" in str(error)
    assert error.request_id == "req_1"


def test_an_error_under_status_200_may_stand_in_a_list() -> None:
    error = refusal(200, [{"error": {"message": "quota", "code": 429}}])

    assert (error.kind, error.message) == (K.RATE_LIMITED, "quota")


def test_an_answer_that_breaks_off_is_truncated() -> None:
    body = json.dumps(WHOLE).encode()
    for cut in range(1, len(body)):
        assert isinstance(refusal(200, body[:cut]), StreamTruncated)
