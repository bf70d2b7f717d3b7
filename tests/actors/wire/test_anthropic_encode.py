"""Chat requests as the bodies that the Messages endpoint takes."""

import gc
import json
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import ChatRequest, Message, Sampling, TextPart, ToolResultPart, ToolSpec
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.anthropic_content import encode_content
from trouper.actors.wire.anthropic_encode import encode_body
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.encoded import Encoded

HELLO = Message("user", (TextPart("hello"),))
CLOCK = ToolSpec("clock", "tells the time", {"type": "object", "properties": {}})
CODEC = AnthropicCodec(max_tokens_default=64)
NEWER = AnthropicCodec(max_tokens_default=64, version="2026-10-21")


def body_of(request: ChatRequest, *, stream: bool = False, codec: Codec = CODEC) -> Any:
    return json.loads(codec.encode(request, stream=stream).body)


def request(**said: Any) -> ChatRequest:
    given: dict[str, Any] = {"model": "m", "messages": (HELLO,)}
    return ChatRequest(**(given | said))


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def turns(*messages: Message) -> Any:
    return [
        (turn["role"], turn["content"]) for turn in body_of(request(messages=messages))["messages"]
    ]


def test_the_least_request_names_model_limit_and_messages_and_nothing_else() -> None:
    assert body_of(request()) == {
        "model": "m",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": [said("hello")]}],
    }


def test_a_limit_of_nothing_is_a_limit() -> None:
    assert body_of(request(max_output_tokens=0))["max_tokens"] == 0
    with pytest.raises(ValueError, match="max_tokens_default"):
        AnthropicCodec(max_tokens_default=-1)


def test_the_request_is_a_post_that_leaves_the_key_to_the_connection() -> None:
    plain = CODEC.encode(request(), stream=False)
    streamed = CODEC.encode(request(), stream=True)

    assert (plain.method, plain.path) == ("POST", "/v1/messages")
    assert dict(plain.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "anthropic-version": "2023-06-01",
    }
    assert dict(streamed.headers)["accept"] == "text/event-stream"
    assert json.loads(streamed.body)["stream"] is True
    assert "hello" not in repr(plain)


def test_version_betas_and_path_are_the_connections_choice() -> None:
    codec = AnthropicCodec(
        max_tokens_default=64, version="2026-10-21", betas=("a-1", "b-2"), path="/messages"
    )

    encoded = codec.encode(request(), stream=False)

    assert encoded.path == "/messages"
    assert dict(encoded.headers)["anthropic-version"] == "2026-10-21"
    assert dict(encoded.headers)["anthropic-beta"] == "a-1,b-2"


def test_every_option_stands_under_the_wires_own_name() -> None:
    schema = {"type": "object", "additionalProperties": False}
    body = body_of(
        request(
            tools=(CLOCK, ToolSpec("strict", "", MappingProxyType({}), strict=True)),
            tool_choice="clock",
            parallel_tools=False,
            max_output_tokens=7,
            sampling=Sampling(
                temperature=0.0, top_p=0.5, seed=1, frequency_penalty=0.1, presence_penalty=0.2
            ),
            stop=("a", "b"),
            reasoning_effort="xhigh",
            response_schema=schema,
            metadata={"user_id": "u", "k": "v"},
        )
    )

    del body["messages"]
    assert body == {
        "model": "m",
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u"},
        "output_config": {
            "effort": "xhigh",
            "format": {"type": "json_schema", "schema": schema},
        },
        "tools": [
            {
                "name": "clock",
                "description": "tells the time",
                "input_schema": {"type": "object", "properties": {}},
            },
            {"name": "strict", "input_schema": {"type": "object"}, "strict": True},
        ],
        "tool_choice": {"type": "tool", "name": "clock", "disable_parallel_tool_use": True},
    }


@pytest.mark.parametrize(
    "codec", [NEWER, AnthropicCodec(max_tokens_default=64, send_sampling=False)]
)
def test_sampling_is_left_out_where_it_would_be_refused(codec: Codec) -> None:
    body = body_of(request(sampling=Sampling(temperature=1.0, top_p=1.0)), codec=codec)

    assert body.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("effort", "options"),
    [
        ("low", {"output_config": {"effort": "low"}}),
        ("minimal", {"output_config": {"effort": "low"}}),
        ("none", {"thinking": {"type": "disabled"}}),
    ],
)
def test_efforts_that_the_wire_does_not_know_become_those_that_it_does(
    effort: str, options: dict[str, Any]
) -> None:
    body = body_of(request(reasoning_effort=effort))

    assert {key: body[key] for key in body.keys() & {"thinking", "output_config"}} == options


