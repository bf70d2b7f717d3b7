"""Conversations as OpenTelemetry's conventions write them into a span, for who asked for it.

Texts only, without what looks like a secret, and bounded: exporters drop spans
that are too large. Images and files are named and not shown.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from ..chat import (
    AudioPart,
    FilePart,
    Finish,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from ..redaction import redact_text

__all__ = ["MOST", "input_messages", "output_messages", "system_instructions"]

MOST = 64 * 1024
"""Bytes of one attribute. The oldest messages are left out first."""

# Characters of one text.
_MOST_TEXT = 8 * 1024


def input_messages(messages: Iterable[Message]) -> str:
    """`gen_ai.input.messages`: all but the system's, the last ones where they are too many."""
    return _joined(
        {"role": message.role, "parts": _parts(message)}
        for message in reversed(tuple(messages))
        if message.role != "system"
    )


def system_instructions(messages: Iterable[Message]) -> str:
    """`gen_ai.system_instructions`; "" where there are none."""
    parts = [part for each in messages if each.role == "system" for part in _parts(each)]
    return _joined(reversed(parts)) if parts else ""


def output_messages(answer: Message, finish: Finish | None) -> str:
    """`gen_ai.output.messages`."""
    reason = "" if finish is None else finish.value
    return _joined([{"role": answer.role, "parts": _parts(answer), "finish_reason": reason}])


def _joined(newest_first: Iterable[dict[str, Any]]) -> str:
    """A JSON array of as many as fit, the oldest first."""
    fitting: list[str] = []
    left = MOST - 2
    for value in newest_first:
        text = orjson.dumps(value).decode()
        left -= len(text.encode()) + 1
        if left < 0:
            break
        fitting.append(text)
    return f"[{','.join(reversed(fitting))}]"


def _parts(message: Message) -> list[dict[str, Any]]:
    """The parts of a message, as many as may stand in one attribute."""
    parts: list[dict[str, Any]] = []
    left = MOST // 2
    for part in message.parts:
        told = _part(part)
        left -= len(orjson.dumps(told))
        if left < 0:
            break
        parts.append(told)
    return parts


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "content": _text(text)}
        case ThinkingPart(text=text):
            return {"type": "reasoning", "content": _text(text)}
        case ToolCallPart():
            call = {"type": "tool_call", "id": part.id, "name": part.name}
            return {**call, "arguments": _text(part.args_json)}
        case ToolResultPart(call_id=id, content=content):
            return {"type": "tool_call_response", "id": id, "response": _text(content)}
        case ImagePart(media_type=media_type):
            return {"type": "image", "mime_type": media_type}
        case AudioPart(format=coding):
            return {"type": "audio", "mime_type": f"audio/{coding}"}
        case FilePart(media_type=media_type):
            return {"type": "file", "mime_type": media_type}
        case OpaquePart(origin=origin):
            return {"type": "opaque", "origin": origin}


def _text(text: str) -> str:
    # Cut twice: of a secret that the first cut leaves half of, nothing is left by the second.
    text = redact_text(text[: 2 * _MOST_TEXT]).encode(errors="replace").decode()
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
