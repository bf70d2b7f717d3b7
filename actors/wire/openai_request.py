"""The body of a Chat Completions request, as its senders write it, read as a ChatRequest.

The way back from openai_encode.py: what programs that speak to OpenAI have
written, in a batch file or at our own port, is asked of any provider. What no
field of ChatRequest is for goes into its `extra`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Sampling,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from .body_reader import BodyReader, InvalidBody
from .converter import key_path, shown
from .openai_values import ORIGIN, arguments_of

__all__ = ["InvalidBody", "read_request"]

_ROLES: Final = {
    "system": "system",
    # OpenAI's later word for the same.
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}

# What is read below, and what is decided elsewhere: how the answer is to come.
_READ: Final = frozenset(
    {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "stop",
        "reasoning_effort",
        "metadata",
        "stream",
        "stream_options",
    }
)


def read_request(raw: Any) -> ChatRequest:
    """The request of a body. Its `model` is "" where the body names none.

    Raises InvalidBody with all that is wrong.
    """
    reader = BodyReader()
    if not isinstance(raw, Mapping):
        raise InvalidBody((f"must be an object, not {shown(raw)}",))
    messages = reader.each(raw, "messages", "", lambda item, at: _message(reader, item, at))
    if not messages and not reader.faults:
        reader.fault("messages", "is missing or empty")
    limit = reader.whole(raw, "max_completion_tokens")
    request = ChatRequest(
        model=reader.text(raw, "model") or "",
        messages=messages,
        tools=reader.each(raw, "tools", "", lambda item, at: _tool(reader, item, at)),
        tool_choice=_tool_choice(reader, raw),
        parallel_tools=reader.take(raw, "parallel_tool_calls", "", bool, "true or false"),
        max_output_tokens=reader.whole(raw, "max_tokens") if limit is None else limit,
        sampling=Sampling(
            temperature=reader.number(raw, "temperature"),
            top_p=reader.number(raw, "top_p"),
            seed=reader.whole(raw, "seed"),
            frequency_penalty=reader.number(raw, "frequency_penalty"),
            presence_penalty=reader.number(raw, "presence_penalty"),
        ),
        stop=_stop(reader, raw),
        response_schema=_schema(raw),
        reasoning_effort=reader.text(raw, "reasoning_effort"),
        metadata=_metadata(reader, raw),
        extra=dict(_extra(raw)),
    )
    if reader.faults:
        raise InvalidBody(tuple(reader.faults))
    return request


def _message(reader: BodyReader, raw: Mapping[str, Any], path: str) -> Message | None:
    role = _ROLES.get(str(raw.get("role")))
    content = raw.get("content")
    # Nearly every message of a conversation is this one.
    if type(content) is str and len(raw) == 2 and role is not None and role != "tool":
        return Message(role, (TextPart(content),))  # type: ignore[arg-type]
    if role is None:
        reader.fault(
            key_path(path, "role"),
            f"must be one of {', '.join(_ROLES)}, not {shown(raw.get('role'))}",
        )
        return None
    parts: list[Part] = list(_content(reader, raw, path))
    if role == "tool":
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        parts = [ToolResultPart(reader.needed(raw, "tool_call_id", path), text)]
    if role == "assistant":
        parts += reader.each(raw, "tool_calls", path, lambda item, at: _call(reader, item, at))
    if not parts:
        reader.fault(key_path(path, "content"), "is missing or empty")
        return None
    return Message(role=role, parts=tuple(parts), name=reader.text(raw, "name", path) or "")  # type: ignore[arg-type]


def _content(reader: BodyReader, raw: Mapping[str, Any], path: str) -> Iterator[Part]:
    content = raw.get("content")
    if isinstance(content, str):
        # Empty text beside calls says nothing; alone it is what was said.
        if content or not raw.get("tool_calls"):
            yield TextPart(content)
    elif content is not None:
        parts: tuple[Part, ...] = reader.each(
            raw, "content", path, lambda item, at: _part(reader, item, at)
        )
        yield from parts


def _part(reader: BodyReader, raw: Mapping[str, Any], path: str) -> Part:
    kind = raw.get("type")
    inner = raw.get(str(kind))
    match kind:
        case "text":
            return TextPart(reader.needed(raw, "text", path))
        case "image_url" if isinstance(inner, Mapping):
            place = key_path(path, "image_url")
            detail = reader.text(inner, "detail", place) or "auto"
            return ImagePart(reader.needed(inner, "url", place), detail=detail)
        case "input_audio" if isinstance(inner, Mapping):
            place = key_path(path, "input_audio")
            return AudioPart(
                reader.needed(inner, "data", place), reader.needed(inner, "format", place)
            )
        case "file" if isinstance(inner, Mapping):
            place = key_path(path, "file")
            return FilePart(
                data=reader.text(inner, "file_data", place) or "",
                file_id=reader.text(inner, "file_id", place) or "",
                name=reader.text(inner, "filename", place) or "",
            )
        case _:
            return OpaquePart(ORIGIN, raw)


def _call(reader: BodyReader, raw: Mapping[str, Any], path: str) -> Part:
    function = raw.get("function")
    if not isinstance(function, Mapping):
        # Calls of custom tools.
        return OpaquePart(ORIGIN, raw)
    name = reader.needed(function, "name", key_path(path, "function"))
    return ToolCallPart(
        reader.needed(raw, "id", path), name, arguments_of(function.get("arguments"))
    )


def _tool(reader: BodyReader, raw: Mapping[str, Any], path: str) -> ToolSpec | None:
    function = raw.get("function")
    if not isinstance(function, Mapping):
        return None  # `_extra` has it
    place = key_path(path, "function")
    return ToolSpec(
        name=reader.needed(function, "name", place),
        description=reader.text(function, "description", place) or "",
        schema=reader.take(function, "parameters", place, dict, "a JSON schema") or {},
        strict=bool(function.get("strict")),
    )


def _tool_choice(reader: BodyReader, raw: Mapping[str, Any]) -> str:
    choice = raw.get("tool_choice")
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping):
        return reader.needed(function, "name", "tool_choice.function")
    reader.fault("tool_choice", f"must be auto, none, required or a function, not {shown(choice)}")
    return "auto"


def _stop(reader: BodyReader, raw: Mapping[str, Any]) -> tuple[str, ...]:
    stop = raw.get("stop")
    listed = [stop] if isinstance(stop, str) else stop or []
    if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
        return tuple(listed)
    reader.fault("stop", f"must be text or a list of texts, not {shown(stop)}")
    return ()


def _schema(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    format = raw.get("response_format")
    named = format.get("json_schema") if isinstance(format, Mapping) else None
    schema = named.get("schema") if isinstance(named, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _metadata(reader: BodyReader, raw: Mapping[str, Any]) -> dict[str, str]:
    metadata = reader.take(raw, "metadata", "", dict, "an object of texts") or {}
    if all(isinstance(value, str) for value in metadata.values()):
        return dict(metadata)
    reader.fault("metadata", "must be an object of texts")
    return {}


def _extra(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the wire knows and ChatRequest has no field for."""
    for key, value in raw.items():
        if key not in _READ and (key != "response_format" or _schema(raw) is None):
            yield key, value
    tools = raw.get("tools")
    if isinstance(tools, list):
        others = [one for one in tools if isinstance(one, Mapping) and "function" not in one]
        if others:
            yield "tools", others
