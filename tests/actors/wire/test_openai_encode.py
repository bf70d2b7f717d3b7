"""Chat requests as the bodies that OpenAI-compatible servers take."""

import gc
import json
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    IncompleteToolCall,
    Message,
    OpaquePart,
    Part,
    Role,
    Sampling,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.openai_encode import EncodedMessages, encode_message

HELLO = Message("user", (TextPart("hello"),))
CLOCK = ToolSpec("clock", "tells the time", {"type": "object", "properties": {}})


def body_of(request: ChatRequest, *, stream: bool = False, codec: Codec | None = None) -> Any:
    return json.loads((codec or OpenAICodec()).encode(request, stream=stream).body)


def request(**said: Any) -> ChatRequest:
    given: dict[str, Any] = {"model": "m", "messages": (HELLO,)}
    return ChatRequest(**(given | said))


def message(role: Role, *parts: Part) -> Any:
    return json.loads(encode_message(Message(role, parts)))


def test_the_least_request_names_model_and_messages_and_nothing_else() -> None:
    assert body_of(request()) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
    }


def test_a_streamed_request_asks_for_the_totals() -> None:
    body = body_of(request(), stream=True)

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_the_request_is_a_post_that_leaves_the_key_to_the_connection() -> None:
    plain = OpenAICodec().encode(request(), stream=False)
    streamed = OpenAICodec().encode(request(), stream=True)

    assert (plain.method, plain.path) == ("POST", "/chat/completions")
    assert dict(plain.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
    }
    assert dict(streamed.headers)["accept"] == "text/event-stream"
    assert "hello" not in repr(plain)


def test_every_option_stands_under_the_wires_own_name() -> None:
    body = body_of(
        request(
            tools=(CLOCK, ToolSpec("strict", "", MappingProxyType({}), strict=True)),
            tool_choice="clock",
            parallel_tools=False,
            max_output_tokens=64,
            sampling=Sampling(
                temperature=0.0, top_p=0.5, seed=1, frequency_penalty=0.1, presence_penalty=0.2
            ),
            stop=("a", "b"),
            reasoning_effort="low",
            metadata={"k": "v"},
        )
    )

    del body["messages"]
    assert body == {
        "model": "m",
        "max_tokens": 64,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stop": ["a", "b"],
        "reasoning_effort": "low",
        "metadata": {"k": "v"},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "clock",
                    "description": "tells the time",
                    "parameters": {"type": "object", "properties": {}},
                },
            },
            {
                "type": "function",
                "function": {"name": "strict", "description": "", "parameters": {}, "strict": True},
            },
        ],
        "tool_choice": {"type": "function", "function": {"name": "clock"}},
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize("choice", ["none", "required"])
def test_a_tool_choice_that_names_no_tool_is_a_word(choice: str) -> None:
    assert body_of(request(tools=(CLOCK,), tool_choice=choice))["tool_choice"] == choice


def test_the_choice_that_servers_make_anyway_is_left_out() -> None:
    assert "tool_choice" not in body_of(request(tools=(CLOCK,)))


def test_what_only_concerns_tools_is_left_out_without_tools() -> None:
    body = body_of(request(tool_choice="required", parallel_tools=True))

    assert body.keys() == {"model", "messages"}


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_the_answer_has_the_name_that_the_server_knows(
    field: Literal["max_tokens", "max_completion_tokens"],
) -> None:
    codec = OpenAICodec(max_tokens_field=field)

    assert body_of(request(max_output_tokens=7), codec=codec)[field] == 7


@pytest.mark.parametrize(("closed", "strict"), [(True, {"strict": True}), (False, {})])
def test_a_response_schema_is_strict_where_it_was_written_to_be(
    closed: bool, strict: dict[str, bool]
) -> None:
    schema = {"type": "object"} | ({"additionalProperties": False} if closed else {})

    assert body_of(request(response_schema=schema))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, **strict},
    }


# --- messages


