"""The body of a Chat Completions request, as its senders write it, read as a ChatRequest.

The way back from openai_encode.py: what programs that speak to OpenAI have
written, in a batch file or at our own port, is asked of any provider. What no
field of ChatRequest is for goes into its `extra`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

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
from .converter import key_path, shown
from .openai_values import ORIGIN, arguments_of

__all__ = ["BadRequest", "read_request"]

T = TypeVar("T")

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


class BadRequest(ValueError):
    """A body is no request. `faults` are sentences, each beginning with its key."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Reader:
    """Takes values out of JSON, and notes what is not as it must be."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, path: str, words: str) -> None:
        self.faults.append(f"{path}: {words}" if path else words)

    def take(self, raw: Mapping[str, Any], key: str, path: str, kinds: Any, words: str) -> Any:
        """The value of a key that may be missing or null; None where it is, or is wrong."""
        value = raw.get(key)
        if value is None or (isinstance(value, kinds) and not _is_wrongly_bool(value, kinds)):
            return value
        self.fault(key_path(path, key), f"must be {words}, not {shown(value)}")
        return None

    def text(self, raw: Mapping[str, Any], key: str, path: str = "") -> str | None:
        value: str | None = self.take(raw, key, path, str, "text")
        return value

    def needed(self, raw: Mapping[str, Any], key: str, path: str) -> str:
        value = self.text(raw, key, path)
        if value is None and raw.get(key) is None:
            self.fault(key_path(path, key), "is missing")
        return value or ""

    def whole(self, raw: Mapping[str, Any], key: str) -> int | None:
        value: int | None = self.take(raw, key, "", int, "a whole number")
        return value

    def number(self, raw: Mapping[str, Any], key: str) -> float | None:
        value: float | None = self.take(raw, key, "", (int, float), "a number")
        return value

    def each(
        self, raw: Mapping[str, Any], key: str, path: str, read: Callable[[Any, str], T | None]
    ) -> tuple[T, ...]:
        """What `read` makes of each table of a list."""
        listed = self.take(raw, key, path, list, "a list")
        found: list[T] = []
        if not listed:
            return ()
        parent = key_path(path, key)
        for index, item in enumerate(listed):
            place = f"{parent}[{index}]"
            if not isinstance(item, Mapping):
                self.fault(place, f"must be an object, not {shown(item)}")
            elif (value := read(item, place)) is not None:
                found.append(value)
        return tuple(found)


def _is_wrongly_bool(value: object, kinds: object) -> bool:
    return isinstance(value, bool) and kinds is not bool


def read_request(raw: Any) -> ChatRequest:
    """The request of a body. Its `model` is "" where the body names none.

    Raises BadRequest with all that is wrong.
    """
    reader = _Reader()
    if not isinstance(raw, Mapping):
        raise BadRequest((f"must be an object, not {shown(raw)}",))
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
        raise BadRequest(tuple(reader.faults))
    return request


def _message(reader: _Reader, raw: Mapping[str, Any], path: str) -> Message | None:
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


def _content(reader: _Reader, raw: Mapping[str, Any], path: str) -> Iterator[Part]:
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


def _part(reader: _Reader, raw: Mapping[str, Any], path: str) -> Part:
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


def _call(reader: _Reader, raw: Mapping[str, Any], path: str) -> Part:
    function = raw.get("function")
    if not isinstance(function, Mapping):
        # Calls of custom tools.
        return OpaquePart(ORIGIN, raw)
    name = reader.needed(function, "name", key_path(path, "function"))
    return ToolCallPart(
        reader.needed(raw, "id", path), name, arguments_of(function.get("arguments"))
    )


def _tool(reader: _Reader, raw: Mapping[str, Any], path: str) -> ToolSpec | None:
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


def _tool_choice(reader: _Reader, raw: Mapping[str, Any]) -> str:
    choice = raw.get("tool_choice")
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping):
        return reader.needed(function, "name", "tool_choice.function")
    reader.fault("tool_choice", f"must be auto, none, required or a function, not {shown(choice)}")
    return "auto"


def _stop(reader: _Reader, raw: Mapping[str, Any]) -> tuple[str, ...]:
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


def _metadata(reader: _Reader, raw: Mapping[str, Any]) -> dict[str, str]:
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
