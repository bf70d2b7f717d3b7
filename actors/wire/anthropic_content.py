"""Parts of a message as Anthropic's content blocks.

The blocks of one message are one piece of bytes, without brackets: who joins
the messages of a turn writes commas between. A message that says nothing on
this wire (other providers' thinking, blank text, which the API refuses) is
empty.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

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
from ..json_reading import read_json
from .anthropic_values import BESIDE, ORIGIN
from .encoded import dump_json, misplaced

__all__ = ["content_blocks", "encode_content"]

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<more>[^,]*),(?P<data>.*)", re.DOTALL)


def encode_content(message: Message) -> bytes:
    """The content blocks of one message, with commas between; may be empty.

    Raises ProviderError (INVALID_REQUEST) for parts that do not belong there.
    """
    return dump_json(content_blocks(message))[1:-1]


def content_blocks(message: Message) -> list[dict[str, Any]]:
    """The content blocks of one message."""
    match message.role:
        case "tool":
            return [_result(part) for part in message.parts]
        case "assistant":
            return _assistant(message.parts)
        case "user" | "system":
            return [block for part in message.parts for block in _said(part)]


def _said(part: Part) -> list[dict[str, Any]]:
    """The blocks that one part of a user, or of a system prompt, becomes."""
    match part:
        case TextPart(text):
            return [{"type": "text", "text": text}] if text.strip() else []
        case ImagePart():
            return [_image(part)]
        case FilePart():
            return [_file(part)]
        case AudioPart():
            raise _invalid("audio, which Anthropic does not take; send what was said as text")
        case OpaquePart(origin, raw) if origin == ORIGIN:
            return [dict(raw)]
        case ThinkingPart() | OpaquePart():
            return []
        case ToolCallPart() | ToolResultPart():
            raise misplaced(part, "it belongs into a message of role assistant or tool")


def _assistant(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart(text):
                if text.strip():
                    blocks.append({"type": "text", "text": text})
            case ThinkingPart():
                blocks += _thought(part)
            case ToolCallPart():
                call = {"type": "tool_use", "id": _id(part.id), "name": part.name}
                blocks.append({**call, "input": _input(part.args_json)})
            case OpaquePart(origin, raw) if origin == ORIGIN:
                _take_back(raw, blocks)
            case ImagePart() | AudioPart() | FilePart() | OpaquePart():
                pass  # an assistant's own pictures go back on no wire
            case ToolResultPart():
                raise misplaced(part, "it belongs into a message of role tool")
    return blocks


def _thought(part: ThinkingPart) -> list[dict[str, Any]]:
    """What a model thought, unmodified. Without its signature, as where an answer was cut
    off, the API does not take it back."""
    if part.origin != ORIGIN or not part.signature:
        return []
    if part.redacted:
        return [{"type": "redacted_thinking", "data": part.signature}]
    return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]


def _take_back(raw: Mapping[str, Any], blocks: list[dict[str, Any]]) -> None:
    """An opaque part of ours, into the blocks before it."""
    if raw.get("type") == BESIDE:
        if blocks:
            blocks[-1] |= {name: value for name, value in raw.items() if name != "type"}
    elif raw.get("type") != "refusal":  # the explanation of a refusal was never a block
        blocks.append(dict(raw))


def _result(part: Part) -> dict[str, Any]:
    if not isinstance(part, ToolResultPart):
        raise misplaced(part, "a message of role tool takes tool results only")
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(part.call_id)}
    if part.content:
        block["content"] = part.content
    if part.is_error:
        block["is_error"] = True
    return block


def _id(call_id: str) -> str:
    """The id of a call, in the characters that the API takes: other providers use more."""
    return _NOT_IN_IDS.sub("_", call_id) or "_"


def _input(arguments: str) -> Any:
    """The arguments of a call, which must be an object here.

    What is none is wrapped as Anthropic's documentation of fine-grained tool
    streaming says, so that the model sees its mistake.
    """
    try:
        value = read_json(arguments or "{}")
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}


def _image(part: ImagePart) -> dict[str, Any]:
    if not part.url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    media_type, data = _opened(part.url, part.media_type)
    return {"type": "image", "source": _base64(media_type, data)}


def _file(part: FilePart) -> dict[str, Any]:
    media_type = part.media_type
    source: dict[str, Any]
    if part.file_id:
        source = {"type": "file", "file_id": part.file_id}
    elif part.data.startswith("data:"):
        media_type, data = _opened(part.data, media_type)
        if media_type.startswith("text/"):
            text = data.decode("utf-8", "replace")
            source = {"type": "text", "media_type": "text/plain", "data": text}
        elif media_type == "application/pdf" or media_type.startswith("image/"):
            source = _base64(media_type, data)
        else:
            raise _invalid(f"a file of type {media_type!r}: Anthropic takes PDF, text and images")
    elif part.data:
        source = {"type": "url", "url": part.data}
    else:
        raise _invalid("a file without data and without file_id")
    if media_type.startswith("image/"):
        return {"type": "image", "source": source}
    block: dict[str, Any] = {"type": "document", "source": source}
    return block | {"title": part.name} if part.name else block


def _base64(media_type: str, data: bytes) -> dict[str, Any]:
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


def _opened(url: str, media_type: str) -> tuple[str, bytes]:
    """What a data URL holds. Its own media type outranks the part's."""
    found = _DATA_URL.fullmatch(url)
    if found is None:
        raise _invalid("a data URL without a comma")
    media_type = found["type"].strip().lower() or media_type or "text/plain"
    if not found["more"].strip().lower().endswith(";base64"):
        return media_type, unquote_to_bytes(found["data"])
    try:
        return media_type, base64.b64decode(found["data"], validate=True)
    except ValueError as fault:
        raise _invalid(f"a data URL that is no base64 ({fault})") from fault


def _invalid(what: str) -> ProviderError:
    return ProviderError(kind=ErrorKind.INVALID_REQUEST, message=f"the request holds {what}")
