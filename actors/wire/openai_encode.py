"""A chat request as the body that OpenAI-compatible servers take.

Each message is encoded by itself and the body is joined of these bytes, so that
the next turn of a conversation costs its new message and not its history: see
`EncodedMessages`. Optional keys are left out rather than null, because strict
servers refuse what they do not know.
"""

from collections.abc import Mapping
from typing import Any

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
from .encoded import MAX_KEPT, Encoded, dump_json, misplaced
from .openai_values import ORIGIN

__all__ = ["EncodedMessages", "encode_body", "encode_message"]


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
        case FilePart(data, file_id, name):
            file = {"file_data": data, "file_id": file_id, "filename": name}
            return [{"type": "file", "file": {key: at for key, at in file.items() if at}}]
        case OpaquePart(origin, raw) if origin == ORIGIN:
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
    body |= request.extra
    # How the answer is read hangs on this one, so it is no matter of `extra`.
    body.pop("stream", None)
    if stream:
        body["stream"] = True
    if "messages" in request.extra:
        return dump_json(body)
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