def test_parts_that_are_more_than_one_text_stay_apart() -> None:
    said = message(
        "user",
        TextPart("look"),
        ImagePart("https://example.com/a.png"),
        ImagePart("data:image/png;base64,AA==", detail="low"),
        FilePart(data="data:text/plain;base64,AA==", name="a.txt"),
        FilePart(file_id="file-1"),
    )

    assert said["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,AA==", "filename": "a.txt"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


def test_audio_goes_as_base64_with_its_coding() -> None:
    assert message("user", TextPart("listen"), AudioPart("UklGRg==", "wav"))["content"] == [
        {"type": "text", "text": "listen"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]


def test_audio_that_the_assistant_spoke_goes_back_by_its_id() -> None:
    spoken = OpaquePart("openai", {"type": "audio", "id": "audio_1", "data": "UklGRg=="})

    assert message("assistant", spoken) == {
        "role": "assistant",
        "content": None,
        "audio": {"id": "audio_1"},
    }


def test_a_custom_call_goes_back_among_the_calls_in_its_place() -> None:
    raw = {"id": "b", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    calls = message(
        "assistant", ToolCallPart("a", "f", "{}"), OpaquePart("openai", raw), TextPart("so")
    )

    assert calls["content"] == "so"
    assert [call["id"] for call in calls["tool_calls"]] == ["a", "b"]
    assert calls["tool_calls"][1] == raw


def test_annotations_do_not_go_back_because_the_wire_has_no_place_for_them() -> None:
    cited = OpaquePart("openai", {"type": "trouper.beside", "annotations": [{}]})

    assert message("assistant", TextPart("so"), cited) == {"role": "assistant", "content": "so"}


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"x": 1}', {"x": 1}),
        ("", {}),
        (" ", {}),
        ('{"x": ', {"INVALID_JSON": '{"x": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ("a\ud83d", {"INVALID_JSON": "a\ufffd"}),
    ],
)
def test_arguments_that_are_no_json_object_do_not_poison_the_history(
    arguments: str, sent: dict[str, Any]
) -> None:
    """Bad arguments JSON in the history failed one turn later, as a 500 (litellm#33678):
    what goes back is JSON, and still shows the model what it said."""
    for call in (ToolCallPart("a", "f", arguments), IncompleteToolCall("a", "f", arguments)):
        (told,) = message("assistant", call)["tool_calls"]

        assert json.loads(told["function"]["arguments"]) == sent


def test_what_belongs_to_other_providers_stays_behind() -> None:
    said = message("user", OpaquePart("anthropic", {}), ThinkingPart("hm"), TextPart("hello"))

    assert said["content"] == [{"type": "text", "text": "hello"}]


def test_a_system_prompt_is_one_text() -> None:
    said = message("system", TextPart("Be "), TextPart("kind."))

    assert said == {"role": "system", "content": "Be kind."}


def test_an_assistants_calls_go_back_with_their_text_and_without_its_thinking() -> None:
    call = ToolCallPart("a", "f", '{"x": 1}')
    said = message("assistant", ThinkingPart("hm", origin="openai"), TextPart("so"), call)

    assert said == {
        "role": "assistant",
        "content": "so",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
        ],
    }
    assert message("assistant", call)["content"] is None
    assert message("assistant", TextPart("")) == {"role": "assistant", "content": ""}


def test_a_refusal_goes_back_to_where_it_came_from_and_nowhere_else() -> None:
    raw = {"type": "refusal", "refusal": "no"}

    refused = message("assistant", OpaquePart("openai", raw), ToolCallPart("a", "f", "{}"))

    assert refused["content"] == [raw]
    assert len(refused["tool_calls"]) == 1
    assert message("assistant", OpaquePart("anthropic", raw))["content"] == ""


def test_each_tool_result_is_a_message_of_its_own() -> None:
    results = Message("tool", (ToolResultPart("a", "1"), ToolResultPart("b", "2", is_error=True)))

    assert body_of(request(messages=(HELLO, results)))["messages"][1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]


def test_a_name_goes_with_its_message() -> None:
    named = json.loads(encode_message(Message("user", (TextPart("hello"),), name="alice")))

    assert named["name"] == "alice"


def test_a_tool_message_without_a_result_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ProviderError, match="a TextPart stands in the wrong message") as caught:
        body_of(request(messages=(Message("tool", (TextPart("?"),)),)))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize("part", [ToolResultPart("a", "1"), ToolCallPart("a", "f", "{}")])
def test_a_part_that_a_user_cannot_say_is_refused_rather_than_dropped(part: Part) -> None:
    with pytest.raises(ProviderError, match="stands in the wrong message"):
        encode_message(Message("user", (TextPart("look"), part)))


def test_half_a_character_does_not_stop_a_request() -> None:
    halves = Message("user", (TextPart("a\ud83d and \ud83d\ude00"),))

    assert (
        body_of(request(messages=(halves,)))["messages"][0]["content"] == "a\ufffd and \U0001f600"
    )


def test_numbers_of_any_size_are_written() -> None:
    extra = {"n": 2**70, "many": (1, [MappingProxyType({"k": 1})])}

    assert body_of(request(extra=extra))["n"] == 2**70


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_what_json_has_no_word_for_is_refused_as_the_callers_fault(value: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be written as JSON") as caught:
        body_of(request(extra={"bad": value}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert not caught.value.retryable


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_arrives_as_it_was(text: str) -> None:
    assert message("system", TextPart(text))["content"] == text


# --- what was encoded before


def test_a_message_is_encoded_once_while_it_lives() -> None:
    encoded = EncodedMessages()
    hello = Message("user", (TextPart("hello"),))

    first = encoded.get(hello)

    assert encoded.get(hello) is first
    assert first == encode_message(hello)
    del hello
    gc.collect()
    assert (len(encoded), encoded.size) == (0, 0)


def test_an_equal_message_is_another_message() -> None:
    # 1 == True in Python and not in JSON, so equality would be the wrong key.
    one, true = (Message("assistant", (OpaquePart("openai", {"x": x}),)) for x in (1, True))
    encoded = EncodedMessages()

    assert one == true
    assert encoded.get(one) != encoded.get(true)


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    size = len(encode_message(HELLO))
    encoded = EncodedMessages(max_bytes=3 * size)
    messages = [Message("user", (TextPart("hello"),)) for _ in range(5)]

    for each in messages:
        encoded.get(each)

    assert (len(encoded), encoded.size) == (3, 3 * size)
    assert encoded.get(messages[4]) is encoded.get(messages[4])
    assert encoded.get(messages[0]) == encode_message(HELLO)


def test_a_message_that_was_dropped_may_die_in_peace() -> None:
    encoded = EncodedMessages(max_bytes=len(encode_message(HELLO)))
    first, second = (Message("user", (TextPart("hello"),)) for _ in range(2))
    encoded.get(first)
    encoded.get(second)

    del first
    gc.collect()

    assert len(encoded) == 1


def test_a_message_larger_than_the_bound_is_encoded_and_not_kept() -> None:
    encoded = EncodedMessages(max_bytes=10)

    assert encoded.get(HELLO) == encode_message(HELLO)
    assert len(encoded) == 0
