"""The content blocks of streamed messages, as parts."""

import json
from typing import Any

from trouper.actors.chat import OpaquePart, TextPart, ThinkingPart, ToolCallPart
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.assembly import Assembly

CODEC = AnthropicCodec(max_tokens_default=64)


def event(kind: str, /, **said: Any) -> bytes:
    frame = json.dumps({"type": kind, **said}, ensure_ascii=False)
    return f"event: {kind}\ndata: {frame}\n\n".encode()


def delta(index: int, kind: str, /, **said: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **said})


def text(index: int, said: str) -> bytes:
    return delta(index, "text_delta", text=said)


def fragment(index: int, said: str) -> bytes:
    return delta(index, "input_json_delta", partial_json=said)


def block(index: int, kind: str, /, *deltas: bytes, **said: Any) -> bytes:
    begun = event("content_block_start", index=index, content_block={"type": kind, **said})
    return begun + b"".join(deltas) + event("content_block_stop", index=index)


CITATION = {"type": "web_search_result_location", "encrypted_index": "xyz"}


def parts_of(*stream: bytes) -> tuple[Any, ...]:
    assembly = Assembly()
    decoder = CODEC.stream()
    for part in (event("message_start", message={}), *stream, event("message_stop")):
        assembly.extend(decoder.feed(part))
    assembly.extend(decoder.eof())
    return assembly.completion().message.parts


def test_what_a_block_holds_at_its_start_is_its_first_delta() -> None:
    assert parts_of(
        block(0, "thinking", thinking="hm", signature="sig"),
        block(1, "text", text(1, "b"), text="a"),
        block(2, "tool_use", id="t1", name="f", input={"a": 1}),
    ) == (
        ThinkingPart("hm", "sig", origin="anthropic"),
        TextPart("ab"),
        ToolCallPart("t1", "f", '{"a":1}'),
    )


def test_the_last_signature_is_the_one_that_counts() -> None:
    signed = (delta(0, "signature_delta", signature=said) for said in ("a", "b"))

    assert parts_of(block(0, "thinking", *signed)) == (ThinkingPart("", "b", origin="anthropic"),)


def test_citations_and_callers_follow_their_block() -> None:
    cited = delta(0, "citations_delta", citation=CITATION)
    caller = {"type": "code_execution_20260120", "tool_id": "s1"}

    assert parts_of(
        block(0, "text", cited, text(0, "a"), cited, text="", citations=[]),
        block(1, "text", text="b", citations=[CITATION]),
        block(2, "tool_use", id="t1", name="f", input={}, caller=caller),
        block(3, "tool_use", id="t2", name="f", input={}, caller={"type": "direct"}),
    ) == (
        TextPart("a"),
        OpaquePart("anthropic", {"type": "trouper.beside", "citations": [CITATION, CITATION]}),
        TextPart("b"),
        OpaquePart("anthropic", {"type": "trouper.beside", "citations": [CITATION]}),
        ToolCallPart("t1", "f", "{}"),
        OpaquePart("anthropic", {"type": "trouper.beside", "caller": caller}),
        ToolCallPart("t2", "f", "{}"),
    )


def test_a_block_of_tomorrow_is_kept_with_what_its_deltas_bring() -> None:
    parts = parts_of(
        block(
            0,
            "compaction",
            delta(0, "compaction_delta", content="sum", encrypted_content=None),
            delta(0, "compaction_delta", content="mary", encrypted_content="abc"),
            content="",
            encrypted_content=None,
        )
    )

    raw = {"type": "compaction", "content": "summary", "encrypted_content": "abc"}
    assert parts == (OpaquePart("anthropic", raw),)


def test_the_input_of_a_servers_tool_is_cut_off_as_a_whole() -> None:
    parts = parts_of(block(0, "server_tool_use", fragment(0, '{"q": "x'), id="s1", input={}))

    assert parts == (OpaquePart("anthropic", {"type": "server_tool_use", "id": "s1", "input": {}}),)


def test_the_arguments_of_a_tool_are_kept_as_they_came_even_if_broken() -> None:
    (call,) = parts_of(block(0, "tool_use", fragment(0, '{"a": '), id="t1", name="f", input={}))

    assert isinstance(call, ToolCallPart)
    assert (call.id, call.name, call.args_json) == ("t1", "f", '{"a": ')


def test_a_tool_call_without_an_id_is_given_one() -> None:
    (part,) = parts_of(block(0, "tool_use", name="f", input={}))

    assert part.id.startswith("call_")


def test_blocks_may_take_turns_and_may_miss_their_ends() -> None:
    begun = [
        event("content_block_start", index=i, content_block={"type": "tool_use", "id": f"t{i}"})
        for i in (0, 1)
    ]

    assert parts_of(*begun, fragment(1, '{"b'), fragment(0, "{}"), fragment(1, '": 2}')) == (
        ToolCallPart("t0", "", "{}"),
        ToolCallPart("t1", "", '{"b": 2}'),
    )


def test_a_block_that_begins_again_under_its_index_is_another_one() -> None:
    begun = event("content_block_start", index=0, content_block={"type": "text", "text": "a"})

    assert parts_of(begun, begun, text(0, "b")) == (TextPart("a"), TextPart("ab"))


def test_text_and_thinking_may_come_without_the_start_of_their_block() -> None:
    assert parts_of(delta(0, "thinking_delta", thinking="hm"), text(1, "a")) == (
        ThinkingPart("hm", origin="anthropic"),
        TextPart("a"),
    )
