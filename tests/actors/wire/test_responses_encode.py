"""Requests as the Responses endpoint takes them."""

import json
from typing import Any

import pytest

from trouper.actors.chat import (
    ChatRequest,
    Message,
    OpaquePart,
    Part,
    Role,
    Sampling,
    TextPart,
    ToolSpec,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.responses import ResponsesCodec

HELLO = Message("user", (TextPart("hello"),))
OURS = "openai-responses"


def request(*messages: Message, **options: Any) -> ChatRequest:
    given: dict[str, Any] = {"model": "m", "messages": messages or (HELLO,)}
    return ChatRequest(**(given | options))


def body_of(asked: ChatRequest, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(ResponsesCodec().encode(asked, stream=stream).body)
    return body


def items_of(role: Role, *parts: Part) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = body_of(request(HELLO, Message(role, parts)))["input"][1:]
    return items


def test_the_least_request_has_nothing_kept_at_the_provider() -> None:
    assert body_of(request()) == {
        "model": "m",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [{"role": "user", "content": "hello"}],
    }


def test_encrypted_reasoning_is_not_asked_of_a_model_that_does_not_reason() -> None:
    codec = ResponsesCodec(reasons=lambda model: model.startswith("o"))

    assert "include" not in json.loads(codec.encode(request(), stream=False).body)
    assert "include" in json.loads(codec.encode(request(model="o9"), stream=False).body)


def test_the_request_is_a_post_that_leaves_the_key_to_the_connection() -> None:
    sent = ResponsesCodec().encode(request(), stream=True)

    assert (sent.method, sent.path) == ("POST", "/responses")
    assert dict(sent.headers) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
    }
    assert json.loads(sent.body)["stream"] is True


def test_every_option_stands_under_the_wires_own_name() -> None:
    tool = ToolSpec("f", "does f", {"type": "object"}, strict=True)
    schema = {"type": "object", "additionalProperties": False}
    body = body_of(
        request(
            tools=(tool,),
            tool_choice="f",
            parallel_tools=False,
            max_output_tokens=64,
            sampling=Sampling(temperature=0.5, top_p=0.9, seed=1, presence_penalty=1.0),
            response_schema=schema,
            reasoning_effort="low",
            metadata={"a": "b"},
        )
    )

    assert {key: body[key] for key in body if key not in ("input", "include", "store")} == {
        "model": "m",
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "does f",
                "parameters": {"type": "object"},
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "max_output_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
        },
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize("choice", ["none", "required"])
def test_a_tool_choice_that_names_no_tool_is_a_word(choice: str) -> None:
    asked = request(tools=(ToolSpec("f", "", {}),), tool_choice=choice)

    assert body_of(asked)["tool_choice"] == choice


def test_a_schema_that_was_not_written_to_be_strict_is_said_not_to_be() -> None:
    body = body_of(request(tools=(ToolSpec("f", "", {}),), response_schema={"type": "object"}))

    assert body["text"]["format"]["strict"] is False
    assert body["tools"][0]["strict"] is False
    assert "tool_choice" not in body


def test_stop_sequences_are_refused_rather_than_ignored() -> None:
    with pytest.raises(ProviderError, match="have no stop sequences") as caught:
        body_of(request(stop=("END",)))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_extra_is_joined_with_what_the_request_says_and_outranks_it() -> None:
    hosted = {"type": "web_search"}
    extra = {
        "store": True,
        "include": ["message.output_text.logprobs"],
        "reasoning": {"summary": "auto"},
        "text": {"verbosity": "low"},
        "tools": [hosted],
        "service_tier": "flex",
    }
    body = body_of(
        request(
            tools=(ToolSpec("f", "", {}),),
            reasoning_effort="high",
            response_schema={"type": "object"},
            extra=extra,
        )
    )

    assert body["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["text"].keys() == {"format", "verbosity"}
    assert [tool["type"] for tool in body["tools"]] == ["function", "web_search"]
    assert (body["store"], body["service_tier"]) == (True, "flex")


@pytest.mark.parametrize("name", ["input", "instructions", "model", "stream"])
def test_extra_cannot_replace_what_is_said_or_how_the_answer_is_read(name: str) -> None:
    with pytest.raises(ProviderError, match=f"extra holds {name}") as caught:
        body_of(request(extra={name: "x"}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_the_system_prompt_becomes_instructions_and_later_words_of_it_keep_their_place() -> None:
    system = [Message("system", (TextPart(text),)) for text in ("Be kind.", "Be brief.", "Now.")]
    body = body_of(request(system[0], system[1], HELLO, system[2]))

    assert body["instructions"] == "Be kind.\n\nBe brief."
    assert body["input"] == [
        {"role": "user", "content": "hello"},
        {"role": "system", "content": "Now."},
    ]


def test_a_system_prompt_alone_is_input_because_the_api_wants_some() -> None:
    body = body_of(request(Message("system", (TextPart("Say hello."),))))

    assert "instructions" not in body
    assert body["input"] == [{"role": "system", "content": "Say hello."}]


def test_a_message_is_encoded_once_while_it_lives() -> None:
    codec = ResponsesCodec()
    raw = {"type": "custom_tool_call_output", "call_id": "b", "output": "2"}
    message = Message("tool", (OpaquePart(OURS, raw),))
    first = codec.encode(request(HELLO, message), stream=False).body

    raw["output"] = "changed behind its back, which is how the test can tell"

    assert codec.encode(request(HELLO, message), stream=False).body == first


def test_a_stream_folds_into_a_message_that_can_be_sent_back() -> None:
    assembly = Assembly()
    decoder = ResponsesCodec().stream()
    item = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    frames = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "so"},
        {"type": "response.completed", "response": {}},
    ]
    for frame in frames:
        assembly.extend(decoder.feed(f"data: {json.dumps(frame)}\n\n".encode()))

    assert items_of("assistant", *assembly.completion().message.parts) == [
        item,
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "so"}],
        },
    ]
