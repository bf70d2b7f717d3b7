"""The input items of a Responses request, as clients write them, read as messages.

What one side says in one go is several items here and one message with us: an
assistant's reasoning, words and calls follow each other until somebody else
speaks. The outputs of calls are a message each, and pictures within them follow
as the user's, since a tool's result is text on most wires.

A reasoning item goes back to who thought it and to nobody else. The name of the
thinker is within its `encrypted_content`, which clients pass on unread (`seal`);
reasoning of OpenAI's own is as OpenAI has written it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from ..chat import (
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
from .body_reader import BodyReader
from .converter import key_path, shown
from .encoded import dump_json
from .openai_values import arguments_of
from .responses_values import BESIDE, ORIGIN, texts_of

__all__ = ["CUSTOM_INPUT", "read_items", "seal"]

CUSTOM_INPUT: Final = "input"
"""The one argument of the function that a custom tool is for the model."""

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}

# What a provider that speaks this wire has done itself; for others it says nothing.
_PASSED_ON: Final = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"}
)

_KINDS: Final = (
    "message, reasoning, function_call, function_call_output, custom_tool_call or "
    "custom_tool_call_output"
)
_CONTENT: Final = "input_text, input_image, input_file, input_audio, output_text or refusal"

_SEAL: Final = "trouper-1."


def seal(part: ThinkingPart) -> str | None:
    """The `encrypted_content` of a reasoning item: what must come back with it, if anything."""
    if not part.signature or (part.origin == ORIGIN and not part.redacted):
        return part.signature or None
    held = dump_json([part.origin, part.signature, part.redacted])
    return _SEAL + urlsafe_b64encode(held).decode()


def _unsealed(sealed: str) -> tuple[str, str, bool]:
    """Who thought it, the signature, and whether it is redacted. What nobody here has sealed
    is OpenAI's."""
    if sealed.startswith(_SEAL):
        try:
            origin, signature, redacted = orjson.loads(
                urlsafe_b64decode(sealed.removeprefix(_SEAL))
            )
        except (Base64Error, ValueError, TypeError):
            return "", "", False
        return str(origin), str(signature), bool(redacted)
    return ORIGIN, sealed, False


def read_items(reader: BodyReader, items: Iterable[Any], path: str) -> tuple[Message, ...]:
    """The messages of items, of which `path` is the key. What is wrong is noted in `reader`."""
    dialogue = _Dialogue(reader)
    for index, item in enumerate(items):
        place = f"{path}[{index}]"
        if isinstance(item, Mapping):
            dialogue.take(item, place)
        else:
            reader.fault(place, f"must be an object, not {shown(item)}")
    return dialogue.end()


