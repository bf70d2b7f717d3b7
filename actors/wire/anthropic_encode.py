"""A chat request as the body that the Messages endpoint takes.

Each message is encoded by itself and the body is joined of these bytes, so that
the next turn of a conversation costs its new message and not its history. The
wire knows two speakers: system messages go into `system`, tool results into
the user's turn and before anything else in it, and messages that follow each
other in one role become one turn, because not every server on this wire joins
them itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..chat import ChatRequest, Message, ToolSpec
from .anthropic_content import content_blocks
from .encoded import Encoded, dump_json
from .extra import merged

__all__ = ["encode_body"]

_RESERVED = frozenset({"messages", "model", "stream", "system"})
_JOINED = frozenset({"metadata", "output_config", "tools"})


def encode_body(
    request: ChatRequest,
    *,
    stream: bool,
    max_tokens_default: int,
    sampling: bool,
    messages: Encoded,
) -> bytes:
    """The whole body. Raises ProviderError where it cannot be written as JSON."""
    body = _options(request, max_tokens_default, sampling=sampling)
    body = merged(body, request.extra, reserved=_RESERVED, joined=_JOINED)
    if stream:
        body["stream"] = True
    return b'%b,"messages":[%b]}' % (dump_json(body)[:-1], _turns(request.messages, messages))


def _turns(messages: Iterable[Message], encoded: Encoded) -> bytes:
    turns: list[tuple[bytes, list[bytes]]] = []
    results = 0  # how many tool results stand at the head of the turn under way
    for message in messages:
        content = b"" if message.role == "system" else encoded.get(message)
        if not content:
            continue
        role = b"assistant" if message.role == "assistant" else b"user"
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
            results = 0
        if message.role == "tool":
            turns[-1][1].insert(results, content)
            results += 1
        else:
            turns[-1][1].append(content)
    return b",".join(b'{"role":"%b","content":[%b]}' % (role, b",".join(c)) for role, c in turns)


def _options(request: ChatRequest, max_tokens_default: int, *, sampling: bool) -> dict[str, Any]:
    limit = request.max_output_tokens
    user = request.metadata.get("user_id")  # the one key that the wire knows
    options: dict[str, Any] = {
        "model": request.model,
        "max_tokens": max_tokens_default if limit is None else limit,
        "system": _system(request.messages),
        "temperature": request.sampling.temperature if sampling else None,
        "top_p": request.sampling.top_p if sampling else None,
        "stop_sequences": list(request.stop) or None,
        "metadata": None if user is None else {"user_id": user},
        **_thinking(request),
    }
    if request.tools:
        options["tools"] = [_tool(tool) for tool in request.tools]
    if request.tools or request.extra.get("tools"):
        options["tool_choice"] = _tool_choice(request.tool_choice, request.parallel_tools)
    return {key: value for key, value in options.items() if value is not None}


def _system(messages: Iterable[Message]) -> Any:
    blocks = [
        block
        for message in messages
        if message.role == "system"
        for block in content_blocks(message)
    ]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks or None


def _thinking(request: ChatRequest) -> dict[str, Any]:
    """How hard to think, and in which form to answer. The words for the former are the
    wire's own but for two of OpenAI's; a budget in tokens is a matter of `extra`."""
    config: dict[str, Any] = {}
    options: dict[str, Any] = {}
    match request.reasoning_effort:
        case None:
            pass
        case "none":
            options["thinking"] = {"type": "disabled"}
        case effort:
            config["effort"] = "low" if effort == "minimal" else effort
    if request.response_schema is not None:
        config["format"] = {"type": "json_schema", "schema": request.response_schema}
    return {**options, "output_config": config} if config else options


def _tool(tool: ToolSpec) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": tool.name, "input_schema": _schema(tool.schema)}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        spec["strict"] = True
    return spec


def _schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The API refuses a schema that does not say what it is the schema of."""
    return schema if "type" in schema else {"type": "object", **schema}


def _tool_choice(choice: str, parallel: bool | None) -> dict[str, Any] | None:
    alone = {"disable_parallel_tool_use": True} if parallel is False else {}
    match choice:
        case "none":
            return {"type": "none"}
        case "auto":
            # What the API does anyway, where nothing else is asked for.
            return {"type": "auto", **alone} if alone else None
        case "required":
            return {"type": "any", **alone}
        case name:
            return {"type": "tool", "name": name, **alone}
