"""Requests as Ollama's /api/chat takes them."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from trouper.actors.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Sampling,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.ollama import OllamaCodec

HELLO = Message(role="user", parts=(TextPart("hello"),))
TOOL = ToolSpec("add", "Adds.", {"type": "object"}, strict=True)


def body_of(request: ChatRequest, codec: Codec | None = None, *, stream: bool = True) -> Any:
    return json.loads((codec or OllamaCodec()).encode(request, stream=stream).body)


def sent(*messages: Message, **also: Any) -> Any:
    return body_of(ChatRequest(model="m", messages=messages, **also))


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def refusal(*messages: Message, **also: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sent(*messages, **also)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    return caught.value


def test_the_least_request_says_no_more_than_it_must() -> None:
    request = OllamaCodec().encode(ChatRequest(model="m", messages=(HELLO,)), stream=True)

    assert (request.method, request.path) == ("POST", "/api/chat")
    assert ("accept", "application/x-ndjson") in request.headers
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        # Nothing is forgotten without a word.
        "truncate": False,
        "stream": True,
    }


def test_a_plain_answer_is_asked_for_by_name_because_streaming_is_the_default() -> None:
    request = OllamaCodec().encode(ChatRequest(model="m", messages=(HELLO,)), stream=False)

    assert json.loads(request.body)["stream"] is False
    assert ("accept", "application/json") in request.headers


def test_every_option_has_its_place() -> None:
    request = ChatRequest(
        model="m",
        messages=(HELLO,),
        max_output_tokens=64,
        sampling=Sampling(0.5, 0.9, 42, 0.1, 0.2),
        stop=("a", "b"),
        response_schema=MappingProxyType({"type": "object"}),
        reasoning_effort="high",
        metadata={"user": "7"},
        parallel_tools=False,
    )

    body = body_of(request, OllamaCodec(num_ctx=8192, keep_alive="10m", truncate=True))

    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "think": "high",
        "format": {"type": "object"},
        "keep_alive": "10m",
        "options": {
            "num_ctx": 8192,
            "num_predict": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 42,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "stop": ["a", "b"],
        },
        "stream": True,
    }


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", "low"), ("medium", "medium"), ("xhigh", "max"), ("max", "max")],
)
def test_effort_becomes_what_ollama_calls_thinking(effort: str, think: bool | str) -> None:
    assert sent(HELLO, reasoning_effort=effort)["think"] == think


@pytest.mark.parametrize("keep_alive", [0, -1, 2.5])
def test_keep_alive_may_be_seconds_and_zero_is_not_nothing(keep_alive: float) -> None:
    request = ChatRequest(model="m", messages=(HELLO,))

    assert body_of(request, OllamaCodec(keep_alive=keep_alive))["keep_alive"] == keep_alive


def test_extra_goes_into_the_body_and_its_options_beside_ours() -> None:
    extra = {"options": {"top_k": 5, "seed": 1}, "think": True, "shift": False}

    body = sent(HELLO, sampling=Sampling(seed=42, top_p=0.5), extra=extra)

    assert body["options"] == {"top_k": 5, "seed": 1, "top_p": 0.5}
    assert (body["think"], body["shift"]) == (True, False)


def test_extra_may_take_the_place_of_options_and_add_tools() -> None:
    body = sent(HELLO, extra={"options": None, "tools": [7]}, max_output_tokens=7, tools=(TOOL,))

    assert body["options"] is None
    assert body["tools"][1:] == [7]


def test_tools_are_told_without_what_ollama_does_not_know() -> None:
    assert sent(HELLO, tools=(TOOL,))["tools"] == [
        {
            "type": "function",
            "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
        }
    ]


def test_tools_that_are_not_to_be_called_are_not_told() -> None:
    assert "tools" not in sent(HELLO, tools=(TOOL,), tool_choice="none")


@pytest.mark.parametrize("choice", ["required", "add"])
def test_a_call_cannot_be_demanded(choice: str) -> None:
    error = refusal(HELLO, tools=(TOOL,), tool_choice=choice)

    assert f"{choice!r} cannot be asked" in error.message


def test_images_go_beside_the_text_as_bare_base64() -> None:
    message = user(
        TextPart("what is "),
        ImagePart("data:image/png;base64,iVBORw=="),
        TextPart("this?"),
        ImagePart("DATA:image/jpeg;BASE64,/9j/4A=="),
    )

    assert sent(message)["messages"] == [
        {"role": "user", "content": "what is this?", "images": ["iVBORw==", "/9j/4A=="]}
    ]


@pytest.mark.parametrize("url", ["https://a.example/x.png", "data:image/png,%89", "iVBORw=="])
def test_an_image_that_would_have_to_be_fetched_is_refused(url: str) -> None:
    assert "as a data URL in base64 only" in refusal(user(ImagePart(url))).message


def test_a_whole_round_of_tools_goes_back_with_names_and_objects() -> None:
    calls = Message(
        role="assistant",
        parts=(
            ThinkingPart("hm", origin="ollama"),
            ThinkingPart("of another", signature="s", origin="anthropic"),
            OpaquePart("openai", {"type": "refusal"}),
            TextPart("one moment"),
            ToolCallPart("c1", "add", '{"a": 1, "big": 123456789012345678901234567890}'),
            ToolCallPart("c2", "now", ""),
        ),
    )
    results = Message(
        role="tool", parts=(ToolResultPart("c2", "noon"), ToolResultPart("c9", "?", is_error=True))
    )

    assert sent(HELLO, calls, results)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "one moment",
            "thinking": "hm",
            "tool_calls": [
                {
                    "id": "c1",
                    "function": {
                        "name": "add",
                        "arguments": {"a": 1, "big": 123456789012345678901234567890},
                    },
                },
                {"id": "c2", "function": {"name": "now", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "c2", "tool_name": "now"},
        {"role": "tool", "content": "?", "tool_call_id": "c9"},
    ]


@pytest.mark.parametrize("written", ['{"a": ', "[1]", "7", '{"a":' * 200_000])
def test_arguments_that_are_no_object_do_not_poison_the_conversation(written: str) -> None:
    message = Message(role="assistant", parts=(ToolCallPart("c", "f", written),))

    call = sent(message)["messages"][0]["tool_calls"][0]

    assert call["function"]["arguments"] == {"invalid": written}


def test_what_was_said_goes_back_as_it_was_said() -> None:
    system = Message(role="system", parts=(TextPart("be brief"),))
    answer = Message(role="assistant", parts=(TextPart("hi"),))

    assert sent(system, HELLO, answer)["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
    ]


def test_parts_of_other_providers_are_left_out_of_what_the_user_said() -> None:
    parts = (TextPart("a"), OpaquePart("openai", {}), ThinkingPart("b"))

    assert sent(user(*parts))["messages"] == [{"role": "user", "content": "a"}]


def test_what_the_wire_has_no_place_for_is_refused_by_name() -> None:
    assert "no files" in refusal(user(FilePart(file_id="f"))).message
    assert "a ToolCallPart stands in the wrong message" in (
        refusal(user(ToolCallPart("c", "f", "{}"))).message
    )
    misplaced = Message(role="tool", parts=(TextPart("a"),))
    assert "takes tool results only" in refusal(misplaced).message


def test_half_a_character_becomes_a_replacement_and_two_halves_one() -> None:
    body = sent(user(TextPart("a\ud83d b \ud83d\ude00")))

    assert body["messages"][0]["content"] == "a\ufffd b \U0001f600"


def test_a_number_of_any_size_and_a_read_only_mapping_are_json() -> None:
    extra = MappingProxyType({"options": MappingProxyType({"seed": 2**70})})

    assert sent(HELLO, extra=extra)["options"] == {"seed": 2**70}


@pytest.mark.parametrize("value", [object(), {1: object()}, float("nan")])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    error = refusal(HELLO, extra={"x": [value, 2**70]})

    assert "cannot be written as JSON" in error.message
