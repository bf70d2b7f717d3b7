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

from ..chat import Part
from .session_content import read_blocks

__all__ = [
    "CancelParams",
    "CancelRequestParams",
    "CloseParams",
    "DeleteParams",
    "InitializeParams",
    "ListParams",
    "LoadParams",
    "NewSessionParams",
    "Params",
    "PromptParams",
    "ResumeParams",
    "SetConfigParams",
    "SetModeParams",
    "read_params",
]


@attrs.frozen
class InitializeParams:
    """The first request. We answer with our version whatever the client asks
    for; it leaves if it cannot speak that."""

    protocol_version: int
    client_capabilities: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False)

    @property
    def told_turns(self) -> bool:
        """Whether the client wants to be told of turns (`_trouper.dev/turn`)."""
        meta = self.client_capabilities.get("_meta")
        return isinstance(meta, dict) and "trouper.dev" in cast("dict[str, Any]", meta)


@attrs.frozen
class NewSessionParams:
    """Open a session. `cwd` is taken and not used: no tool of ours reads files.

    `mcp_servers` are taken and not used, too, and the answer says so: they would
    be programs that run on the server, at the word of a client.
    """

    cwd: str = ""
    mcp_servers: tuple[Any, ...] = attrs.field(default=(), hash=False)
    meta: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)

    @property
    def assistant(self) -> str:
        """The assistant that the client asks for; empty for the server's default."""
        return str(self.meta.get("trouper.dev/assistant", ""))


@attrs.frozen
class LoadParams:
    """Tell all of a session that there is, and what happens in it from now on."""

    session_id: str
    cwd: str = ""
    mcp_servers: tuple[Any, ...] = attrs.field(default=(), hash=False)


@attrs.frozen
class ResumeParams:
    """Tell what happens in a session from now on, and nothing of before."""

    session_id: str
    cwd: str = ""
    mcp_servers: tuple[Any, ...] = attrs.field(default=(), hash=False)
    meta: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)

    @property
    def after(self) -> int | None:
        """Our extension: what happened behind that number is told first."""
        return self.meta.get("trouper.dev/afterSeq")


@attrs.frozen
class ListParams:
    """Say which sessions there are. Ours have no directory, so all of them are in `cwd`."""

    cwd: str | None = None
    cursor: str | None = None


@attrs.frozen
class CloseParams:
    """End the running turn of a session, and tell nothing more of it."""

    session_id: str


@attrs.frozen
class DeleteParams:
    """End a session, and forget it."""

    session_id: str


@attrs.frozen
class PromptParams:
    """Begin a turn; the request's answer is the turn's end."""

    session_id: str
    prompt: tuple[Part, ...]


@attrs.frozen
class CancelParams:
    """End the running turn of a session."""

    session_id: str


@attrs.frozen
class CancelRequestParams:
    """Give up a request, by its id; for us that means its turn."""

    request_id: str | int


@attrs.frozen
class SetModeParams:
    """Talk to another assistant: our modes are those."""

    session_id: str
    mode_id: str


@attrs.frozen
class SetConfigParams:
    """Choose something else for a session: another assistant, another model."""

    session_id: str
    config_id: str
    value: str


Params = (
    InitializeParams
    | NewSessionParams
    | LoadParams
    | ResumeParams
    | ListParams
    | CloseParams
    | DeleteParams
    | PromptParams
    | CancelParams
    | CancelRequestParams
    | SetModeParams
    | SetConfigParams
)


# A frame full of bad blocks must not be answered by one just as long.
_MOST_FAULTS = 5

# Attribute names as the wire spells them.
_SPELLING = {
    "protocol_version": "protocolVersion",
    "client_capabilities": "clientCapabilities",
    "mcp_servers": "mcpServers",
    "session_id": "sessionId",
    "request_id": "requestId",
    "mode_id": "modeId",
    "config_id": "configId",
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
    place = ".".join(_SPELLING.get(step, step) for step in path.split("."))
    # Of a list the fault itself says which one of it is wrong.
    return f"{place}{what}" if what.startswith("[") else f"{place}: {what}"


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


def _maybe_string(value: Any, _: Any) -> str | None:
    return None if value is None else _string(value, None)


def _object(value: Any, _: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return cast("dict[str, Any]", value)


def _meta(value: Any, _: Any) -> Mapping[str, Any]:
    meta = _object(value, None)
    if not isinstance(meta.get("trouper.dev/assistant", ""), str):
        raise TypeError("trouper.dev/assistant is the name of an assistant, a string")
    after = meta.get("trouper.dev/afterSeq")
    number = isinstance(after, int) and not isinstance(after, bool) and after >= 0
    if after is not None and not number:
        raise TypeError("trouper.dev/afterSeq is the number of the last event seen, 0 or above")
    return meta


def _blocks(value: Any, _: Any) -> tuple[Part, ...]:
    return read_blocks(value)


def _servers(value: Any, _: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError("expected a list")
    servers: list[Any] = value
    return tuple(servers)


def _strict_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(int, _whole)
    hooks: dict[str, Any] = {
        "prompt": _blocks,
        "mcp_servers": _servers,
        "request_id": _id,
        "client_capabilities": _object,
        "cursor": _maybe_string,
        "meta": _meta,
    }
    for kind in get_args(Params):
        overrides: dict[str, Any] = {
            field.name: override(
                rename=_SPELLING.get(field.name),
                struct_hook=_maybe_string
                if kind is ListParams and field.name == "cwd"
                else hooks.get(field.name),
            )
            for field in attrs.fields(kind)
        }
        converter.register_structure_hook(
            kind, make_dict_structure_fn(cast("type[Any]", kind), converter, **overrides)
        )
    return converter


_converter = _strict_converter()
