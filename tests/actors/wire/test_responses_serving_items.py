"""Input items as clients write them, as messages."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from trouper.actors.wire.body_reader import BodyReader
from trouper.actors.wire.responses_serving_items import read_items, seal
from trouper.actors.wire.responses_values import BESIDE, ORIGIN


def read(*items: Any) -> tuple[Message, ...]:
    reader = BodyReader()
    messages = read_items(reader, items, "input")
    assert reader.faults == []
    return messages


def faults(*items: Any) -> list[str]:
    reader = BodyReader()
    read_items(reader, items, "input")
    return reader.faults


@pytest.mark.parametrize(
    ("role", "ours"),
    [
        ("user", "user"),
        ("system", "system"),
        ("developer", "system"),
        ("assistant", "assistant"),
    ],
)
def test_a_message_may_be_said_in_short(role: str, ours: Any) -> None:
    assert read({"role": role, "content": "hi"}) == (Message(ours, (TextPart("hi"),)),)


def test_content_is_read_part_by_part() -> None:
    content = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://example.org/b.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]

    (message,) = read({"type": "message", "role": "user", "content": content})

    assert message.parts == (
        TextPart("look"),
        ImagePart("data:image/png;base64,AA", detail="low"),
        FilePart(data="data:application/pdf;base64,AA", name="a.pdf"),
        FilePart(data="https://example.org/b.pdf"),
        FilePart(file_id="file-1"),
        AudioPart("AA", "wav"),
    )


def test_what_an_assistant_says_in_one_go_is_one_message() -> None:
    messages = read(
        {"role": "user", "content": "go"},
        {"type": "reasoning", "summary": [], "encrypted_content": "sealed by OpenAI"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "ok"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
        {"role": "user", "content": "and?"},
    )

    assert [message.role for message in messages] == ["user", "assistant", "tool", "tool", "user"]
    assert messages[1].parts == (
        ThinkingPart("", "sealed by OpenAI", origin=ORIGIN),
        TextPart("ok"),
        ToolCallPart("c1", "f", "{}"),
        ToolCallPart("c2", "f", ""),
    )
    assert messages[3].parts == (ToolResultPart("c2", "two"),)


def test_pictures_that_tools_show_come_after_their_results() -> None:
    shown = [{"type": "input_text", "text": "a cat"}, {"type": "input_image", "image_url": "u"}]
    messages = read(
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": shown},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
    )

    assert [message.role for message in messages] == ["assistant", "tool", "tool", "user"]
    assert messages[1].parts == (ToolResultPart("c1", "a cat"),)
    assert messages[3].parts == (ImagePart("u"),)


def test_a_call_of_a_custom_tool_is_one_of_a_function() -> None:
    call, result = read(
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'say "x"'},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    )

    assert call.parts == (ToolCallPart("c", "patch", '{"input":"say \\"x\\""}'),)
    assert result.parts == (ToolResultPart("c", "done"),)


def test_what_stands_beside_an_answer_goes_back_with_it() -> None:
    cited = [{"type": "url_citation", "url": "https://example.org"}]
    content = [
        {"type": "output_text", "text": "so", "annotations": cited},
        {"type": "refusal", "refusal": "no"},
    ]
    (message,) = read(
        {"type": "message", "role": "assistant", "content": content, "phase": "commentary"}
    )

    assert message.parts == (
        TextPart("so"),
        OpaquePart(ORIGIN, {"type": BESIDE, "annotations": cited}),
        OpaquePart(ORIGIN, {"type": "refusal", "refusal": "no"}),
        OpaquePart(ORIGIN, {"type": BESIDE, "phase": "commentary"}),
    )


def test_what_a_provider_did_itself_goes_back_to_it() -> None:
    call = {"type": "web_search_call", "id": "ws_1", "status": "completed"}

    assert read(call) == (Message("assistant", (OpaquePart(ORIGIN, call),)),)


@given(st.builds(ThinkingPart, *[st.text()] * 2, st.booleans(), st.sampled_from(["", ORIGIN, "x"])))
def test_thinking_comes_back_as_it_was_to_who_thought_it(thought: ThinkingPart) -> None:
    sealed = seal(thought)
    if sealed is None:
        assert thought.signature == ""
        return

    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    said = read({"type": "reasoning", "summary": summary, "encrypted_content": sealed})

    assert said == (Message("assistant", (thought,)),)


@pytest.mark.parametrize(
    "sealed", ["trouper-1.", "trouper-1.%%%", "trouper-1.e30=", "trouper-1.MQ=="]
)
def test_a_broken_seal_is_no_thinking(sealed: str) -> None:
    assert read({"type": "reasoning", "summary": [], "encrypted_content": sealed}) == ()


def test_thinking_in_plain_words_goes_back_as_it_came() -> None:
    told = {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "x"}],
    }

    assert read({**told, "id": "rs_1"}) == (Message("assistant", (OpaquePart(ORIGIN, told),)),)
    assert read({"type": "reasoning", "summary": []}) == ()


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (5, "input[0]: must be an object"),
        ({"type": "banana"}, "input[0].type: must be message, reasoning"),
        ({"type": ["x"]}, "input[0].type: must be message, reasoning"),
        ({"role": "tool", "content": "x"}, "input[0].role: must be one of user"),
        ({"role": ["user"], "content": "x"}, "input[0].role: must be one of user"),
        ({"role": "user"}, "input[0].content: is missing"),
        ({"role": "user", "content": 5}, "input[0].content: must be a list"),
        ({"role": "user", "content": [{"type": "text"}]}, "input[0].content[0].text: is missing"),
        ({"role": "user", "content": [{"type": "x"}]}, "input[0].content[0].type: must be"),
        ({"role": "user", "content": [{"type": "input_file"}]}, "input[0].content[0]: must have"),
        (
            {"role": "user", "content": [{"type": "input_image"}]},
            "content[0].image_url: is missing",
        ),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "input[0].content[0].type"),
        ({"type": "function_call", "name": "f"}, "input[0].call_id: is missing"),
        ({"type": "function_call", "call_id": "c"}, "input[0].name: is missing"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output: is missing"),
        ({"type": "function_call_output", "output": "x"}, "input[0].call_id: is missing"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(item: Any, fault: str) -> None:
    assert any(fault in each for each in faults(item)), faults(item)


# As it is read: what does not fit into 64 bits is no integer there.
INTEGERS = st.integers(-(2**63), 2**64 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = ["type", "role", "content", "output", "call_id", "name", "arguments", "summary", "phase"]
KINDS = st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "user"])


@given(st.lists(JSON | st.dictionaries(st.sampled_from(KEYS), JSON | KINDS)))
def test_whatever_json_is_there_is_read_or_named(items: list[Any]) -> None:
    faults(*items)
