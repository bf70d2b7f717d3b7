"""OpenAI's JSON values as ours: usage, finish reasons, content, whole completions.

Every reader takes whatever JSON holds in that place and never raises: compatible
servers leave out, null and retype fields freely.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson

from ..chat import (
    Completion,
    Finish,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from ..json_reading import read_json
from .assembly import settled
from .counts import count_of
from .encoded import dump_json

__all__ = [
    "BESIDE",
    "ORIGIN",
    "arguments_of",
    "beside_parts",
    "completion_of",
    "finish_of",
    "likelihoods_of",
    "mint_call_id",
    "refusal_part",
    "sent_arguments",
    "text_and_thinking",
    "thinking_of",
    "usage_of",
]

# The provider family in ThinkingPart.origin and OpaquePart.origin.
ORIGIN = "openai"

# The type of an OpaquePart of ours that holds what our parts have no room for.
BESIDE = "trouper.beside"

_FINISH: dict[str, Finish] = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,  # Together
    "eos_token": Finish.STOP,  # Hugging Face
    "stop_sequence": Finish.STOP,
    "end_turn": Finish.STOP,  # gateways that pass Anthropic's words through
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "model_length": Finish.CONTEXT_WINDOW,  # Mistral: the window, not the limit asked for
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "tool_use": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    "error": Finish.ERROR,  # OpenRouter
}


def finish_of(raw: str | None, *, refused: bool = False) -> Finish:
    """Our word for a finish reason; UNKNOWN for one that nobody has documented."""
    finish = Finish.UNKNOWN if raw is None else _FINISH.get(raw, Finish.UNKNOWN)
    return Finish.REFUSAL if refused and finish is Finish.STOP else finish


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Tokens by our rule: totals, with the cached and the reasoning ones within them."""
    asked = raw.get("prompt_tokens_details")
    answered = raw.get("completion_tokens_details")
    asked = asked if isinstance(asked, dict) else {}
    answered = answered if isinstance(answered, dict) else {}
    total_in = count_of(raw.get("prompt_tokens"))
    total_out = count_of(raw.get("completion_tokens"))
    reasoning = count_of(answered.get("reasoning_tokens"))
    if reasoning and count_of(raw.get("total_tokens")) == total_in + total_out + reasoning:
        total_out += reasoning  # xAI counts the reasoning beside the completion
    cached = (
        count_of(asked.get("cached_tokens"))
        or count_of(raw.get("prompt_cache_hit_tokens"))  # DeepSeek
        or count_of(raw.get("cached_tokens"))  # Moonshot
    )
    return Usage(
        input=total_in,
        output=total_out,
        cache_read=min(cached, total_in),
        cache_write=min(count_of(asked.get("cache_write_tokens")), total_in),
        reasoning=min(reasoning, total_out),
    )


def text_and_thinking(content: Any) -> tuple[str, str]:
    """Both texts within `content`: a string, or a list of typed parts (Mistral)."""
    if isinstance(content, str):
        return content, ""
    text: list[str] = []
    thinking: list[str] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        if isinstance(part.get("text"), str):
            text.append(part["text"])
        elif part.get("type") == "thinking":
            thought = part.get("thinking")
            thinking.append(thought if isinstance(thought, str) else text_and_thinking(thought)[0])
    return "".join(text), "".join(thinking)


def thinking_of(said: Mapping[str, Any]) -> str:
    """What a delta or a message says of its thinking, in the first field that has some."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(said.get(name), str) and said[name]:
            return str(said[name])
    details = said.get("reasoning_details")  # OpenRouter and Snowflake
    texts = (
        part.get("text") or part.get("summary")
        for part in (details if isinstance(details, list) else ())
        if isinstance(part, Mapping)
    )
    return "".join(text for text in texts if isinstance(text, str))


def arguments_of(value: Any) -> str:
    """The text of a call's arguments; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def sent_arguments(args_json: str) -> str:
    """A call's arguments as they go back: the text of a JSON object, whatever came.

    Many servers read the arguments of all calls in the history, and fail on those
    that another model got wrong. What is none is wrapped, so that the model sees
    its mistake and the error that is its result makes sense.
    """
    if not args_json.strip():
        return "{}"
    try:
        whole = isinstance(read_json(args_json), dict)
    except orjson.JSONDecodeError:
        whole = False
    return args_json if whole else dump_json({"INVALID_JSON": args_json}).decode()


def mint_call_id() -> str:
    """An id for a call whose server gave it none; its result must name one."""
    return f"call_{uuid4().hex}"


def refusal_part(text: str, origin: str = ORIGIN) -> OpaquePart:
    """A refusal, which is no text of the answer and goes back only where it came from."""
    return OpaquePart(origin=origin, raw={"type": "refusal", "refusal": text})


def beside_parts(said: Mapping[str, Any]) -> list[OpaquePart]:
    """What stands beside the content of a message: spoken audio, and annotations (the
    sources of a web search)."""
    audio, cited = said.get("audio"), said.get("annotations")
    raws: list[Mapping[str, Any]] = []
    if isinstance(audio, Mapping) and audio:
        raws.append({"type": "audio", **audio})
    if isinstance(cited, list) and cited:
        raws.append({"type": BESIDE, "annotations": cited})
    return [OpaquePart(ORIGIN, raw) for raw in raws]


def likelihoods_of(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The logprobs of a choice, without what is null in them; None where there are none."""
    raw = choice.get("logprobs")
    if not isinstance(raw, Mapping):
        return None
    return {name: value for name, value in raw.items() if value is not None} or None


def _call_part(raw: Any) -> Part | None:
    if not isinstance(raw, Mapping):
        return None
    if raw.get("type") == "custom":
        return OpaquePart(ORIGIN, raw)
    function = raw.get("function")
    if not isinstance(function, Mapping):
        return None
    return ToolCallPart(
        id=str(raw.get("id") or mint_call_id()),
        name=str(function.get("name") or ""),
        args_json=arguments_of(function.get("arguments")),
    )


def completion_of(raw: Mapping[str, Any], choice: Mapping[str, Any]) -> Completion:
    """A whole answer from `choice` of the body `raw`."""
    said = choice.get("message")
    said = said if isinstance(said, dict) else {}
    text, thinking = text_and_thinking(said.get("content"))
    thinking = thinking_of(said) or thinking
    refusal = said.get("refusal")
    parts: list[Part] = []
    if thinking:
        parts.append(ThinkingPart(text=thinking, origin=ORIGIN))
    if text:
        parts.append(TextPart(text))
    if isinstance(refusal, str) and refusal:
        parts.append(refusal_part(refusal))
    calls = said.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        part = _call_part(call)
        if part is not None:
            parts.append(part)
    parts += beside_parts(said)
    raw_finish = choice.get("finish_reason")
    raw_finish = raw_finish if isinstance(raw_finish, str) and raw_finish else None
    finish = finish_of(raw_finish, refused=bool(refusal))
    usage = raw.get("usage")
    tier = raw.get("service_tier")
    return Completion(
        message=Message("assistant", tuple(settled(part, finish) for part in parts)),
        finish=finish,
        raw_finish=raw_finish,
        usage=usage_of(usage) if isinstance(usage, dict) else None,
        model=str(raw.get("model") or ""),
        response_id=str(raw.get("id") or ""),
        service_tier=tier if isinstance(tier, str) and tier else None,
        logprobs=likelihoods_of(choice),
    )
