"""Servers retype fields: whatever stands in one, an answer or a ProviderError comes out."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings, strategies as st

from trouper.actors.errors import ProviderError
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.responses import ResponsesCodec

CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
TEXT = {"type": "output_text", "text": "so", "annotations": [{}], "logprobs": [{}]}
MESSAGE = {"type": "message", "id": "m", "phase": "final", "content": [TEXT]}
REASONING = {
    "type": "reasoning",
    "id": "r",
    "summary": [{"text": "hm"}],
    "content": [{"text": "hm"}],
    "encrypted_content": "g",
}
RESPONSE = {
    "id": "resp",
    "model": "m",
    "status": "completed",
    "service_tier": "flex",
    "output": [REASONING, MESSAGE, CALL, {"type": "web_search_call", "id": "w"}],
    "usage": {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 1}},
    "incomplete_details": {"reason": "content_filter"},
    "error": {"code": "server_error", "message": "no"},
}
AT = {"item_id": "m", "output_index": 1, "content_index": 0, "delta": "so", "logprobs": [{}]}
RESPONSES: list[dict[str, Any]] = [
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.output_item.added", "output_index": 0, "item": REASONING},
    {"type": "response.reasoning_summary_text.delta", **AT, "summary_index": 0, "item_id": "r"},
    {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
    {"type": "response.output_text.delta", **AT},
    {"type": "response.refusal.delta", **AT},
    {"type": "response.output_item.added", "output_index": 2, "item": CALL},
    {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": "{}"},
    {"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{}"},
    {"type": "response.output_item.done", "output_index": 2, "item": CALL},
    {"type": "response.output_item.done", "output_index": 1, "item": MESSAGE},
    {"type": "response.failed", "response": RESPONSE},
    {"type": "error", "code": "c", "message": "m", "error": {"code": "c"}},
    {"type": "response.incomplete", "response": RESPONSE},
    {"type": "response.completed", "response": RESPONSE},
]

TOOL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM = {"index": 1, "id": "d", "type": "custom", "custom": {"name": "g", "input": "ls"}}
SAID = {
    "content": [{"type": "text", "text": "so"}, {"type": "thinking", "thinking": [{"text": "a"}]}],
    "reasoning_content": "hm",
    "reasoning_details": [{"text": "hm"}],
    "refusal": "no",
    "tool_calls": [TOOL, CUSTOM],
    "audio": {"id": "a", "data": "AA", "transcript": "so"},
    "annotations": [{}],
}
CHOICE = {"index": 0, "finish_reason": "stop", "logprobs": {"content": [{}]}}
CHAT: list[dict[str, Any]] = [
    {"id": "1", "model": "m", "service_tier": "t", "choices": [{**CHOICE, "delta": SAID}]},
    {"id": "1", "choices": [{**CHOICE, "delta": {"content": "so"}}], "error": None},
    {"error": {"message": "m", "code": 7, "type": "t", "metadata": {"raw": "r"}}},
    {"choices": [], "usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}},
]
WHOLE: list[dict[str, Any]] = [
    {"id": "1", "model": "m", "choices": [{**CHOICE, "message": SAID}], "usage": {}},
    RESPONSE,
]

VALUES: list[Any] = [None, True, -1, 0.5, "x", "", [], [None], [[]], {}, {"x": None}, [{"x": 1}]]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within `value`."""
    if at:
        yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*at, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*at, number))


def retyped(frames: list[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """The frames with some values replaced, and some frames left out."""
    changes = st.tuples(st.sampled_from(list(places(frames))), st.sampled_from(VALUES))
    dropped = st.sets(st.integers(0, len(frames) - 1), max_size=len(frames) - 1)
    return st.tuples(st.lists(changes, max_size=4), dropped).map(
        lambda drawn: _made(frames, *drawn)
    )


def _made(
    frames: list[dict[str, Any]], changes: list[tuple[tuple[Any, ...], Any]], dropped: set[int]
) -> list[dict[str, Any]]:
    made = json.loads(json.dumps(frames))
    for (*way, last), value in changes:
        inner = made
        try:
            for step in way:
                inner = inner[step]
            inner[last] = copy.deepcopy(value)
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took it away
    return [frame for number, frame in enumerate(made) if number not in dropped]


def outcome(codec: Codec, frames: list[dict[str, Any]]) -> None:
    decoder = codec.stream()
    assembly = Assembly()
    try:
        for frame in frames:
            assembly.extend(decoder.feed(f"data: {json.dumps(frame)}\n\n".encode()))
        assembly.extend(decoder.eof())
    except ProviderError:
        pass
    # What has come so far can always be asked for, and hashed, and said again.
    completion = assembly.completion()
    assert completion.message.role == "assistant"


@settings(max_examples=200)
@given(retyped(RESPONSES))
def test_a_stream_of_responses_gives_chunks_or_its_error(frames: list[dict[str, Any]]) -> None:
    outcome(ResponsesCodec(), frames)


@settings(max_examples=200)
@given(retyped(CHAT))
def test_a_stream_of_chat_gives_chunks_or_its_error(frames: list[dict[str, Any]]) -> None:
    outcome(OpenAICodec(), frames)


@settings(max_examples=200)
@given(retyped(WHOLE))
def test_a_whole_answer_is_read_or_is_an_error(bodies: list[dict[str, Any]]) -> None:
    for codec in (OpenAICodec(), ResponsesCodec()):
        for body in bodies:
            try:
                codec.parse(200, {}, json.dumps(body).encode())
            except ProviderError:
                pass
