"""A chat request as the body that OpenAI-compatible servers take.

Each message is encoded by itself and the body is joined of these bytes, so that
the next turn of a conversation costs its new message and not its history: see
`EncodedMessages`. Optional keys are left out rather than null, because strict
servers refuse what they do not know.
"""

from collections.abc import Mapping
from typing import Any

from ..chat import (
    AudioPart,
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
from .encoded import MAX_KEPT, Encoded, dump_json, misplaced
from .extra import merged
from .openai_values import BESIDE, ORIGIN, sent_arguments

__all__ = ["EncodedMessages", "encode_body", "encode_message"]

# `n`, `logprobs`, `prediction`, `service_tier` and all else that is not here is the
# caller's own; one of these would change what is asked, or how the answer is read.
_RESERVED = frozenset({"messages", "model", "stream"})
_JOINED = frozenset({"metadata", "stream_options", "tools"})
# Opaque parts of ours that stand beside an assistant's content, or do not go back at all.
_NO_CONTENT = ("audio", "custom", BESIDE)
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


def encode_message(message: Message) -> bytes:
    """One message as it stands within the `messages` array.

    A message with several tool results becomes as many, with commas between:
    the wire wants one for each call.
    """
    if message.role == "tool":
        return b",".join(dump_json(_result(part)) for part in message.parts)
    said: dict[str, Any] = {"role": message.role}
    if message.role == "assistant":
        said |= _assistant(message)
    elif message.role == "system" or (len(message.parts) == 1 and message.text):
        said["content"] = message.text
    else:
        said["content"] = [item for part in message.parts for item in _content(part)]
    if message.name:
        said["name"] = message.name
    return dump_json(said)


def _assistant(message: Message) -> dict[str, Any]:
    calls: list[Mapping[str, Any]] = []
    in_parts = False  # what only a list of parts can hold, as a refusal
    audio: Any = None
    for part in message.parts:
        match part:
            case ToolCallPart(call_id, name, arguments):
                function = {"name": name, "arguments": sent_arguments(arguments)}
                calls.append({"id": call_id, "type": "function", "function": function})
            case OpaquePart(origin, {"type": "custom"} as raw) if origin == ORIGIN:
                calls.append(raw)
            case OpaquePart(origin, {"type": "audio"} as raw) if origin == ORIGIN:
                audio = {"id": raw.get("id")}
            case OpaquePart(origin, raw) if origin == ORIGIN and raw.get("type") != BESIDE:
                in_parts = True
            case _:
                pass
    if in_parts:
        spoken = (part for part in message.parts if not isinstance(part, ToolCallPart))
        content: Any = [item for part in spoken for item in _content(part)]
    else:
        # Null is what OpenAI itself answers beside these, so all take it back.
        content = message.text or (None if calls or audio else "")
    said = {"content": content, "tool_calls": calls or None, "audio": audio}
    return {name: value for name, value in said.items() if value is not None or name == "content"}


def _result(part: Part) -> dict[str, Any]:
    if not isinstance(part, ToolResultPart):
        raise misplaced(part, "a message of role tool takes tool results only")
    return {"role": "tool", "tool_call_id": part.call_id, "content": part.content}


def _content(part: Part) -> list[dict[str, Any]]:
    """The content parts that one part of a message becomes; none for what this wire
    does not take back (thinking, what belongs to other providers)."""
    match part:
        case TextPart(text):
            return [{"type": "text", "text": text}]
        case ImagePart(url, detail=detail):
            image = {"url": url} if detail == "auto" else {"url": url, "detail": detail}
            return [{"type": "image_url", "image_url": image}]
        case AudioPart(data, format):
            return [{"type": "input_audio", "input_audio": {"data": data, "format": format}}]
        case FilePart(data, file_id, name):
            file = {"file_data": data, "file_id": file_id, "filename": name}
            return [{"type": "file", "file": {key: at for key, at in file.items() if at}}]
        case OpaquePart(origin, raw) if origin == ORIGIN and raw.get("type") not in _NO_CONTENT:
            return [dict(raw)]
        case ThinkingPart() | OpaquePart():
            return []
        case ToolCallPart() | ToolResultPart():
            why = "it belongs into a message of role assistant or tool"
    raise misplaced(part, why)


class EncodedMessages(Encoded):
    """What `encode_message` says of messages, kept; see `Encoded`."""

    def __init__(self, max_bytes: int = MAX_KEPT) -> None:
        super().__init__(encode_message, max_bytes)


def encode_body(
    request: ChatRequest, *, stream: bool, max_tokens_field: str, messages: EncodedMessages
) -> bytes:
    """The whole body. Raises ProviderError where it cannot be written as JSON."""
    body = _options(request, max_tokens_field)
    if stream:
        body["stream_options"] = {"include_usage": True}
    if _LIMITS & request.extra.keys():
        body.pop(max_tokens_field, None)  # servers refuse two limits
    body = merged(body, request.extra, reserved=_RESERVED, joined=_JOINED)
    if stream:
        body["stream"] = True
    listed = b",".join(map(messages.get, request.messages))
    return b'%b,"messages":[%b]}' % (dump_json(body)[:-1], listed)


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
    if request.tools or request.extra.get("tools"):
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
