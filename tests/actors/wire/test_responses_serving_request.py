"""Responses requests at our own port: read, or refused with the name of what is wrong."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import Message, TextPart
from trouper.actors.wire.openai_served_request import RefusedRequest
from trouper.actors.wire.responses_serving_request import (
    AskedResponse,
    read_response_request,
    resolved,
)

NAMES = """background content format generate id input instructions max_output_tokens metadata
model name output parallel_tool_calls previous_response_id prompt_cache_options prewarm reasoning
effort role schema service_tier store stream strict temperature text tool_choice tools top_logprobs
top_p type user"""
FIELDS = st.sampled_from(NAMES.split())


def read(**fields: Any) -> AskedResponse:
    return read_response_request({"model": "small", "input": "hi", **fields})


def refusal(**fields: Any) -> tuple[str | None, str]:
    with pytest.raises(RefusedRequest) as caught:
        read(**fields)
    assert (caught.value.fault.status, caught.value.fault.code) == (400, "invalid_request")
    return caught.value.fault.param, caught.value.fault.message


def test_text_is_a_message_of_the_users() -> None:
    asked = read()

    assert asked.request.messages == (Message("user", (TextPart("hi"),)),)
    assert (asked.request.model, asked.store, asked.stream, asked.generate) == (
        "small",
        True,
        False,
        True,
    )
    # As a list of items, which is how it is kept and goes on.
    assert read_response_request({"input": list(asked.items)}).request.messages == (
        asked.request.messages
    )


def test_instructions_stand_before_the_whole_conversation() -> None:
    asked = read(instructions="Be brief.")

    said = asked.instructed((Message("user", (TextPart("before"),)), *asked.request.messages))

    assert [(each.role, each.text) for each in said.messages] == [
        ("system", "Be brief."),
        ("user", "before"),
        ("user", "hi"),
    ]


def test_what_bounds_and_shapes_an_answer_is_taken_over() -> None:
    schema = {"type": "object", "properties": {}}
    asked = read(
        max_output_tokens=7,
        temperature=0.5,
        top_p=1,
        parallel_tool_calls=False,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "x", "schema": schema}, "verbosity": "low"},
        store=False,
        stream=True,
        previous_response_id="resp_1",
        metadata={"a": "b"},
        service_tier="flex",
        safety_identifier="alice",
    )

    request = asked.request
    assert (request.max_output_tokens, request.parallel_tools) == (7, False)
    assert (request.sampling.temperature, request.sampling.top_p) == (0.5, 1)
    assert (request.reasoning_effort, request.response_schema) == ("low", schema)
    assert (asked.store, asked.stream, asked.previous, asked.user) == (
        False,
        True,
        "resp_1",
        "alice",
    )
    assert request.extra == {"service_tier": "flex"}
    assert asked.echo["metadata"] == {"a": "b"}
    assert asked.echo["text"]["format"]["name"] == "x"


def test_json_without_a_schema_is_any_object() -> None:
    assert read(text={"format": {"type": "json_object"}}).request.response_schema == {
        "type": "object"
    }


def test_what_asks_for_nothing_is_passed_over() -> None:
    asked = read(
        service_tier="auto",
        background=False,
        top_logprobs=0,
        truncation="auto",
        include=["reasoning.encrypted_content"],
        stream_options={"include_obfuscation": False},
        prompt_cache_key="k",
        text={"format": {"type": "text"}},
        reasoning=None,
        tools=None,
        tool_choice=None,
        client_metadata={"what": ["nobody", "knows"]},
    )

    assert asked.request.extra == {}
    assert asked.request.response_schema is None


def test_tools_that_the_client_runs_are_offered_and_no_others() -> None:
    function = {
        "type": "function",
        "name": "f",
        "description": "d",
        "parameters": {"type": "object"},
    }
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    custom = {"type": "custom", "name": "patch", "description": "Edits.", "format": grammar}

    asked = read(tools=[{**function, "strict": True}, custom, {"type": "web_search"}])

    one, two = asked.request.tools
    assert (one.name, one.description, one.schema, one.strict) == (
        "f",
        "d",
        {"type": "object"},
        True,
    )
    assert two.name == "patch"
    assert "lark" in two.description
    assert "start: /x/" in two.description
    assert two.schema["required"] == ["input"]
    assert asked.custom == {"patch"}
    assert [tool["type"] for tool in asked.echo["tools"]] == ["function", "custom"]


@pytest.mark.parametrize(
    ("choice", "ours", "offered"),
    [
        ("none", "none", ["f", "g"]),
        ("required", "required", ["f", "g"]),
        ({"type": "function", "name": "g"}, "g", ["f", "g"]),
        ({"type": "custom", "name": "g"}, "g", ["f", "g"]),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "g"}],
            },
            "required",
            ["g"],
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [5]}, "auto", []),
    ],
)
def test_a_choice_of_tools_is_taken_over(choice: Any, ours: str, offered: list[str]) -> None:
    tools = [{"type": "function", "name": name} for name in "fg"]

    request = read(tools=tools, tool_choice=choice).request

    assert (request.tool_choice, [tool.name for tool in request.tools]) == (ours, offered)


@pytest.mark.parametrize(
    "field", [{"generate": False}, {"prompt_cache_options": {"prewarm": True}}]
)
def test_a_model_may_be_left_out(field: dict[str, Any]) -> None:
    assert read_response_request({"model": "small", **field}).generate is False


def test_items_may_be_named_and_are_put_in_their_places() -> None:
    asked = read(
        input=[{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "b"}]
    )
    assert asked.references == ("msg_1",)

    whole = resolved(asked, {"msg_1": {"type": "message", "role": "assistant", "content": "a"}})

    assert [message.text for message in whole.request.messages] == ["a", "b"]
    assert whole.references == ()
    with pytest.raises(RefusedRequest, match=r"input\[0\]\.type"):
        resolved(asked, {"msg_1": {"type": "banana"}})


def test_so_many_references_are_refused_before_any_is_looked_up() -> None:
    # A body of 16 MiB once made 300,000 reads of the store, each with a thread.
    named = {"type": "item_reference", "id": "msg_1"}
    assert len(read(input=[named] * 1_000).references) == 1_000

    with pytest.raises(RefusedRequest, match="input: has more than 1000 items"):
        read(input=[named] * 1_001)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"model": 5}, "model"),
        ({"instructions": []}, "instructions"),
        ({"temperature": "warm"}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"store": 1}, "store"),
        ({"generate": 0}, "generate"),
        ({"background": True}, "background"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"response_format": {}}, "response_format"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"moderation": {}}, "moderation"),
        ({"previous_response_id": 5}, "previous_response_id"),
        ({"previous_response_id": "x" * 200}, "previous_response_id"),
        ({"user": "x" * 300}, "user"),
        ({"safety_identifier": 5}, "safety_identifier"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": "x" * 600}}, "metadata.a"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 5}]}, "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "f", "strict": 5}]}, "tools[0].strict"),
        ({"tool_choice": "banana"}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"text": 5}, "text"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"reasoning": 5}, "reasoning"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"service_tier": 5}, "service_tier"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    named, message = refusal(**fields)

    assert named == param
    assert message.startswith(f"{param}: ")


def test_an_input_of_the_wrong_type_is_not_told_to_be_missing_as_well() -> None:
    _, message = refusal(input=5)

    assert message == "input: must be text or a list of items, not 5"


def test_all_that_is_wrong_is_told_at_once() -> None:
    _, message = refusal(temperature="warm", top_p="x", background=True)

    assert all(name in message for name in ("temperature", "top_p", "background"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | FIELDS, inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_whatever_json_comes_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(RefusedRequest):
        asked = read_response_request(body)
        assert asked.previous == (body.get("previous_response_id") or "")