class _Dialogue:
    """Puts items together to messages."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._messages: list[Message] = []
        # What the assistant says just now, and what tools have shown.
        self._said: list[Part] = []
        self._shown: list[Part] = []

    def end(self) -> tuple[Message, ...]:
        self._close_results()
        self._close_assistant()
        return tuple(self._messages)

    def take(self, raw: Mapping[str, Any], path: str) -> None:
        kind = raw.get("type")
        match kind:
            case None | "message":
                self._message(raw, path)
            case "reasoning":
                self._assistant(*_reasoning(raw))
            case "function_call":
                self._assistant(*self._call(raw, path))
            case "custom_tool_call":
                given = {CUSTOM_INPUT: self._reader.text(raw, "input", path) or ""}
                self._assistant(*self._call({**raw, "arguments": given}, path))
            case "function_call_output" | "custom_tool_call_output":
                self._result(raw, path)
            case str() if kind in _PASSED_ON:
                self._assistant(OpaquePart(ORIGIN, raw))
            case _:
                self._reader.fault(key_path(path, "type"), f"must be {_KINDS}, not {shown(kind)}")

    # --- who speaks

    def _assistant(self, *parts: Part) -> None:
        self._close_results()
        self._said += parts

    def _close_assistant(self) -> None:
        if self._said:
            self._messages.append(Message("assistant", tuple(self._said)))
            self._said = []

    def _close_results(self) -> None:
        if self._shown:
            self._messages.append(Message("user", tuple(self._shown)))
            self._shown = []

    # --- the items

    def _message(self, raw: Mapping[str, Any], path: str) -> None:
        said = raw.get("role")
        role = _ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            place = key_path(path, "role")
            self._reader.fault(place, f"must be one of {', '.join(_ROLES)}, not {shown(said)}")
            return
        parts = self._content(raw, "content", path)
        if raw.get("content") is None:
            self._reader.fault(key_path(path, "content"), "is missing")
        if role == "assistant":
            phase = raw.get("phase")
            if parts and isinstance(phase, str):
                parts.append(OpaquePart(ORIGIN, {"type": BESIDE, "phase": phase}))
            self._assistant(*parts)
            return
        self._close_assistant()
        self._close_results()
        if parts:
            self._messages.append(Message(role, tuple(parts)))

    def _content(self, raw: Mapping[str, Any], key: str, path: str) -> list[Part]:
        content = raw.get(key)
        if isinstance(content, str):
            return [TextPart(content)]
        read: tuple[list[Part], ...] = self._reader.each(raw, key, path, self._part)
        return [part for parts in read for part in parts]

    def _part(self, raw: Mapping[str, Any], path: str) -> list[Part]:
        reader = self._reader
        match raw.get("type"):
            case "input_text" | "output_text" | "text":
                text: list[Part] = [TextPart(reader.needed(raw, "text", path))]
                cited = raw.get("annotations")
                if cited and isinstance(cited, list):
                    text.append(OpaquePart(ORIGIN, {"type": BESIDE, "annotations": cited}))
                return text
            case "refusal":
                told = reader.needed(raw, "refusal", path)
                return [OpaquePart(ORIGIN, {"type": "refusal", "refusal": told})]
            case "input_image":
                detail = reader.text(raw, "detail", path) or "auto"
                return [ImagePart(reader.needed(raw, "image_url", path), detail=detail)]
            case "input_file":
                return [self._file(raw, path)]
            case "input_audio" if isinstance(raw.get("input_audio"), Mapping):
                place, inner = key_path(path, "input_audio"), raw["input_audio"]
                data = reader.needed(inner, "data", place)
                return [AudioPart(data, reader.needed(inner, "format", place))]
            case kind:
                place = key_path(path, "type")
                reader.fault(place, f"must be {_CONTENT}, not {shown(kind)}")
                return []

    def _file(self, raw: Mapping[str, Any], path: str) -> FilePart:
        reader = self._reader
        data = reader.text(raw, "file_data", path) or reader.text(raw, "file_url", path) or ""
        file_id = reader.text(raw, "file_id", path) or ""
        if not data and not file_id:
            reader.fault(path, "must have file_data, file_url or file_id")
        return FilePart(data=data, file_id=file_id, name=reader.text(raw, "filename", path) or "")

    def _call(self, raw: Mapping[str, Any], path: str) -> list[Part]:
        reader = self._reader
        call = ToolCallPart(
            reader.needed(raw, "call_id", path),
            reader.needed(raw, "name", path),
            arguments_of(raw.get("arguments")),
        )
        return [call]

    def _result(self, raw: Mapping[str, Any], path: str) -> None:
        self._close_assistant()
        if raw.get("output") is None:
            self._reader.fault(key_path(path, "output"), "is missing")
        parts = self._content(raw, "output", path)
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        self._shown += [part for part in parts if isinstance(part, ImagePart | FilePart)]
        result = ToolResultPart(self._reader.needed(raw, "call_id", path), text)
        self._messages.append(Message("tool", (result,)))


def _reasoning(raw: Mapping[str, Any]) -> list[Part]:
    text, sealed = texts_of(raw), raw.get("encrypted_content")
    if sealed and isinstance(sealed, str):
        origin, signature, redacted = _unsealed(sealed)
        return [ThinkingPart(text, signature, redacted, origin)] if signature else []
    if raw.get("content"):
        # Thinking in plain words has no signature; it goes back as it came.
        bare = {name: value for name, value in raw.items() if name not in ("id", "status")}
        return [OpaquePart(ORIGIN, bare)]
    return []
