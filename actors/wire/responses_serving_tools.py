"""The tools of a Responses request, as the model is told of them.

Tools that OpenAI runs itself (web search and the like) are left out, as many
clients offer them with every request; `tools` of the response says which ones
there are. A custom tool, whose input is text and no JSON, becomes a function with
one argument, so that every model can call it.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ..chat import ToolSpec
from .body_reader import BodyReader
from .converter import shown
from .openai_served_request import flag
from .responses_serving_items import CUSTOM_INPUT

__all__ = ["Offer", "read_tools"]

_CHOICES: Final = ("auto", "none", "required")


@attrs.frozen
class Offer:
    """The tools of a request for the model, which of them has to be called, as `ChatRequest`
    says it, and as the client has `given` them. `custom` names those whose input is text."""

    tools: tuple[ToolSpec, ...]
    choice: str
    given: tuple[Any, ...]
    custom: frozenset[str]


def read_tools(reader: BodyReader, body: Mapping[str, Any]) -> Offer:
    """What a body says of tools. What is wrong is noted in `reader`."""
    taken: list[Any] = []
    custom: set[str] = set()

    def read(raw: Mapping[str, Any], path: str) -> ToolSpec | None:
        kind = raw.get("type")
        if kind not in ("function", "custom"):
            return None
        taken.append(raw)
        name = reader.needed(raw, "name", path)
        described = reader.text(raw, "description", path) or ""
        if kind == "custom":
            custom.add(name)
            return _custom(name, described, raw.get("format"))
        schema = reader.take(raw, "parameters", path, dict, "a JSON schema") or {}
        strict = flag(raw, "strict", f"{path}.", reader.faults)
        return ToolSpec(name=name, description=described, schema=schema, strict=strict)

    tools, choice = _tool_choice(reader, body, reader.each(body, "tools", "", read))
    return Offer(tools, choice, tuple(taken), frozenset(custom))


def _custom(name: str, description: str, format: Any) -> ToolSpec:
    if isinstance(format, Mapping) and format.get("type") == "grammar":
        grammar = f"Its input follows this {format.get('syntax')} grammar:"
        description = f"{description}\n{grammar}\n{format.get('definition')}".strip()
    schema = {
        "type": "object",
        "properties": {CUSTOM_INPUT: {"type": "string"}},
        "required": [CUSTOM_INPUT],
        "additionalProperties": False,
    }
    return ToolSpec(name=name, description=description, schema=schema)


def _tool_choice(
    reader: BodyReader, body: Mapping[str, Any], tools: tuple[ToolSpec, ...]
) -> tuple[tuple[ToolSpec, ...], str]:
    """The tools that may be called, and which of them has to be."""
    match body.get("tool_choice"):
        case None:
            return tools, "auto"
        case str(choice) if choice in _CHOICES:
            return tools, choice
        case {"type": "function" | "custom", "name": str(name)}:
            return tools, name
        case {"type": "allowed_tools", "tools": list(allowed)} as choice:
            names = {one.get("name") for one in allowed if isinstance(one, Mapping)}
            mode = "required" if choice.get("mode") == "required" else "auto"
            return tuple(tool for tool in tools if tool.name in names), mode
        case choice:
            words = "must be auto, none, required, a function, a custom tool or allowed_tools"
            reader.fault("tool_choice", f"{words}, not {shown(choice)}")
            return tools, "auto"
