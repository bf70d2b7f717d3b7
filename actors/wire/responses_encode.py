"""A chat request as the body that the Responses endpoint takes.

Each message is encoded by itself and the body is joined of these bytes, so that
the next turn of a conversation costs its new message and not its history. Each
request holds the whole conversation, and the provider is asked to keep nothing
of it: so it is asked for its reasoning in encrypted form, which goes back with
the next turn.
"""

from collections.abc import Sequence
from typing import Any

from ..chat import ChatRequest, Message, ToolSpec
from ..errors import ErrorKind, ProviderError
from .encoded import Encoded, dump_json
from .extra import merged

__all__ = ["encode_body"]

_RESERVED = frozenset({"model", "input", "instructions", "stream"})
_JOINED = frozenset({"include", "metadata", "reasoning", "stream_options", "text", "tools"})


def encode_body(
    request: ChatRequest, *, stream: bool, encrypted_reasoning: bool, messages: Encoded
) -> bytes:
    """The whole body. Raises ProviderError where it cannot be written as JSON."""
    leading = _leading(request.messages)
    body = _options(request)
    if encrypted_reasoning:
        body["include"] = ["reasoning.encrypted_content"]
    body = merged(body, request.extra, reserved=_RESERVED, joined=_JOINED)
    if leading:
        instructions = "\n\n".join(message.text for message in request.messages[:leading])
        body["instructions"] = instructions
    if stream:
        body["stream"] = True
    items = (messages.get(message) for message in request.messages[leading:])
    return b'%b,"input":[%b]}' % (dump_json(body)[:-1], b",".join(filter(None, items)))


def _leading(messages: Sequence[Message]) -> int:
    """How many messages are instructions: those of the system before all others.

    None are where there are no others, because the API wants some input.
    """
    for count, message in enumerate(messages):
        if message.role != "system":
            return count
    return 0


def _options(request: ChatRequest) -> dict[str, Any]:
    if request.stop:
        raise ProviderError(
            kind=ErrorKind.INVALID_REQUEST,
            message=(
                "OpenAI's Responses have no stop sequences; leave `stop` out, or ask a provider "
                "that has them"
            ),
        )
    options: dict[str, Any] = {
        "model": request.model,
        "store": False,
        "max_output_tokens": request.max_output_tokens,
        # Of Sampling, the wire knows these two. A seed was a best effort anyway.
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "metadata": dict(request.metadata) or None,
    }
    if request.reasoning_effort is not None:
        options["reasoning"] = {"effort": request.reasoning_effort}
    if request.tools:
        options["tools"] = [_tool(tool) for tool in request.tools]
    if request.tools or request.extra.get("tools"):
        options["tool_choice"] = _tool_choice(request.tool_choice)
        options["parallel_tool_calls"] = request.parallel_tools
    if request.response_schema is not None:
        # Strict is the default here, and refuses a schema that was not written for it.
        strict = request.response_schema.get("additionalProperties") is False
        named = {"type": "json_schema", "name": "answer", "schema": request.response_schema}
        options["text"] = {"format": {**named, "strict": strict}}
    return {name: value for name, value in options.items() if value is not None}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict,  # said always, because what is left out means true here
    }


def _tool_choice(choice: str) -> Any:
    if choice == "auto":
        return None  # what the API does anyway
    if choice in ("none", "required"):
        return choice
    return {"type": "function", "name": choice}
