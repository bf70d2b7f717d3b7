"""A chat request as the body that Ollama's /api/chat takes.

The fields are those of api/types.go of ollama/ollama, August 2026; a server
that is older passes over those that it does not know. A preference that the
wire has no word for (metadata, names of speakers, parallel_tools) is left out;
what would change the meaning of the request is refused.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ..chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from ..errors import ErrorKind, ProviderError
from ..json_reading import read_json
from .extra import merged
from .ollama_values import ORIGIN

__all__ = ["encode_body"]

_RESERVED = frozenset({"messages", "model", "stream"})
_JOINED = frozenset({"options", "tools"})

# Ollama's own levels are low, medium, high and max. A level means "yes" to a
# model that only knows yes and no.
_THINK: dict[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "max"}


def encode_body(
    request: ChatRequest,
    *,
    stream: bool,
    num_ctx: int | None,
    keep_alive: str | float | None,
    truncate: bool,
) -> bytes:
    """The whole body. Raises ProviderError for what JSON or the wire cannot say."""
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request.messages)}
    tools = _tools(request)
    if tools:
        body["tools"] = tools
    if request.reasoning_effort is not None:
        body["think"] = _THINK.get(request.reasoning_effort, request.reasoning_effort)
    if request.response_schema is not None:
        body["format"] = request.response_schema
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    if not truncate:
        body["truncate"] = False
    options = _options(request, num_ctx)
    if options:
        body["options"] = options
    body = merged(body, request.extra, reserved=_RESERVED, joined=_JOINED)
    # It is always said: what is left out means true here.
    body["stream"] = stream
    return _dump(body)


def _options(request: ChatRequest, num_ctx: int | None) -> dict[str, Any]:
    sampling = request.sampling
    options: dict[str, Any] = {
        "num_ctx": num_ctx,
        "num_predict": request.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "stop": list(request.stop) or None,
    }
    return {key: value for key, value in options.items() if value is not None}


def _tools(request: ChatRequest) -> list[dict[str, Any]]:
    if not request.tools or request.tool_choice == "none":
        return []  # it cannot call what it has not been told of
    if request.tool_choice != "auto":
        raise _refused(
            f"Ollama has no tool_choice, so {request.tool_choice!r} cannot be asked of it; "
            f"use 'auto' or 'none'"
        )
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema,
            },
        }
        for tool in request.tools
    ]


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    called: dict[str, str] = {}  # the name of the tool behind each call's id
    for message in messages:
        if message.role == "tool":
            said += [_result(part, called) for part in message.parts]
        elif message.role == "assistant":
            said.append(_assistant(message))
            called |= {part.id: part.name for part in _calls(message)}
        else:
            said.append(_asked(message))
    return said


def _asked(message: Message) -> dict[str, Any]:
    """A message of the user or the system."""
    said: dict[str, Any] = {"role": message.role, "content": message.text}
    images: list[str] = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            images.append(_image(part))
        elif isinstance(part, (ToolCallPart, ToolResultPart)):
            raise _misplaced(part, "it belongs into a message of role assistant or tool")
        elif isinstance(part, FilePart):
            raise _refused("Ollama takes text and images, and no files; send the text within")
        elif isinstance(part, AudioPart):
            raise _refused("Ollama takes text and images, and no audio; send what was said as text")
    if images:
        said["images"] = images
    return said


def _assistant(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": message.text}
    thinking = "".join(
        part.text
        for part in message.parts
        if isinstance(part, ThinkingPart) and part.origin == ORIGIN
    )
    if thinking:
        said["thinking"] = thinking
    calls = [
        {"id": part.id, "function": {"name": part.name, "arguments": _arguments(part.args_json)}}
        for part in _calls(message)
    ]
    if calls:
        said["tool_calls"] = calls
    return said


def _calls(message: Message) -> list[ToolCallPart]:
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def _result(part: Part, called: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(part, ToolResultPart):
        raise _misplaced(part, "a message of role tool takes tool results only")
    said = {"role": "tool", "content": part.content, "tool_call_id": part.call_id}
    # Versions before call ids tell results apart by this.
    return said | {"tool_name": called[part.call_id]} if part.call_id in called else said


def _arguments(args_json: str) -> dict[str, Any]:
    """Arguments as the object that Ollama takes and nothing else.

    Another model may have written what is none. It is sent back as it was
    said, so that the error that is its result makes sense.
    """
    try:
        read_json(args_json or "{}")  # what is nested too deeply cannot be written again
        # It makes a float of a number with more than 64 bits, and this does not.
        arguments: Any = json.loads(args_json or "{}")
    except (ValueError, RecursionError):
        arguments = None
    return arguments if isinstance(arguments, dict) else {"invalid": args_json}


def _image(part: ImagePart) -> str:
    """The base64 of an image: Ollama fetches nothing, and takes no data URL."""
    head, comma, data = part.url.partition(",")
    head = head.lower()
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return data
    raise _refused(
        f"Ollama takes an image as a data URL in base64 only, and not {part.url[:40]!r}; "
        f"fetch it first"
    )


def _misplaced(part: Part, why: str) -> ProviderError:
    return _refused(f"a {type(part).__name__} stands in the wrong message: {why}")


def _refused(message: str) -> ProviderError:
    return ProviderError(kind=ErrorKind.INVALID_REQUEST, message=message)


def _dump(value: Any) -> bytes:
    """JSON. Raises ProviderError where the caller has put in what JSON has no word for."""
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        # Half of a character, or a number of more than 64 bits.
        try:
            text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as fault:
            raise _refused(f"this request cannot be written as JSON: {fault}") from fault
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
