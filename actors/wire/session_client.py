"""The client's side of what wire/session.py serves: calls to frames, and frames to values.

Sans-IO. Reading is lenient where wire/session.py is strict: a server may say
more than we know, and what we do not know is None rather than a fault. Shapes:
agentclientprotocol.com, protocol v1.
"""

from collections.abc import Mapping
from typing import Any, cast

import attrs
import orjson

from .jsonrpc import Notice, Reply, decode
from .session import PROTOCOL_VERSION

__all__ = [
    "Answered",
    "Refused",
    "Update",
    "cancel_notice",
    "initialize_call",
    "new_session_call",
    "prompt_call",
    "read_server_frame",
]


@attrs.frozen
class Update:
    """More of an answer's text, or of what the model thinks aloud.

    `seq` is the number of the last event of the session that it covers; 0
    where the server does not say. With `reset` it takes back all that the turn
    has said and thought, and has no text.
    """

    session_id: str
    text: str
    thought: bool
    seq: int
    reset: bool = False


@attrs.frozen
class Answered:
    """The result of our request number `id`."""

    id: int
    result: Mapping[str, Any] = attrs.field(hash=False)


@attrs.frozen
class Refused:
    """Our request number `id` was answered by an error; `message` is the server's, unwashed."""

    id: int
    code: int
    message: str
    retryable: bool


def initialize_call(id: int, version: str) -> str:
    """The first request; `version` is this program's."""
    info = {"name": "trouper-chat", "title": "trouper chat", "version": version}
    return _call(id, "initialize", protocolVersion=PROTOCOL_VERSION, clientInfo=info)


def new_session_call(id: int, cwd: str, assistant: str = "") -> str:
    """Open a session with `assistant`; "" is the server's default. ACP demands a `cwd`."""
    meta = {"_meta": {"trouper.dev/assistant": assistant}} if assistant else {}
    return _call(id, "session/new", cwd=cwd, mcpServers=[], **meta)


def prompt_call(id: int, session_id: str, text: str) -> str:
    """Begin a turn; the answer comes when it has ended. `text` has no lone surrogates."""
    blocks = [{"type": "text", "text": text}]
    return _call(id, "session/prompt", sessionId=session_id, prompt=blocks)


def cancel_notice(session_id: str) -> str:
    """End the running turn."""
    return _frame({"method": "session/cancel", "params": {"sessionId": session_id}})


def read_server_frame(frame: str) -> Update | Answered | Refused | None:
    """One frame of the server; None for what we have no use for.

    Raises RpcFault for what is no JSON-RPC.
    """
    message = decode(frame)
    if isinstance(message, Reply):
        return _answer(message)
    if isinstance(message, Notice) and message.method == "session/update":
        return _update(message.params)
    return None


def _call(id: int, method: str, **params: Any) -> str:
    return _frame({"id": id, "method": method, "params": params})


def _frame(body: dict[str, Any]) -> str:
    return orjson.dumps({"jsonrpc": "2.0", **body}).decode()


def _answer(reply: Reply) -> Answered | Refused | None:
    if not isinstance(reply.id, int):
        return None
    if reply.error is None:
        return Answered(reply.id, _object(reply.result))
    code, message = reply.error.get("code"), reply.error.get("message")
    return Refused(
        reply.id,
        code if isinstance(code, int) else 0,
        message if isinstance(message, str) else "the server does not say why",
        _object(reply.error.get("data")).get("retryable") is True,
    )


def _update(params: Mapping[str, Any]) -> Update | None:
    session_id, update = params.get("sessionId"), _object(params.get("update"))
    kind, text = update.get("sessionUpdate"), _object(update.get("content")).get("text")
    if kind not in ("agent_message_chunk", "agent_thought_chunk"):
        return None
    if not isinstance(session_id, str) or not isinstance(text, str):
        return None
    meta = _object(update.get("_meta"))
    seq = meta.get("trouper.dev/seq")
    seq = seq if isinstance(seq, int) else 0
    if meta.get("trouper.dev/reset") is True:
        return Update(session_id, "", False, seq, reset=True)
    return Update(session_id, text, kind == "agent_thought_chunk", seq)


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
