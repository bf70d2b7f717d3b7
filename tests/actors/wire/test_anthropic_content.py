"""Parts of a message as Anthropic's content blocks."""

import base64
import json
from typing import Any

import pytest

from trouper.actors.chat import (
    ChatRequest,
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
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.assembly import Assembly

CODEC = AnthropicCodec(max_tokens_default=64)


def blocks(role: Role, *parts: Part) -> Any:
    request = ChatRequest(model="m", messages=(Message(role, parts),))
    turns = json.loads(CODEC.encode(request, stream=False).body)["messages"]
    return turns[0]["content"] if turns else []


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def base64_source(media_type: str, data: bytes) -> dict[str, Any]:
    return {
        "type": "base64",
        "media_type": media_type,
        "data": base64.b64encode(data).decode(),
    }


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (ImagePart("https://x.example/a.png"), {"type": "url", "url": "https://x.example/a.png"}),
        (ImagePart(data_url("image/png", b"png")), base64_source("image/png", b"png")),
        (ImagePart(data_url("image/jpg", b"jpg")), base64_source("image/jpeg", b"jpg")),
        (ImagePart("data:image/gif,a%20b"), base64_source("image/gif", b"a b")),
        (
            ImagePart(data_url("", b"w"), media_type="image/webp"),
            base64_source("image/webp", b"w"),
        ),
        (FilePart(data_url("image/png", b"png")), base64_source("image/png", b"png")),
        (
            FilePart(file_id="file_1", media_type="image/png"),
            {"type": "file", "file_id": "file_1"},
        ),
    ],
)
def test_a_picture_goes_as_url_as_base64_or_as_file(part: Part, source: dict[str, Any]) -> None:
    assert blocks("user", part) == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (FilePart(file_id="file_1"), {"type": "file", "file_id": "file_1"}),
        (FilePart("https://x.example/a.pdf"), {"type": "url", "url": "https://x.example/a.pdf"}),
        (FilePart(data_url("application/pdf", b"pdf")), base64_source("application/pdf", b"pdf")),
        (
            FilePart(data_url("text/markdown", "ä".encode())),
            {"type": "text", "media_type": "text/plain", "data": "ä"},
        ),
        (FilePart("data:,a"), {"type": "text", "media_type": "text/plain", "data": "a"}),
    ],
)
def test_a_document_goes_as_file_url_base64_or_text(part: Part, source: dict[str, Any]) -> None:
    assert blocks("user", part) == [{"type": "document", "source": source}]


def test_a_document_keeps_its_name() -> None:
    assert blocks("user", FilePart(file_id="file_1", name="a.pdf"))[0]["title"] == "a.pdf"


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (FilePart(), "without data"),
        (FilePart(data_url("application/zip", b"zip")), "application/zip"),
        (ImagePart("data:image/png"), "without a comma"),
        (ImagePart("data:image/png;base64,~~~"), "no base64"),
    ],
)
def test_a_file_that_the_wire_cannot_hold_is_refused_with_its_reason(part: Part, why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        blocks("user", part)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_thinking_goes_back_unmodified_and_in_its_order_to_where_it_came_from() -> None:
    said = blocks(
        "assistant",
        ThinkingPart(" hm\u2028 ", "sig", origin="anthropic"),
        ThinkingPart("", "Zm9v", redacted=True, origin="anthropic"),
        ThinkingPart("", "omitted", origin="anthropic"),
        ThinkingPart("of another", "sig", origin="openai"),
        ThinkingPart("cut off", origin="anthropic"),
        TextPart("so"),
    )

    assert said == [
        {"type": "thinking", "thinking": " hm\u2028 ", "signature": "sig"},
        {"type": "redacted_thinking", "data": "Zm9v"},
        {"type": "thinking", "thinking": "", "signature": "omitted"},
        {"type": "text", "text": "so"},
    ]


def test_a_call_goes_back_with_its_arguments_as_an_object() -> None:
    assert blocks("assistant", ToolCallPart("t1", "f", '{"a": [1]}')) == [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}}
    ]
    assert blocks("assistant", ToolCallPart("t1", "f", ""))[0]["input"] == {}


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "7", '{"a": "\ud83d"}'])
def test_arguments_that_are_no_object_do_not_poison_the_conversation(arguments: str) -> None:
    (call,) = blocks("assistant", ToolCallPart("t1", "f", arguments))

    assert call["input"] == {"INVALID_JSON": arguments.replace("\ud83d", "\ufffd")}


def test_ids_of_other_providers_are_spelled_as_the_api_takes_them_on_both_sides() -> None:
    (call,) = blocks("assistant", ToolCallPart("functions.f:0", "f", "{}"))
    (result,) = blocks("tool", ToolResultPart("functions.f:0", "1"))

    assert call["id"] == result["tool_use_id"] == "functions_f_0"
    assert blocks("tool", ToolResultPart("", "1"))[0]["tool_use_id"] == "_"


def test_opaque_parts_go_back_to_their_own_family_only() -> None:
    raw = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}}
    marked = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}

    assert blocks("assistant", OpaquePart("anthropic", raw), OpaquePart("openai", raw)) == [raw]
    assert blocks("user", OpaquePart("anthropic", marked), OpaquePart("openai", raw)) == [marked]


def test_a_system_prompt_may_hold_blocks_of_its_own() -> None:
    marked = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    system = Message("system", (OpaquePart("anthropic", marked),))

    body = CODEC.encode(ChatRequest(model="m", messages=(system,)), stream=False).body

    assert json.loads(body)["system"] == [marked]


def test_what_an_assistant_cannot_say_here_is_left_out() -> None:
    refusal = OpaquePart("anthropic", {"type": "refusal", "refusal": "no"})
    stray = OpaquePart("anthropic", {"type": "trouper.beside", "citations": [1]})

    assert blocks("assistant", stray, ImagePart("https://x"), FilePart("https://x"), refusal) == []
    assert blocks("user", ThinkingPart("hm"), TextPart("a")) == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", ToolCallPart("t1", "f", "{}")),
        ("user", ToolResultPart("t1", "1")),
        ("assistant", ToolResultPart("t1", "1")),
        ("tool", TextPart("1")),
    ],
)
def test_a_part_in_the_wrong_message_is_refused_before_it_is_sent(role: Role, part: Part) -> None:
    with pytest.raises(ProviderError, match="stands in the wrong message") as caught:
        blocks(role, part)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


CONTENT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "redacted_thinking", "data": "Zm9v"},
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
    {"type": "text", "text": "cited", "citations": [{"type": "char_location"}]},
    {"type": "text", "text": "plain"},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "x"}},
    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    {"type": "a_block_of_tomorrow", "whatever": None},
]


@pytest.mark.parametrize("streamed", [False, True])
def test_what_came_goes_back_as_it_came(streamed: bool) -> None:
    body = json.dumps({"content": CONTENT, "stop_reason": "pause_turn"}).encode()
    if streamed:
        assembly = Assembly()
        decoder = CODEC.stream()
        assembly.extend(decoder.feed(body) + decoder.eof())
        answer = assembly.completion()
    else:
        answer = CODEC.parse(200, {}, body)

    assert blocks("assistant", *answer.message.parts) == CONTENT
