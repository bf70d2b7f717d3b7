"""What a client may ask by the Agent Client Protocol: frozen values and how they are read.

Reading is strict (a number is not taken for a string) and names every member
that is wrong, spelled as on the wire. Members that we do not know are ignored,
as the protocol demands.
"""

from collections.abc import Mapping
from typing import Any, cast, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from ..chat import TextPart

__all__ = [
    "CancelParams",
    "CancelRequestParams",
    "InitializeParams",
    "NewSessionParams",
    "Params",
    "PromptParams",
    "read_params",
]


@attrs.frozen
class InitializeParams:
    """The first request. We answer with our version whatever the client asks
    for; it leaves if it cannot speak that."""

    protocol_version: int


@attrs.frozen
class NewSessionParams:
    """Open a session. `cwd` is taken and not used: no tool of ours reads files."""

    cwd: str = ""
    mcp_servers: tuple[Any, ...] = attrs.field(default=(), hash=False)
    meta: Mapping[str, Any] | None = attrs.field(default=None, hash=False)

    @property
    def assistant(self) -> str:
        """The assistant that the client asks for; empty for the server's default."""
        return str((self.meta or {}).get("trouper.dev/assistant", ""))


@attrs.frozen
class PromptParams:
    """Begin a turn; the request's answer is the turn's end."""

    session_id: str
    prompt: tuple[TextPart, ...]


@attrs.frozen
class CancelParams:
    """End the running turn of a session."""

    session_id: str


@attrs.frozen
class CancelRequestParams:
    """Give up a request, by its id; for us that means its turn."""

    request_id: str | int


Params = InitializeParams | NewSessionParams | PromptParams | CancelParams | CancelRequestParams


# A frame full of bad blocks must not be answered by one just as long.
_MOST_FAULTS = 5

# Attribute names as the wire spells them, for messages.
_SPELLING = {
    "protocol_version": "protocolVersion",
    "mcp_servers": "mcpServers",
    "session_id": "sessionId",
    "request_id": "requestId",
    "meta": "_meta",
}


def read_params(params: Mapping[str, Any], kind: type[Params]) -> Params:
    """`params` as a `kind`. Raises ValueError; its text names each member that is wrong."""
    try:
        return _converter.structure(params, kind)
    except cattrs.BaseValidationError as error:
        faults = cattrs.transform_error(error, path="params", format_exception=_fault)
        raise ValueError("; ".join(_respell(fault) for fault in faults[:_MOST_FAULTS])) from None


def _fault(error: BaseException, _: type | None) -> str:
    return "required" if isinstance(error, KeyError) else str(error)


def _respell(fault: str) -> str:
    what, _, path = fault.rpartition(" @ ")
    return f"{'.'.join(_spelled(step) for step in path.split('.'))}: {what}"


def _spelled(step: str) -> str:
    name, bracket, index = step.partition("[")
    return _SPELLING.get(name, name) + bracket + index


def _string(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def _whole(value: Any, _: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("expected a whole number")
    return value


def _id(value: Any, _: Any) -> str | int:
    return value if isinstance(value, str) else _whole(value, None)


def _meta(value: Any, _: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    meta = cast("dict[str, Any]", value)
    if not isinstance(meta.get("trouper.dev/assistant", ""), str):
        raise TypeError("trouper.dev/assistant is the name of an assistant, a string")
    return meta


def _block(value: Any, _: Any) -> TextPart:
    """A content block as text: what a model of text can be told of it."""
    if not isinstance(value, dict):
        raise TypeError("expected a content block")
    block = cast("dict[str, Any]", value)
    kind = block.get("type")
    if kind == "text":
        return TextPart(_string(block.get("text"), str))
    if kind == "resource_link":
        uri = _string(block.get("uri"), str)
        return TextPart(f"[{_string(block.get('name', uri), str)}]({uri})")
    raise ValueError(
        f"content of type {str(kind)[:40]!r} is not taken; supported are text and resource_link"
    )


def _blocks(value: Any, _: Any) -> tuple[TextPart, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError("expected a list of at least one content block")
    parts = _converter.structure(value, list[TextPart])
    if not any(part.text for part in parts):
        raise ValueError("there is no text in it")
    return tuple(parts)


def _servers(value: Any, _: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError("expected a list")
    if value:
        raise ValueError("servers of the client are not supported yet; send an empty list")
    return ()


def _strict_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(TextPart, _block)
    hooks: dict[str, Any] = {
        "prompt": _blocks,
        "mcp_servers": _servers,
        "request_id": _id,
        "meta": _meta,
    }
    for kind in get_args(Params):
        overrides: dict[str, Any] = {
            field.name: override(
                rename=_SPELLING.get(field.name), struct_hook=hooks.get(field.name)
            )
            for field in attrs.fields(kind)
        }
        converter.register_structure_hook(
            kind, make_dict_structure_fn(cast("type[Any]", kind), converter, **overrides)
        )
    return converter


_converter = _strict_converter()