@pytest.mark.parametrize(
    ("choice", "parallel", "spoken"),
    [
        ("auto", None, None),
        ("auto", True, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("clock", None, {"type": "tool", "name": "clock"}),
    ],
)
def test_a_choice_of_tools_is_spoken_as_the_wire_speaks_it(
    choice: str, parallel: bool | None, spoken: Any
) -> None:
    asked = request(tools=(CLOCK,), tool_choice=choice, parallel_tools=parallel)

    assert body_of(asked).get("tool_choice") == spoken


def test_a_choice_without_tools_is_left_out() -> None:
    assert "tool_choice" not in body_of(request(tool_choice="required", parallel_tools=False))


def test_what_is_extra_is_merged_and_outranks_the_rest() -> None:
    extra = {
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "max_tokens": 9,
    }

    body = body_of(request(extra=extra))

    assert body.items() >= {key: extra[key] for key in ("thinking", "cache_control")}.items()
    assert body["max_tokens"] == 9


def test_extra_is_joined_with_what_the_request_says_of_its_form_and_its_user() -> None:
    extra = {"output_config": {"effort": "high"}, "metadata": {"user_id": "b"}}
    asked = request(extra=extra, reasoning_effort="low", response_schema={}, metadata={"x": "y"})

    body = body_of(asked)

    assert body["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {}},
    }
    assert body["metadata"] == {"user_id": "b"}


def test_tools_of_the_server_stand_beside_those_of_the_request() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}

    both = body_of(request(tools=(CLOCK,), extra={"tools": [search]}))["tools"]

    assert [tool["name"] for tool in both] == ["clock", "web_search"]
    assert body_of(request(extra={"tools": [search]}))["tools"] == [search]


# --- who speaks when


def test_system_messages_stand_outside_the_conversation() -> None:
    be, brief = (Message("system", (TextPart(text),)) for text in ("be kind", "be brief"))

    assert body_of(request(messages=(be, HELLO)))["system"] == "be kind"
    body = body_of(request(messages=(be, HELLO, brief)))
    assert body["system"] == [said("be kind"), said("be brief")]
    assert len(body["messages"]) == 1


def test_messages_of_one_role_become_one_turn() -> None:
    again = Message("user", (TextPart("again"),))
    hi = Message("assistant", (TextPart("hi"),))

    assert turns(HELLO, again, hi, hi, HELLO) == [
        ("user", [said("hello"), said("again")]),
        ("assistant", [said("hi"), said("hi")]),
        ("user", [said("hello")]),
    ]


def test_tool_results_come_first_in_the_users_turn() -> None:
    hi = Message("assistant", (TextPart("hi"),))
    first = Message("tool", (ToolResultPart("a", "1"), ToolResultPart("b", "", is_error=True)))
    second = Message("tool", (ToolResultPart("c", "3"),))

    assert turns(hi, HELLO, first, second)[1] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "is_error": True},
            {"type": "tool_result", "tool_use_id": "c", "content": "3"},
            said("hello"),
        ],
    )


def test_a_message_that_says_nothing_is_left_out() -> None:
    silent = Message("assistant", (TextPart(" \n"),))

    assert turns(HELLO, silent, Message("user", ()), HELLO) == [
        ("user", [said("hello"), said("hello")])
    ]


# --- bytes


def test_half_a_character_does_not_stop_a_request() -> None:
    halves = Message("user", (TextPart("a\ud83d and \ud83d\ude00"),))

    assert turns(halves)[0][1] == [said("a\ufffd and \U0001f600")]


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_what_json_has_no_word_for_is_refused_as_the_callers_fault(value: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be written as JSON") as caught:
        body_of(request(extra={"bad": value}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@given(st.lists(st.sampled_from(["system", "user", "assistant", "tool"])), st.text(min_size=1))
def test_turns_alternate_whatever_the_conversation(roles: list[Any], text: str) -> None:
    messages = tuple(
        Message(role, (ToolResultPart("a", text) if role == "tool" else TextPart(f"x{text}"),))
        for role in roles
    )

    spoken = [turn["role"] for turn in body_of(request(messages=messages))["messages"]]

    assert all(one != other for one, other in pairwise(spoken))


def test_a_message_is_encoded_once_while_it_lives() -> None:
    kept = Encoded(encode_content)
    hello = Message("user", (TextPart("hello"),))
    options: dict[str, Any] = {
        "stream": True,
        "max_tokens_default": 64,
        "sampling": True,
        "messages": kept,
    }

    first = encode_body(request(messages=(hello, HELLO)), **options)

    assert encode_body(request(messages=(hello, HELLO)), **options) == first
    assert len(kept) == 2
    del hello
    gc.collect()
    assert len(kept) == 1
