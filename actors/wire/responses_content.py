"""Messages as the input items of OpenAI's Responses.

The items of one message are one piece of bytes, with commas between and
without brackets. Messages, reasoning and calls go back without their ids:
nothing is kept at the provider that an id could name, and an id makes the API
insist on the items that once stood around it. A message that says nothing on
this wire (other providers' thinking) is empty.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from ..errors import ErrorKind, ProviderError
from .encoded import dump_json, misplaced
from .openai_values import sent_arguments
from .responses_values import BESIDE, ORIGIN

__all__ = ["encode_items"]


def encode_items(message: Message) -> bytes:
    """The input items of one message, with commas between; may be empty.

    Raises ProviderError (INVALID_REQUEST) for parts that do not belong there.
    """
    return dump_json(_items(message))[1:-1]


def _items(message: Message) -> list[dict[str, Any]]:
    match message.role:
        case "tool":
            return [item for part in message.parts for item in _result(part)]
        case "assistant":
            return _assistant(message.parts)
        case "system":
            return [{"role": "system", "content": message.text}]
        case "user":
            return _user(message)


def _user(message: Message) -> list[dict[str, Any]]:
    if len(message.parts) == 1 and message.text:
        return [{"role": "user", "content": message.text}]
    content = [item for part in message.parts for item in _content(part)]
    # What is an item by itself, as the output of a custom tool, is no content.
    said = {"role": "user", "content": content}
    return ([said] if content else []) + _opaque(message.parts)


def _opaque(parts: Iterable[Part]) -> list[dict[str, Any]]:
    ours = (part.raw for part in parts if isinstance(part, OpaquePart) and part.origin == ORIGIN)
    return [dict(raw) for raw in ours]


def _content(part: Part) -> list[dict[str, Any]]:
    """The content that one part of what a user says becomes."""
    match part:
        case TextPart(text):
            return [{"type": "input_text", "text": text}]
        case ImagePart(url, detail=detail):
            return [{"type": "input_image", "image_url": url, "detail": detail}]
        case FilePart():
            return [_file(part)]
        case AudioPart():
            raise ProviderError(
                kind=ErrorKind.INVALID_REQUEST,
                message=(
                    "the request holds audio, which OpenAI's Responses do not take; ask a model "
                    "of Chat Completions, or send what was said as text"
                ),
            )
        case ThinkingPart() | OpaquePart():
            return []
        case ToolCallPart() | ToolResultPart():
            why = "it belongs into a message of role assistant or tool"
    raise misplaced(part, why)


def _file(part: FilePart) -> dict[str, Any]:
    at = "file_data" if part.data.startswith("data:") else "file_url"
    members = {at: part.data, "file_id": part.file_id, "filename": part.name}
    return {"type": "input_file", **{name: value for name, value in members.items() if value}}


def _result(part: Part) -> list[dict[str, Any]]:
    match part:
        case ToolResultPart(call_id, content):
            return [{"type": "function_call_output", "call_id": call_id, "output": content}]
        case OpaquePart():
            return _opaque((part,))
        case _:
            raise misplaced(part, "a message of role tool takes tool results only")


def _assistant(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart(text):
                if text:
                    _say(items, {"type": "output_text", "text": text})
            case ThinkingPart(text, signature, origin=origin):
                if origin == ORIGIN and signature:
                    items.append(_reasoning(text, signature))
            case ToolCallPart():
                call = {"type": "function_call", "call_id": part.id, "name": part.name}
                items.append({**call, "arguments": sent_arguments(part.args_json)})
            case OpaquePart(origin, raw) if origin == ORIGIN:
                _take_back(raw, items)
            case ImagePart() | AudioPart() | FilePart() | OpaquePart():
                pass  # an assistant's own pictures go back on no wire
            case ToolResultPart():
                raise misplaced(part, "it belongs into a message of role tool")
    # The API refuses reasoning without what came of it, as where an answer was cut off.
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    return items


def _say(items: list[dict[str, Any]], content: dict[str, Any]) -> None:
    """Content into the message under way, which ends with its phase."""
    if not items or "role" not in items[-1] or "phase" in items[-1]:
        # The type is said because llama.cpp does not guess it.
        items.append({"type": "message", "role": "assistant", "content": []})
    items[-1]["content"].append(content)


def _reasoning(text: str, encrypted: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}


def _take_back(raw: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
    """An opaque part of ours, into the items before it."""
    if raw.get("type") == "refusal":
        _say(items, dict(raw))
    elif raw.get("type") != BESIDE:
        items.append(dict(raw))
    elif items:
        members = {name: value for name, value in raw.items() if name != "type"}
        if "annotations" in members and items[-1].get("content"):
            items[-1]["content"][-1]["annotations"] = members.pop("annotations")
        items[-1] |= members
