"""Agent Client Protocol, version 1, as far as we speak it: what a client says.

Sans-IO. A frame comes in as an `Inbound` or raises an `RpcFault` that is its
answer. What goes out is made in session_results.py (answers) and
session_updates.py (what happens in a session, and questions to the client).

Our own additions live under `_meta`, by the protocol's rule for extensions:
`trouper.dev/seq` on an update (the session's number of the last event that it
covers) and on the answers to prompt, load and resume; `trouper.dev/afterSeq` on
session/resume (what happened behind that number is told first);
`trouper.dev/assistant` on session/new (which assistant to talk to); and
`trouper.dev/reset` on a chunk of the message: all of the turn's text and thoughts
so far are void, and so is the chunk's own text, which tells this in words to
clients that do not know it. The protocol has nothing to take text back.
Who names `trouper.dev` among its capabilities is told of turns, too, by the
notification `_trouper.dev/turn`.
Shapes: agentclientprotocol.com, protocol v1.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from .jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RequestId,
    RpcFault,
    RpcRequest,
    RpcResponse,
    decode,
)
from .session_params import (
    CancelParams,
    CancelRequestParams,
    CloseParams,
    DeleteParams,
    InitializeParams,
    ListParams,
    LoadParams,
    NewSessionParams,
    Params,
    PromptParams,
    ResumeParams,
    SetConfigParams,
    SetModeParams,
    read_params,
)

__all__ = [
    "BUSY",
    "EVENTS_GONE",
    "NOT_FOUND",
    "PROTOCOL_VERSION",
    "TOO_MANY",
    "TURN_FAILED",
    "Inbound",
    "read_frame",
]

PROTOCOL_VERSION = 1

NOT_FOUND = -32002
"""ACP's own "resource not found": no such session."""
# Ours, in JSON-RPC's range for servers (-32099 to -32000), clear of ACP's.
TURN_FAILED = -32010
BUSY = -32011
TOO_MANY = -32012
EVENTS_GONE = -32013
"""What was missed is no longer at hand: session/load tells it all."""


@attrs.frozen
class Inbound:
    """What a client said. `answer` is False for a notification, which has no id."""

    id: RequestId
    answer: bool
    params: Params


_REQUESTS: dict[str, type[Params]] = {
    "initialize": InitializeParams,
    "session/new": NewSessionParams,
    "session/load": LoadParams,
    "session/resume": ResumeParams,
    "session/list": ListParams,
    "session/close": CloseParams,
    "session/delete": DeleteParams,
    "session/prompt": PromptParams,
    "session/cancel": CancelParams,
    "session/set_mode": SetModeParams,
    "session/set_config_option": SetConfigParams,
}
_NOTICES: dict[str, type[Params]] = {
    "session/cancel": CancelParams,
    "$/cancel_request": CancelRequestParams,
}


def read_frame(frame: str) -> Inbound | RpcResponse | None:
    """One text frame as what the client said; None for what needs no attention.

    That is a notification that we do not know. Raises RpcFault, whose code,
    words and id are to be sent back.
    """
    message = decode(frame)
    if isinstance(message, RpcResponse):
        return message
    if isinstance(message, RpcRequest):
        kind = _REQUESTS.get(message.method)
        if kind is None:
            known = ", ".join(_REQUESTS)
            raise RpcFault(
                METHOD_NOT_FOUND,
                f"no method {message.method[:80]!r} here; known are {known}",
                id=message.id,
            )
        return Inbound(message.id, True, _read(message.params, kind, message.id))
    if message.method in _NOTICES:
        return Inbound(None, False, _read(message.params, _NOTICES[message.method], None))
    if message.method in _REQUESTS:
        raise RpcFault(INVALID_REQUEST, f"{message.method} wants an answer, so it needs an id")
    return None


def _read(params: Mapping[str, Any], kind: type[Params], asked: RequestId) -> Params:
    try:
        return read_params(params, kind)
    except ValueError as error:
        raise RpcFault(INVALID_PARAMS, str(error), id=asked) from None
