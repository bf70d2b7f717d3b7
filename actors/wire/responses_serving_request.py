"""A Responses request as it comes to our own port, over HTTP or a websocket: read, or refused.

What would change the meaning of an answer, its cost or where it is kept, and
cannot be done here, is refused by name. What is a hint, and what nobody knows, is
passed over: clients of this wire send much that few servers look at.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ..chat import ChatRequest, Message, Sampling, TextPart
from .body_reader import BodyReader
from .converter import key_path, shown
from .openai_served_request import check_limit, flag, refused, user_in
from .responses_serving_items import read_items
from .responses_serving_tools import read_tools

__all__ = ["AskedResponse", "read_response_request", "resolved"]

_REFUSED: Final = {
    "messages": "is of another endpoint; use input",
    "max_tokens": "is of another endpoint; use max_output_tokens",
    "max_completion_tokens": "is of another endpoint; use max_output_tokens",
    "response_format": "is of another endpoint; use text.format",
    "conversation": "is not supported; use previous_response_id",
    "prompt": "is not supported; send instructions and input",
    "moderation": "is not supported; leave it out",
}

_LONGEST_ID: Final = 128

# Each may be a response to be read, in about a millisecond. Who refers to more of what
# was said goes on from its last response instead.
_MOST_REFERENCES: Final = 1_000

# OpenAI's own bounds.
_MOST_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512


@attrs.frozen(kw_only=True)
class AskedResponse:
    """What a client asks of us.

    `request` has the messages of this request's own `items`, without those of the
    response with the id `previous` ("" is none) and without its instructions, which
    `instructed` puts before them all. `references` are the ids of items to be
    looked up, `custom` the names of tools whose input is text, `echo` what the
    response says of the request. `user` is whose budgets it falls under, "" where it
    does not say. Without `generate` no model is asked.
    """

    request: ChatRequest
    items: tuple[Any, ...] = attrs.field(repr=False)
    instructions: str = ""
    previous: str = ""
    stream: bool = False
    store: bool = True
    generate: bool = True
    user: str = ""
    references: tuple[str, ...] = ()
    custom: frozenset[str] = frozenset()
    echo: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)

    def instructed(self, messages: tuple[Message, ...]) -> ChatRequest:
        """The request to a model, where these are the messages of the whole conversation."""
        above = Message("system", (TextPart(self.instructions),))
        before = (above,) if self.instructions else ()
        return attrs.evolve(self.request, messages=(*before, *messages))


def read_response_request(body: Mapping[str, Any]) -> AskedResponse:
    """The request in a body. Raises RefusedRequest with all that is wrong."""
    reader = BodyReader()
    faults = reader.faults
    faults += [f"{name}: {words}" for name, words in _REFUSED.items() if body.get(name) is not None]
    if flag(body, "background", "", faults):
        faults.append("background: is not supported; use `trouper batch` for what may take long")
    if body.get("top_logprobs"):
        faults.append("top_logprobs: is not supported; leave it out")
    items = _items(reader, body)
    offer = read_tools(reader, body)
    request = ChatRequest(
        model=reader.text(body, "model") or "",
        messages=(),
        tools=offer.tools,
        tool_choice=offer.choice,
        parallel_tools=reader.take(body, "parallel_tool_calls", "", bool, "true or false"),
        max_output_tokens=reader.whole(body, "max_output_tokens"),
        sampling=Sampling(
            temperature=reader.number(body, "temperature"), top_p=reader.number(body, "top_p")
        ),
        response_schema=_schema(reader, body),
        reasoning_effort=_effort(reader, body),
        extra=_extra(reader, body),
    )
    check_limit(request, faults, "max_output_tokens")
    asked = AskedResponse(
        request=request,
        items=items,
        instructions=reader.text(body, "instructions") or "",
        previous=_previous(reader, body),
        stream=flag(body, "stream", "", faults),
        store=body.get("store") is None or flag(body, "store", "", faults),
        generate=_generates(reader, body),
        user=user_in(body, faults) or user_in(body, faults, "safety_identifier"),
        references=_references(reader, items),
        custom=offer.custom,
        echo=_echo(body, offer.given, _metadata(reader, body)),
    )
    is_wrong = any(fault.startswith("input:") for fault in faults)
    if not items and not asked.previous and asked.generate and not is_wrong:
        faults.append("input: is missing or empty")
    if not asked.references:
        asked = _with_messages(asked, items, reader)
    if faults:
        raise refused(tuple(faults))
    return asked


def resolved(asked: AskedResponse, found: Mapping[str, Any]) -> AskedResponse:
    """The request with the items that it refers to, by their ids, put in their places.

    Raises RefusedRequest where they make no sense there.
    """
    reader = BodyReader()
    items = tuple(
        found[item["id"]] if item.get("type") == "item_reference" else item for item in asked.items
    )
    asked = _with_messages(asked, items, reader)
    if reader.faults:
        raise refused(tuple(reader.faults))
    return asked


def _with_messages(
    asked: AskedResponse, items: tuple[Any, ...], reader: BodyReader
) -> AskedResponse:
    messages = read_items(reader, items, "input")
    request = attrs.evolve(asked.request, messages=messages)
    return attrs.evolve(asked, request=request, items=items, references=())


def _items(reader: BodyReader, body: Mapping[str, Any]) -> tuple[Any, ...]:
    given = reader.take(body, "input", "", (str, list), "text or a list of items")
    if isinstance(given, str):
        content = [{"type": "input_text", "text": given}]
        return ({"type": "message", "role": "user", "content": content},)
    return tuple(given or ())


def _references(reader: BodyReader, items: tuple[Any, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for index, item in enumerate(items):
        if isinstance(item, Mapping) and item.get("type") == "item_reference":
            if len(found) == _MOST_REFERENCES:
                words = f"has more than {_MOST_REFERENCES} items of type item_reference"
                reader.fault("input", f"{words}; send previous_response_id instead")
                break
            found.append(reader.needed(item, "id", f"input[{index}]"))
    return tuple(found)


def _previous(reader: BodyReader, body: Mapping[str, Any]) -> str:
    id = reader.text(body, "previous_response_id") or ""
    if len(id) > _LONGEST_ID:
        reader.fault("previous_response_id", f"has more than {_LONGEST_ID} characters")
    return id


def _generates(reader: BodyReader, body: Mapping[str, Any]) -> bool:
    options = body.get("prompt_cache_options")
    prewarm = isinstance(options, Mapping) and options.get("prewarm") is True
    generates = body.get("generate") is None or flag(body, "generate", "", reader.faults)
    return generates and not prewarm


def _schema(reader: BodyReader, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    text = reader.take(body, "text", "", dict, "an object") or {}
    format = reader.take(text, "format", "text", dict, "an object") or {}
    match format.get("type"):
        case None | "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            schema = reader.take(format, "schema", "text.format", dict, "a JSON schema")
            if format.get("schema") is None:
                reader.fault("text.format.schema", "is missing")
            return schema or None
        case kind:
            words = f"must be text, json_schema or json_object, not {shown(kind)}"
            reader.fault("text.format.type", words)
            return None


def _effort(reader: BodyReader, body: Mapping[str, Any]) -> str | None:
    reasoning = reader.take(body, "reasoning", "", dict, "an object") or {}
    return reader.text(reasoning, "effort", "reasoning")


def _extra(reader: BodyReader, body: Mapping[str, Any]) -> dict[str, Any]:
    """The tier, which has a price, goes to the provider where one is asked for."""
    tier = reader.text(body, "service_tier")
    return {} if tier in (None, "auto", "default") else {"service_tier": tier}


def _metadata(reader: BodyReader, body: Mapping[str, Any]) -> dict[str, str]:
    metadata = reader.take(body, "metadata", "", dict, "an object of texts") or {}
    if len(metadata) > _MOST_PAIRS:
        reader.fault("metadata", f"has more than {_MOST_PAIRS} pairs")
        return {}
    for key, value in metadata.items():
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE or len(key) > _LONGEST_KEY:
            words = f"must be text of at most {_LONGEST_VALUE} characters, by a key of at most"
            place = key_path("metadata", str(key)[:_LONGEST_KEY])
            reader.fault(place, f"{words} {_LONGEST_KEY}")
    return dict(metadata)


def _echo(
    body: Mapping[str, Any], tools: tuple[Any, ...], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """What a response says of its request. Where OpenAI has a default, it is said."""
    text, reasoning = body.get("text"), body.get("reasoning")
    given = dict(text) if isinstance(text, Mapping) else {}
    said = reasoning if isinstance(reasoning, Mapping) else {}
    parallel = body.get("parallel_tool_calls")
    return {
        "background": False,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": metadata,
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": said.get("effort"), "summary": said.get("summary")},
        "temperature": body.get("temperature"),
        "text": {**given, "format": given.get("format") or {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": tools,
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "user": body.get("user"),
    }
