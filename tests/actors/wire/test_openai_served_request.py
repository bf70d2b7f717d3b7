"""Whatever a client sends is a request that can be served, or a 400 that names what is wrong."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import Message, TextPart
from trouper.actors.wire.openai_faults import ApiFault
from trouper.actors.wire.openai_served_request import (
    RefusedRequest,
    ServedRequest,
    read_served_request,
)

HELLO: dict[str, Any] = {"role": "user", "content": "hello"}

# Every place of a request in which a client may put what does not belong there.
WHOLE: dict[str, Any] = {
    "model": "default",
    "messages": [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "clock", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "clock", "description": "tells", "parameters": {}, "strict": True},
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "clock"}},
    "parallel_tool_calls": False,
    "max_tokens": 5,
    "max_completion_tokens": 6,
    "temperature": 0.5,
    "top_p": 1,
    "n": 1,
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "stop": ["x"],
    "reasoning_effort": "low",
    "metadata": {"k": "v"},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "logit_bias": {"50256": -100},
    "user": "alice",
    "stream": True,
    "stream_options": {"include_usage": True},
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def read(**fields: Any) -> ServedRequest:
    return read_served_request(orjson.dumps({"messages": [HELLO], **fields}))


def refusal(raw: bytes) -> RefusedRequest:
    with pytest.raises(RefusedRequest) as refused:
        read_served_request(raw)
    return refused.value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a JSON value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def with_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = with_at(copy[path[0]], path[1:], new)
    return copy


def test_a_whole_request_is_read() -> None:
    served = read_served_request(orjson.dumps(WHOLE))

    request = served.request
    assert (served.stream, served.include_usage, served.user) == (True, True, "alice")
    assert (request.model, request.max_output_tokens, request.stop) == ("default", 6, ("x",))
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert request.extra == {"logit_bias": {"50256": -100}}


def test_the_least_request_is_answered_whole() -> None:
    served = read()

    assert (served.stream, served.include_usage, served.user) == (False, False, "")
    assert served.request.messages == (Message("user", (TextPart("hello"),)),)


def test_what_asks_for_nothing_is_not_handed_on() -> None:
    """Strict servers refuse fields that they do not know, whatever is in them."""
    served = read(
        n=1,
        logprobs=False,
        top_logprobs=None,
        store=False,
        service_tier="auto",
        response_format={"type": "text"},
        user="alice",
        stop=None,
        tools=None,
    )

    assert served.request.extra == {}


def test_what_only_the_provider_knows_is_handed_on() -> None:
    served = read(top_k=3, service_tier="flex", response_format={"type": "json_object"})

    assert served.request.extra == {
        "top_k": 3,
        "service_tier": "flex",
        "response_format": {"type": "json_object"},
    }


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("n", 2, "n"),
        ("n", True, "n"),
        ("functions", [], "functions"),
        ("input", "hello", "input"),
        ("max_output_tokens", 3, "max_output_tokens"),
        ("max_tokens", 0, "max_completion_tokens"),
        ("max_tokens", 10**12, "max_completion_tokens"),
        ("stream", "yes", "stream"),
        ("stream_options", [], "stream_options"),
        ("stream_options", {"include_usage": 1}, "stream_options.include_usage"),
        ("user", ["alice"], "user"),
        ("user", "a" * 257, "user"),
        ("temperature", "warm", "temperature"),
        ("messages", [{"role": "ghost", "content": "boo"}], "messages[0].role"),
        ("messages", [{"role": "user", "content": [7]}], "messages[0].content[0]"),
        ("messages", [], "messages"),
    ],
)
def test_a_refusal_names_the_field(field: str, value: Any, param: str) -> None:
    fault = refusal(orjson.dumps({"messages": [HELLO], field: value})).fault

    assert (fault.status, fault.type, fault.param) == (400, "invalid_request_error", param)
    assert param in fault.message


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'"\\ud800"', b"[" * 100_000, b"NaN"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    fault = refusal(raw).fault

    assert (fault.status, fault.code) == (400, "invalid_json")


@pytest.mark.parametrize("raw", [b"[]", b"null", b"3"])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    assert refusal(raw).fault.status == 400


def test_a_refusal_does_not_grow_with_the_request() -> None:
    ghosts = [{"role": "ghost", "content": "boo"}] * 1000

    message = refusal(orjson.dumps({"messages": ghosts})).fault.message

    assert "and 995 more" in message
    assert len(message) < 1000


def outcome(raw: bytes) -> ServedRequest | ApiFault:
    try:
        return read_served_request(raw)
    except RefusedRequest as refused:
        return refused.fault


@given(place=st.sampled_from(places(WHOLE)), value=json_values)
def test_any_json_in_any_place_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    read = outcome(json.dumps(with_at(WHOLE, place, value)).encode())

    if isinstance(read, ApiFault):
        assert read.status == 400
        assert orjson.loads(read.body)["error"]["message"]
    else:
        assert isinstance(read.request.model, str)
        assert read.request.messages


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    read = outcome(raw)

    assert isinstance(read, ServedRequest) or read.status == 400
