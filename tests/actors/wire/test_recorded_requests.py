"""Recorded requests can be said with a ChatRequest, and then mean the same on the wire.

Each body is read here, in the plainest way, into a request of ours, which the
codec encodes again. What ours cannot say is passed over and counted. What may
differ without meaning anything is made equal on both sides: `null` for what is
not there, a text for a list of one text, defaults that are spelled out.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.fakes.recordings import needs_recordings, recorded
from trouper.actors.chat import (
    AudioPart,
    ChatRequest,
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
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.openai import OpenAICodec

pytestmark = needs_recordings

Body = dict[str, Any]


class Unsayable(Exception):
    """A request that ChatRequest has no words for."""


def sampling_of(body: Body) -> Sampling:
    return Sampling(
        **{key: body.pop(key) for key in ("temperature", "top_p", "seed") if key in body}
    )


# Chat completions.


def openai_part(part: Body) -> Part:
    match part:
        case {"type": "text", "text": text}:
            return TextPart(text)
        case {"type": "image_url", "image_url": image}:
            return ImagePart(image["url"], detail=image.get("detail", "auto"))
        case {"type": "input_audio", "input_audio": {"data": data, "format": format}}:
            return AudioPart(data, format)
        case _:
            raise Unsayable(part)


def openai_message(said: Body) -> Message:
    role, content = said["role"], said.get("content")
    if role == "tool":
        return Message("tool", (ToolResultPart(said["tool_call_id"], str(content)),))
    if role not in ("system", "user", "assistant"):
        raise Unsayable(role)
    listed = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    parts = [openai_part(part) for part in listed if part != {"type": "text", "text": ""}]
    for call in said.get("tool_calls") or []:
        function = call["function"]
        parts.append(ToolCallPart(call["id"], function["name"], function["arguments"]))
    return Message(role, tuple(parts))


def openai_tool(tool: Body) -> ToolSpec:
    match tool:
        case {"type": "function", "function": told}:
            schema: Mapping[str, Any] = told.get("parameters") or {}
            strict = bool(told.get("strict"))
            return ToolSpec(told["name"], told.get("description") or "", schema, strict)
        case _:
            raise Unsayable(tool)


def openai_request(body: Body) -> ChatRequest:
    match body.pop("tool_choice", None) or "auto":
        case str() as choice:
            pass
        case {"function": {"name": choice}}:
            pass
        case other:
            raise Unsayable(other)
    for key in ("stream", "stream_options"):
        body.pop(key, None)
    return ChatRequest(
        model=body.pop("model"),
        messages=tuple(map(openai_message, body.pop("messages"))),
        tools=tuple(map(openai_tool, body.pop("tools", None) or ())),
        tool_choice=choice,
        parallel_tools=body.pop("parallel_tool_calls", None),
        max_output_tokens=body.pop("max_tokens", None),
        sampling=sampling_of(body),
        extra={key: value for key, value in body.items() if value is not None},
    )


def openai_meaning(body: Body) -> Body:
    kept = {key: value for key, value in body.items() if value is not None}
    kept.pop("stream_options", None)
    if kept.get("tool_choice") == "auto":
        del kept["tool_choice"]
    if not kept.get("stream"):
        kept.pop("stream", None)
    if isinstance(kept.get("tool_choice"), dict):
        kept["tool_choice"] = {"type": "function", **kept["tool_choice"]}
    kept["messages"] = [_openai_said(message) for message in kept["messages"]]
    kept["tools"] = [_openai_told(tool["function"]) for tool in kept.get("tools") or []]
    return kept


def _openai_said(message: Body) -> Body:
    content = message.get("content") or ""
    if isinstance(content, list):
        content = [{k: v for k, v in part.items() if v is not None} for part in content]
        if [part.keys() for part in content] == [{"type", "text"}]:
            content = content[0]["text"]
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
        for call in message.get("tool_calls") or []
    ]
    # Thoughts do not go back on this wire, and a result needs no name beside its id.
    return {
        "role": message["role"],
        "content": content,
        "calls": calls,
        "of": message.get("tool_call_id"),
    }


def _openai_told(function: Body) -> Body:
    return {
        "name": function["name"],
        "description": function.get("description") or "",
        "parameters": function.get("parameters") or {},
        "strict": bool(function.get("strict")),
    }


# Messages.


def anthropic_block(block: Body) -> Part:
    if block.get("cache_control") or block.get("citations"):
        return OpaquePart("anthropic", block)
    match block:
        case {"type": "text", "text": text}:
            return TextPart(text)
        case {"type": "tool_use", "id": id, "name": name, "input": given}:
            return ToolCallPart(id, name, json.dumps(given))
        case {"type": "tool_result", "tool_use_id": id, **more}:
            match more.get("content"):
                case str() as content:
                    pass
                case [{"type": "text", "text": content}]:
                    pass
                case _:
                    return OpaquePart("anthropic", block)
            return ToolResultPart(id, content, bool(more.get("is_error")))
        case {"type": "thinking", "thinking": text, "signature": signature}:
            return ThinkingPart(text, signature, origin="anthropic")
        case _:  # a server's tool, a document, and what else only this wire has
            return OpaquePart("anthropic", block)


def anthropic_messages(said: Body) -> list[Message]:
    if said["role"] not in ("user", "assistant"):
        raise Unsayable(said["role"])
    content = said["content"]
    listed = [{"type": "text", "text": content}] if isinstance(content, str) else content
    parts = [anthropic_block(block) for block in listed]
    results = tuple(part for part in parts if isinstance(part, ToolResultPart))
    others = tuple(part for part in parts if not isinstance(part, ToolResultPart))
    told = [Message("tool", results)] if results else []
    return [*told, Message(said["role"], others)] if others else told


def anthropic_request(body: Body) -> ChatRequest:
    choice = body.pop("tool_choice", None) or {"type": "auto"}
    wish = str({"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"]))
    body.pop("stream", None)
    system = body.pop("system", None) or []
    listed = [{"type": "text", "text": system}] if isinstance(system, str) else system
    tools = body.pop("tools", None) or []
    known = [tool for tool in tools if tool.keys() <= {"name", "description", "input_schema"}]
    served = [tool for tool in tools if tool not in known]
    said = [message for each in body.pop("messages") for message in anthropic_messages(each)]
    before = [Message("system", tuple(map(anthropic_block, listed)))] if listed else []
    model, most = body.pop("model"), body.pop("max_tokens")
    sampling = sampling_of(body)
    extra = {key: value for key, value in body.items() if value is not None}
    return ChatRequest(
        model=model,
        messages=(*before, *said),
        tools=tuple(
            ToolSpec(tool["name"], tool.get("description", ""), tool["input_schema"])
            for tool in known
        ),
        tool_choice=wish,
        parallel_tools=False if choice.get("disable_parallel_tool_use") else None,
        max_output_tokens=most,
        sampling=sampling,
        extra={**extra, "tools": served} if served else extra,
    )


def anthropic_meaning(body: Body) -> Body:
    kept = {key: value for key, value in body.items() if value is not None}
    if not kept.get("stream"):
        kept.pop("stream", None)
    choice = dict(kept.pop("tool_choice", None) or {"type": "auto"})
    if not choice.get("disable_parallel_tool_use"):
        choice.pop("disable_parallel_tool_use", None)
    turns: list[tuple[str, list[Any]]] = []
    for message in kept["messages"]:
        if not turns or turns[-1][0] != message["role"]:
            turns.append((message["role"], []))
        turns[-1][1].extend(_listed(message["content"]))
    tools: list[Body] = [{"description": "", **tool} for tool in kept.pop("tools", None) or []]
    return {
        **kept,
        "messages": turns,
        "system": _listed(kept.get("system") or []),
        "tools": sorted(tools, key=lambda tool: str(tool["name"])),
        # Without a tool there is no choice.
        "tool_choice": choice if tools else None,
    }


def _listed(content: Any) -> list[Any]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [
        {
            key: _listed(value) if key == "content" and block["type"] == "tool_result" else value
            for key, value in block.items()
            if value is not None and (key, value) != ("is_error", False)
        }
        for block in blocks
    ]


WIRES: dict[str, tuple[Codec, Callable[[Body], ChatRequest], Callable[[Body], Body], int]] = {
    "chat.completions": (OpenAICodec(), openai_request, openai_meaning, 120),
    "messages": (
        AnthropicCodec(max_tokens_default=1024),
        anthropic_request,
        anthropic_meaning,
        65,
    ),
}


@pytest.mark.parametrize("endpoint", WIRES)
def test_a_recorded_request_means_the_same_when_we_say_it(endpoint: str) -> None:
    codec, read, meaning, at_least = WIRES[endpoint]
    said = 0
    for id, exchange in recorded(endpoint).items():
        try:
            body = json.loads(exchange["request"]["body"])
        except ValueError:
            continue  # cut short, or left out, where it was recorded
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            continue
        if exchange["response"]["status"] != 200:
            continue  # some are wrong on purpose
        try:
            request = read(dict(body))
        except Unsayable:
            continue
        encoded = codec.encode(request, stream=bool(body.get("stream")))
        assert meaning(json.loads(encoded.body)) == meaning(body), id
        said += 1

    assert said >= at_least
