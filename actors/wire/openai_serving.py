"""Our answers as OpenAI's chat completions: bodies, and the frames of a stream.

The way back from openai_values.py and openai_decode.py, for programs that speak
to our port as they would to OpenAI. `reasoning_content` is DeepSeek's word for
what a model thinks, which most clients of compatible servers read.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..chat import Completion, Finish, OpaquePart, TextPart, ThinkingPart, ToolCallPart, Usage
from .encoded import dump_json
from .openai_values import BESIDE, ORIGIN

__all__ = [
    "beside_of",
    "call_of",
    "completion_body",
    "finish_word",
    "model_body",
    "models_body",
    "usage_words",
]

_FINISH: dict[Finish, str] = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
    # OpenAI says that a model refuses in the message, and stop; others only by the reason.
    Finish.REFUSAL: "content_filter",
    Finish.PAUSE: "stop",
    Finish.CONTEXT_WINDOW: "length",
    Finish.ERROR: "error",
}


def finish_word(finish: Finish, raw: str | None, *, calls: bool, refused: bool) -> str:
    """OpenAI's word for why an answer ended; `calls` is whether it has tool calls.

    The provider's own word stands where nobody knows what it means.
    """
    if finish is Finish.UNKNOWN:
        return raw or "stop"
    if calls and finish is Finish.STOP:
        return "tool_calls"  # some servers say stop, and clients would not run the tools
    if refused and finish is Finish.REFUSAL:
        return "stop"
    return _FINISH[finish]


def usage_words(usage: Usage) -> dict[str, Any]:
    """Tokens by OpenAI's names."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def call_of(part: object) -> dict[str, Any] | None:
    """The entry of `tool_calls` that a part is, if it is one."""
    match part:
        case ToolCallPart(id, name, arguments):
            function = {"name": name, "arguments": arguments or "{}"}
            return {"id": id, "type": "function", "function": function}
        case OpaquePart(origin, {"type": "custom"} as raw) if origin == ORIGIN:
            return dict(raw)
        case _:
            return None


def beside_of(part: object) -> dict[str, Any]:
    """What a part puts beside the content of a message: spoken audio, or sources."""
    match part:
        case OpaquePart(origin, {"type": "audio"} as raw) if origin == ORIGIN:
            return {"audio": {name: value for name, value in raw.items() if name != "type"}}
        case OpaquePart(origin, raw) if origin == ORIGIN and raw.get("type") == BESIDE:
            return {"annotations": raw.get("annotations")}
        case _:
            return {}


def completion_body(
    completion: Completion, *, id: str, model: str, created: int | None = None
) -> bytes:
    """The body of a whole answer. `model` is what the client has asked for, by its name."""
    parts = completion.message.parts
    message = _message(parts)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": completion.logprobs,
        "finish_reason": finish_word(
            completion.finish,
            completion.raw_finish,
            calls="tool_calls" in message,
            refused=message["refusal"] is not None,
        ),
    }
    body: dict[str, Any] = {
        "id": id,
        "object": "chat.completion",
        "created": int(time.time()) if created is None else created,
        "model": model or completion.model,
        "choices": [choice],
    }
    if completion.usage is not None:
        body["usage"] = usage_words(completion.usage)
    if completion.service_tier is not None:
        body["service_tier"] = completion.service_tier
    return dump_json(body)


def _message(parts: Sequence[object]) -> dict[str, Any]:
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    thinking = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
    refusal = "".join(filter(None, map(_refusal, parts)))
    calls = [call for part in parts if (call := call_of(part)) is not None]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal or None,
    }
    if thinking:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    for part in parts:
        message |= beside_of(part)
    return message


def _refusal(part: object) -> str | None:
    match part:
        case OpaquePart(raw={"type": "refusal", "refusal": str(text)}):
            return text
        case _:
            return None


def model_body(name: str, created: int) -> bytes:
    """The answer to GET /v1/models/{id}."""
    return dump_json(_model(name, created))


def models_body(names: Iterable[str], created: int) -> bytes:
    """The answer to GET /v1/models."""
    return dump_json({"object": "list", "data": [_model(name, created) for name in names]})


def _model(name: str, created: int) -> Mapping[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "trouper"}
