"""OpenAI's chat completions as a server speaks them: requests in, bodies and frames out.

Facts of the wire are those of OpenAI's published types for chat completions.
A token is a word here: the simulator counts, it does not tokenise. Frames are
made one by one, because a reply of thousands of chunks times hundreds of
clients would not fit into memory otherwise, and around a fixed prefix, because
under load this is the hot path.
"""

import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import orjson

from .script import ScriptedReply, ScriptedUsage

__all__ = [
    "DONE",
    "ChatCall",
    "Frame",
    "RejectedRequest",
    "error_body",
    "frames",
    "models_body",
    "plain_body",
    "read_call",
]

DONE = b"data: [DONE]\n\n"
# Characters of one reply, all repeats told: a script's slip must not fill the memory.
_MAX_TEXT = 16 * 1024 * 1024
_WORD = re.compile(r"\s*\S+|\s+")
# What a scripted text may hold the place of.
_PLACES = re.compile(r"\{last\}|\{result\}")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class RejectedRequest(Exception):
    """The request is none that OpenAI would take; `status` and `code` are for its answer."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


@attrs.frozen(kw_only=True)
class ChatCall:
    """What the simulator needs of a request. `override` is the raw answer that it carries, if any."""

    number: int
    model: str
    last: str
    result: str
    after_tool: bool
    stream: bool
    include_usage: bool
    prompt_words: int
    body: Mapping[str, Any] = attrs.field(repr=False)
    override: Any = None


@attrs.define
class Frame:
    """One event of a stream. `paced` frames wait for their place in the schedule;
    `words` is how many tokens of the answer it carries."""

    data: bytes
    paced: bool = False
    words: int = 0


def read_call(raw: bytes, header: str | None, number: int) -> ChatCall:
    """Read the body `raw` of request `number`; `header` is the value of x-sim.

    Raises RejectedRequest where OpenAI would answer 400.
    """
    body = _json(raw, "the body of the request")
    if not isinstance(body, dict):
        raise RejectedRequest("the body of the request must be a JSON object")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise RejectedRequest(
            "you must provide a model parameter", code="missing_required_parameter"
        )
    if not isinstance(messages, list) or not messages:
        raise RejectedRequest("'messages' must be a list with at least one message")
    texts = [(_role(message), _content(message)) for message in messages]
    options = body.get("stream_options")
    return ChatCall(
        number=number,
        model=model,
        last=_last(texts, "user"),
        result=_last(texts, "tool"),
        after_tool=texts[-1][0] == "tool",
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        prompt_words=sum(len(text.split()) for _, text in texts),
        body=body,
        override=_json(header, "the header x-sim") if header is not None else body.get("x_sim"),
    )


def _json(raw: bytes | str, what: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RejectedRequest(f"{what} is not valid JSON: {error}") from error


def _role(message: Any) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str):
        raise RejectedRequest("each of 'messages' must be an object with a role")
    return role


def _last(texts: Sequence[tuple[str, str]], role: str) -> str:
    return next((text for who, text in reversed(texts) if who == role), "")


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def frames(call: ChatCall, reply: ScriptedReply) -> Iterator[Frame]:
    """The stream of `reply`, frame by frame: role, content, finish, usage, [DONE].

    Raises RejectedRequest at once where the reply is too long to be told.
    """
    if reply.raw:
        return (Frame(item.encode(), True, len(item.split())) for item in reply.raw)
    return _frames(call, reply, _text(call, reply))


def _frames(call: ChatCall, reply: ScriptedReply, text: str) -> Iterator[Frame]:
    counted = call.include_usage and reply.usage != "none"
    prefix, suffix = _envelope(call, usage=counted)
    yield Frame(_choice(prefix, suffix, {"role": "assistant", "content": "", "refusal": None}))
    head, tail = prefix + b'{"content":', b'},"logprobs":null,"finish_reason":null}]' + suffix
    words = 0
    for piece in _pieces(text, reply):
        spoken = len(piece.split())
        words += spoken
        yield Frame(head + orjson.dumps(piece) + tail, True, spoken)
    for delta in _tool_deltas(call, reply):
        yield Frame(_choice(prefix, suffix, {"tool_calls": [delta]}), True)
    yield Frame(_choice(prefix, suffix, {}, _finish(reply)))
    if counted:
        whole = {**_header(call, "chat.completion.chunk"), "choices": []}
        yield Frame(b"data: %b\n\n" % orjson.dumps({**whole, "usage": _usage(call, reply, words)}))
    yield Frame(DONE)


def plain_body(call: ChatCall, reply: ScriptedReply, *, marked: bool = True) -> tuple[bytes, int]:
    """The body of `reply` without a stream, and how many tokens it carries.

    Where it is not `marked`, finish_reason is null and usage is missing.
    """
    if reply.raw:
        text = "".join(reply.raw)
        return text.encode(), len(text.split())
    text = _text(call, reply)
    words = len(text.split())
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if reply.tool_calls:
        message["content"] = text or None
        message["tool_calls"] = _tool_calls(call, reply)
    finish = _finish(reply) if marked else None
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    body: dict[str, Any] = {**_header(call, "chat.completion"), "choices": [choice]}
    if marked and reply.usage != "none":
        body["usage"] = _usage(call, reply, words)
    return orjson.dumps(body), words


def error_body(status: int, message: str, *, code: str | None = None, kind: str = "") -> bytes:
    """An error as OpenAI words it; its type follows from `status` unless `kind` names it."""
    kind = kind or _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": code}
    return orjson.dumps({"error": error})


def models_body(models: tuple[str, ...]) -> bytes:
    """The answer to GET /v1/models."""
    data = [
        {"id": model, "object": "model", "created": 0, "owned_by": "simulator"} for model in models
    ]
    return orjson.dumps({"object": "list", "data": data})


def _header(call: ChatCall, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-sim-{call.number}",
        "object": kind,
        "created": int(time.time()),
        "model": call.model,
        "system_fingerprint": None,
    }


def _envelope(call: ChatCall, *, usage: bool) -> tuple[bytes, bytes]:
    """What stands before a delta and after a choice in every frame of one stream."""
    fields = orjson.dumps(_header(call, "chat.completion.chunk"))[:-1]
    # With include_usage every chunk has the key, and the last one has the numbers.
    suffix = b',"usage":null}\n\n' if usage else b"}\n\n"
    return b"data: " + fields + b',"choices":[{"index":0,"delta":', suffix


def _choice(prefix: bytes, suffix: bytes, delta: Any, finish: str | None = None) -> bytes:
    ending = b',"logprobs":null,"finish_reason":' + orjson.dumps(finish) + b"}]"
    return prefix + orjson.dumps(delta) + ending + suffix


def _finish(reply: ScriptedReply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def _text(call: ChatCall, reply: ScriptedReply) -> str:
    said = {"{last}": call.last, "{result}": call.result}
    text = _PLACES.sub(lambda place: said[place.group()], reply.text)
    if len(text) * reply.repeat > _MAX_TEXT:
        raise RejectedRequest(f"the scripted reply has more than {_MAX_TEXT} characters")
    return text * reply.repeat


def _pieces(text: str, reply: ScriptedReply) -> Iterator[str]:
    """`text` in the deltas that the script asks for."""
    if reply.chunks is not None:
        count = min(reply.chunks, len(text))
        bounds = [len(text) * i // count for i in range(count + 1)] if count else []
        yield from (text[a:b] for a, b in itertools.pairwise(bounds))
        return
    held: list[str] = []
    for match in _WORD.finditer(text):
        held.append(match.group())
        if len(held) == reply.words_per_chunk:
            yield "".join(held)
            held.clear()
    if held:
        yield "".join(held)


def _tool_calls(call: ChatCall, reply: ScriptedReply) -> list[dict[str, Any]]:
    return [
        {
            "id": tool.id or f"call_sim_{call.number}_{index}",
            "type": "function",
            "function": {
                "name": tool.name,
                "arguments": tool.arguments
                if isinstance(tool.arguments, str)
                else orjson.dumps(tool.arguments).decode(),
            },
        }
        for index, tool in enumerate(reply.tool_calls)
    ]


def _tool_deltas(call: ChatCall, reply: ScriptedReply) -> Iterator[dict[str, Any]]:
    """Each tool call in three deltas: its name, then its arguments in two halves."""
    for index, whole in enumerate(_tool_calls(call, reply)):
        name, arguments = whole["function"]["name"], whole["function"]["arguments"]
        yield {**whole, "index": index, "function": {"name": name, "arguments": ""}}
        middle = (len(arguments) + 1) // 2
        for part in filter(None, (arguments[:middle], arguments[middle:])):
            yield {"index": index, "function": {"arguments": part}}


def _usage(call: ChatCall, reply: ScriptedReply, words: int) -> dict[str, Any]:
    usage = reply.usage
    if not isinstance(usage, ScriptedUsage):
        usage = ScriptedUsage(prompt_tokens=call.prompt_words, completion_tokens=words)
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
