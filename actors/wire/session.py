"""Agent Client Protocol, version 1, as far as we speak it: frames to values and back.

Sans-IO. A frame comes in as an `Inbound` or raises an `RpcFault` that is its
answer. What goes out per delta is put together by hand around the text, with
all that is constant for a session made once (`Updates`).

Not spoken yet, and not announced: session/load, resume, list and close.
Our own additions live under `_meta`, by the protocol's rule for extensions:
`trouper.dev/seq` on an update (the session's number of the last event that it
covers), `trouper.dev/assistant` on session/new (which assistant to talk to), and
`trouper.dev/reset` on a chunk of the message: all of the turn's text and thoughts
so far are void, and so is the chunk's own text, which tells this in words to
clients that do not know it. The protocol has nothing to take text back.
Shapes: agentclientprotocol.com, protocol v1.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from ..chat import Usage
from .jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Call,
    Reply,
    RequestId,
    RpcFault,
    decode,
    dump_text,
    encode_error,
    encode_result,
)
from .session_params import (
    CancelParams,
    CancelRequestParams,
    InitializeParams,
    NewSessionParams,
    Params,
    PromptParams,
    read_params,
)

__all__ = [
    "BUSY",
    "NOT_FOUND",
    "PROTOCOL_VERSION",
    "TOO_MANY",
    "TURN_FAILED",
    "Inbound",
    "Updates",
    "initialize_result",
    "new_session_result",
    "prompt_result",
    "read_frame",
    "turn_failed",
]

PROTOCOL_VERSION = 1

NOT_FOUND = -32002
"""ACP's own "resource not found": no such session."""
# Ours, in JSON-RPC's range for servers (-32099 to -32000), clear of ACP's.
TURN_FAILED = -32010
BUSY = -32011
TOO_MANY = -32012


@attrs.frozen
class Inbound:
    """What a client said. `answer` is False for a notification, which has no id."""

    id: RequestId
    answer: bool
    params: Params


_BEGINS_AGAIN = "\n\n[The answer broke off. It begins again:]\n\n"

_REQUESTS: dict[str, type[Params]] = {
    "initialize": InitializeParams,
    "session/new": NewSessionParams,
    "session/prompt": PromptParams,
    "session/cancel": CancelParams,
}
_NOTICES: dict[str, type[Params]] = {
    "session/cancel": CancelParams,
    "$/cancel_request": CancelRequestParams,
}


def read_frame(frame: str) -> Inbound | None:
    """One text frame as what the client said; None for what needs no attention.

    That is an answer (we ask nothing yet) and a notification that we do not
    know. Raises RpcFault, whose code, words and id are to be sent back.
    """
    message = decode(frame)
    if isinstance(message, Reply):
        return None
    if isinstance(message, Call):
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


def initialize_result(id: RequestId, version: str) -> str:
    """The answer to initialize; `version` is this program's."""
    capabilities: dict[str, Any] = {
        "loadSession": False,
        "promptCapabilities": {"image": False, "audio": False, "embeddedContext": False},
        "mcpCapabilities": {"http": False, "sse": False},
        "_meta": {"trouper.dev": {"v": 1}},
    }
    result: dict[str, Any] = {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": capabilities,
        "agentInfo": {"name": "trouper", "title": "Trouper", "version": version},
        "authMethods": [],
    }
    return encode_result(id, result)


def new_session_result(id: RequestId, session_id: str) -> str:
    """The answer to session/new."""
    return encode_result(id, {"sessionId": session_id})


def prompt_result(id: RequestId, stop: str, seq: int, usage: Usage | None = None) -> str:
    """The answer to session/prompt; `stop` is one of ACP's stop reasons."""
    meta: dict[str, Any] = {"trouper.dev/seq": seq}
    if usage is not None:
        # ACP's own member for it is marked unstable, so it goes where extensions go.
        meta["trouper.dev/usage"] = _tokens(usage)
    return encode_result(id, {"stopReason": stop, "_meta": meta})


def turn_failed(id: RequestId, error: str, seq: int, *, retryable: bool) -> str:
    """The answer to a session/prompt whose turn failed; `error` is for a person."""
    return encode_error(id, TURN_FAILED, error, {"retryable": retryable, "trouper.dev/seq": seq})


def _tokens(usage: Usage) -> dict[str, int | bool]:
    return {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "cachedReadTokens": usage.cache_read,
        "cachedWriteTokens": usage.cache_write,
        "thoughtTokens": usage.reasoning,
        "estimated": usage.estimated,
    }


class Updates:
    """Makes the session/update frames of one session."""

    __slots__ = ("_message", "_thought", "_usage")

    def __init__(self, session_id: str) -> None:
        head = (
            '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":'
            f'{dump_text(session_id)},"update":{{"sessionUpdate":'
        )
        text = ',"content":{"type":"text","text":'
        self._message = f'{head}"agent_message_chunk"{text}'
        self._thought = f'{head}"agent_thought_chunk"{text}'
        self._usage = f'{head}"usage_update","used":'

    def message_chunk(self, seq: int, text: str) -> str:
        """More of the answer."""
        return f'{self._message}{dump_text(text)}}},"_meta":{{"trouper.dev/seq":{seq}}}}}}}}}'

    def thought_chunk(self, seq: int, text: str) -> str:
        """More of what the model thinks aloud."""
        return f'{self._thought}{dump_text(text)}}},"_meta":{{"trouper.dev/seq":{seq}}}}}}}}}'

    def reset(self, seq: int) -> str:
        """All of the turn's answer so far is void."""
        meta = f'"_meta":{{"trouper.dev/seq":{seq},"trouper.dev/reset":true}}'
        return f"{self._message}{dump_text(_BEGINS_AGAIN)}}},{meta}}}}}}}"

    def usage(self, seq: int, used: int, window: int = 0) -> str:
        """`used` tokens of a context `window`.

        The protocol demands a window; where ours is not known (0) we say what
        is certain, that `used` fit, rather than have clients divide by zero.
        """
        size = max(used, window)
        return f'{self._usage}{used},"size":{size},"_meta":{{"trouper.dev/seq":{seq}}}}}}}}}'
