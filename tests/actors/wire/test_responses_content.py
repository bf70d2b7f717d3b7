"""Messages as input items: what goes back, in which form, and what stays behind."""

import json
from typing import Any

import pytest

from trouper.actors.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.responses import ResponsesCodec
from trouper.actors.wire.responses_content import encode_items

OURS = "openai-responses"


def items_of(role: Role, *parts: Part) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(b"[%b]" % encode_items(Message(role, parts)))
    return items


def test_parts_that_are_more_than_one_text_stay_apart() -> None:
    said = items_of(
        "user",
        TextPart("look"),
        ImagePart("https://example.com/a.png", detail="low"),
        FilePart(data="data:text/plain;base64,AA==", name="a.txt"),
        FilePart(data="https://example.com/a.pdf"),
        FilePart(file_id="file-1"),
        ThinkingPart("hm"),
        OpaquePart("anthropic", {"type": "document"}),
    )

    assert said == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {
                    "type": "input_image",
                    "image_url": "https://example.com/a.png",
                    "detail": "low",
                },
                {
                    "type": "input_file",
                    "file_data": "data:text/plain;base64,AA==",
                    "filename": "a.txt",
                },
                {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                {"type": "input_file", "file_id": "file-1"},
            ],
        }
    ]


def test_audio_is_refused_rather_than_dropped() -> None:
    with pytest.raises(ProviderError, match="audio, which OpenAI's Responses do not take"):
        items_of("user", TextPart("listen"), AudioPart("AA==", "wav"))

    assert items_of("assistant", AudioPart("AA==", "wav")) == []


def test_arguments_that_are_no_json_go_back_as_json() -> None:
    (item,) = items_of("assistant", ToolCallPart("c", "f", '{"a": '))

    assert json.loads(item["arguments"]) == {"INVALID_JSON": '{"a": '}


def test_reasoning_goes_back_encrypted_and_before_what_came_of_it() -> None:
    items = items_of(
        "assistant",
        ThinkingPart("plan", signature="gAAA", origin=OURS),
        ThinkingPart("", signature="gBBB", origin=OURS),
        ToolCallPart("c", "f", "{}"),
    )

    assert items == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "plan"}],
            "encrypted_content": "gAAA",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "gBBB"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        ThinkingPart("hm", origin=OURS),  # no signature: the API cannot read it
        ThinkingPart("hm", signature="s", origin="anthropic"),
        OpaquePart("anthropic", {"type": "server_tool_use"}),
        ImagePart("data:image/png;base64,AA=="),
    ],
)
def test_what_the_provider_could_not_read_stays_behind(part: Part) -> None:
    assert items_of("assistant", part) == []
    assert items_of("assistant", part, TextPart("so")) == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]}
    ]


def test_reasoning_of_which_nothing_came_stays_behind_because_the_api_refuses_it() -> None:
    thought = ThinkingPart("plan", signature="gAAA", origin=OURS)

    assert items_of("assistant", thought) == []
    assert [item["role"] for item in items_of("assistant", TextPart("so"), thought)] == [
        "assistant"
    ]


def test_what_stood_beside_a_part_goes_back_within_it() -> None:
    cited = [{"type": "url_citation", "url": "https://example.com"}]
    items = items_of(
        "assistant",
        OpaquePart(OURS, {"type": "trouper.beside", "phase": "lost"}),
        TextPart("one"),
        OpaquePart(OURS, {"type": "trouper.beside", "annotations": cited, "phase": "commentary"}),
        TextPart("two"),
        OpaquePart(OURS, {"type": "refusal", "refusal": "no"}),
        ToolCallPart("c", "f", "{}"),
        OpaquePart(OURS, {"type": "trouper.beside", "namespace": "n"}),
        OpaquePart(OURS, {"type": "web_search_call", "id": "ws_1"}),
    )

    assert items == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "one", "annotations": cited}],
            "phase": "commentary",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "two"},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {
            "type": "function_call",
            "call_id": "c",
            "name": "f",
            "arguments": "{}",
            "namespace": "n",
        },
        {"type": "web_search_call", "id": "ws_1"},
    ]


def test_each_tool_result_is_an_item_of_its_own() -> None:
    custom = {"type": "custom_tool_call_output", "call_id": "b", "output": "2"}

    assert items_of("tool", ToolResultPart("a", "1"), OpaquePart(OURS, custom)) == [
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        custom,
    ]


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", ToolResultPart("a", "1")),
        ("user", ToolCallPart("a", "f", "{}")),
        ("assistant", ToolResultPart("a", "1")),
        ("tool", TextPart("?")),
    ],
)
def test_a_part_in_a_message_that_cannot_hold_it_is_refused(role: Role, part: Part) -> None:
    with pytest.raises(ProviderError, match="stands in the wrong message") as caught:
        items_of(role, TextPart("look"), part) if role != "tool" else items_of(role, part)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_an_answer_goes_back_as_it_came() -> None:
    output: list[dict[str, Any]] = [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "plan"}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "so", "annotations": []}],
            "phase": "commentary",
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "status": "completed",
            "call_id": "c",
            "name": "f",
            "arguments": "{}",
        },
    ]
    answered = ResponsesCodec().parse(200, {}, json.dumps({"output": output}).encode())

    items = items_of("assistant", *answered.message.parts)

    assert items == [
        {key: value for key, value in output[0].items() if key != "id"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "so"}],
            "phase": "commentary",
        },
        {
            key: value
            for key, value in output[2].items()
            if key in ("type", "call_id", "name", "arguments")
        },
    ]


def test_an_item_that_a_user_hands_over_stands_by_itself() -> None:
    approval = {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}

    assert items_of("user", OpaquePart(OURS, approval)) == [approval]
    assert items_of("user", TextPart("yes"), OpaquePart(OURS, approval)) == [
        {"role": "user", "content": [{"type": "input_text", "text": "yes"}]},
        approval,
    ]


def test_text_that_is_empty_is_not_said() -> None:
    assert items_of("assistant", TextPart("")) == []
