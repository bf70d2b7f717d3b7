"""A chat request as the body that OpenAI-compatible servers take.

Each message is encoded by itself and the body is joined of these bytes, so that
the next turn of a conversation costs its new message and not its history: see
`EncodedMessages`. Optional keys are left out rather than null, because strict
servers refuse what they do not know.
"""

import json
import weakref
from collections.abc import Mapping
from typing import Any

import orjson

from ..chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from ..errors import ErrorKind, ProviderError
from .openai_values import ORIGIN

__all__ = ["EncodedMessages", "encode_body", "encode_message"]


def _dump(value: Any) -> bytes:
    """JSON. Raises ProviderError where the caller has put in what JSON has no word for."""
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        # A lone surrogate, or a number of more than 64 bits.
        try:
            text = json.dumps(_whole(value), default=_plain, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError) as fault:
            raise ProviderError(
                kind=ErrorKind.INVALID_REQUEST,
                message=f"this request cannot be written as JSON: {fault}",
            ) from fault
        return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _whole(value: Any) -> Any:
    """`value` with U+FFFD in place of each half of a character, which no UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return value


def encode_message(message: Message) -> bytes:
    """One message as it stands within the `messages` array.

    A message with several tool results becomes as many, with commas between:
    the wire wants one for each call.
    """
    if message.role == "tool":
        return b",".join(_dump(_result(part)) for part in message.parts)
    said: dict[str, Any] = {"role": message.role}
    if message.role == "assistant":
        said |= _assistant(message)
    elif message.role == "system" or (len(message.parts) == 1 and message.text):
        said["content"] = message.text
    else:
        said["content"] = [item for part in message.parts for item in _content(part)]
    if message.name:
        said["name"] = message.name
    return _dump(said)


def _assistant(message: Message) -> dict[str, Any]:
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.args_json},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if any(isinstance(part, OpaquePart) and part.origin == ORIGIN for part in message.parts):
        said = (part for part in message.parts if not isinstance(part, ToolCallPart))
        content: Any = [item for part in said for item in _content(part)]
    else:
        # Null is what OpenAI itself answers beside tool calls, so all take it back.
        content = message.text or (None if calls else "")
    return {"content": content, "tool_calls": calls} if calls else {"content": content}


def _result(part: Part) -> dict[str, Any]:
    if not isinstance(part, ToolResultPart):
        raise _misplaced(part, "a message of role tool takes tool results only")
    return {"role": "tool", "tool_call_id": part.call_id, "content": part.content}


def _misplaced(part: Part, why: str) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.INVALID_REQUEST,
        message=f"a {type(part).__name__} stands in the wrong message: {why}",
    )


def _content(part: Part) -> list[dict[str, Any]]:
    """The content parts that one part of a message becomes; none for what this wire
    does not take back (thinking, what belongs to other providers)."""
    match part:
        case TextPart(text):
            return [{"type": "text", "text": text}]
        case ImagePart(url, detail=detail):
            image = {"url": url} if detail == "auto" else {"url": url, "detail": detail}
            return [{"type": "image_url", "image_url": image}]
        case FilePart(data, file_id, name):
            file = {"file_data": data, "file_id": file_id, "filename": name}
            return [{"type": "file", "file": {key: at for key, at in file.items() if at}}]
        case OpaquePart(origin, raw) if origin == ORIGIN:
            return [dict(raw)]
        case ThinkingPart() | OpaquePart():
            return []
        case ToolCallPart() | ToolResultPart():
            why = "it belongs into a message of role assistant or tool"
    raise _misplaced(part, why)


class EncodedMessages:
    """The bytes of messages that have been encoded before, by their identity.

    A message is frozen, so its bytes never change. They are kept while the
    message lives, and no more than `max_bytes` in all: the oldest go first.
    """

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self._kept: dict[int, tuple[weakref.ref[Message], bytes]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, message: Message) -> bytes:
        """What `encode_message` says of this message."""
        key = id(message)
        kept = self._kept.get(key)
        if kept is not None:
            return kept[1]
        encoded = encode_message(message)
        # The callback runs before the id can be another object's.
        self._kept[key] = (weakref.ref(message, lambda _: self._drop(key)), encoded)
        self.size += len(encoded)
        while self.size > self.max_bytes:
            self._drop(next(iter(self._kept)))
        return encoded

    def _drop(self, key: int) -> None:
        _, encoded = self._kept.pop(key)
        self.size -= len(encoded)


def encode_body(
    request: ChatRequest, *, stream: bool, max_tokens_field: str, messages: EncodedMessages
) -> bytes:
    """The whole body. Raises ProviderError where it cannot be written as JSON."""
    body = _options(request, max_tokens_field)
    if stream:
        body["stream_options"] = {"include_usage": True}
    body |= request.extra
    # How the answer is read hangs on this one, so it is no matter of `extra`.
    body.pop("stream", None)
    if stream:
        body["stream"] = True
    if "messages" in request.extra:
        return _dump(body)
    listed = b",".join(map(messages.get, request.messages))
    return b'%b,"messages":[%b]}' % (_dump(body)[:-1], listed)


def _options(request: ChatRequest, max_tokens_field: str) -> dict[str, Any]:
    sampling = request.sampling
    options: dict[str, Any] = {
        "model": request.model,
        max_tokens_field: request.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "stop": list(request.stop) or None,
        "reasoning_effort": request.reasoning_effort,
        "metadata": dict(request.metadata) or None,
    }
    if request.tools:
        options["tools"] = [_tool(tool) for tool in request.tools]
        options["tool_choice"] = _tool_choice(request.tool_choice)
        options["parallel_tool_calls"] = request.parallel_tools
    if request.response_schema is not None:
        options["response_format"] = _response_format(request.response_schema)
    return {key: value for key, value in options.items() if value is not None}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
    }
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> Any:
    if choice == "auto":
        return None  # what servers do anyway
    if choice in ("none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {"name": "answer", "schema": schema}
    # Strict servers refuse a schema that leaves this open, and one that closes it
    # was written for them.
    if schema.get("additionalProperties") is False:
        named["strict"] = True
    return {"type": "json_schema", "json_schema": named}
