"""The client's side of what wire/session.py serves: calls to frames, and frames to values.

Sans-IO. Reading is lenient where wire/session.py is strict: a server may say
more than we know, and what we do not know is None rather than a fault. Shapes:
agentclientprotocol.com, protocol v1.
"""

from collections.abc import Mapping
from typing import Any, cast

import attrs
import orjson

from .jsonrpc import RequestId, RpcNotification, RpcRequest, RpcResponse, decode
from .session import PROTOCOL_VERSION

__all__ = [
    "Answered",
    "Asked",
    "News",
    "Refused",
    "ToolNews",
    "Update",
    "UserSaid",
    "cancel_notice",
    "initialize_call",
    "load_session_call",
    "new_session_call",
    "permission_answer",
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
class UserSaid:
    """What was said to the assistant, in a conversation that is told from its beginning."""

    session_id: str
    text: str


@attrs.frozen(kw_only=True)
class ToolNews:
    """A tool is to be run, or is further: `status` is ACP's word (pending, in_progress, completed,
    failed). `name` and `arguments` (JSON) are there when it is told of first, `text` later."""

    session_id: str
    call_id: str
    status: str
    seq: int
    is_new: bool
    name: str = ""
    arguments: str = ""
    text: str = ""


@attrs.frozen(kw_only=True)
class Asked:
    """The server's request `id`: may this tool be run? `allow` and `reject` are its two answers."""

    session_id: str
    id: RequestId
    call_id: str
    name: str
    arguments: str
    seq: int
    allow: str
    reject: str


News = Update | UserSaid | ToolNews | Asked


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


def load_session_call(id: int, session_id: str, cwd: str) -> str:
    """Have a session told from its beginning."""
    return _call(id, "session/load", sessionId=session_id, cwd=cwd, mcpServers=[])


def cancel_notice(session_id: str) -> str:
    """End the running turn."""
    return _frame({"method": "session/cancel", "params": {"sessionId": session_id}})


def permission_answer(asked: Asked, *, granted: bool) -> str:
    """Whether that tool may be run."""
    chosen = asked.allow if granted else asked.reject
    outcome = {"outcome": "selected", "optionId": chosen}
    return _frame({"id": asked.id, "result": {"outcome": outcome}})


def read_server_frame(frame: str) -> News | Answered | Refused | None:
    """One frame of the server; None for what we have no use for.

    Raises RpcFault for what is no JSON-RPC.
    """
    message = decode(frame)
    if isinstance(message, RpcResponse):
        return _answer(message)
    if isinstance(message, RpcRequest):
        return _asked(message) if message.method == "session/request_permission" else None
    return _news(message) if message.method == "session/update" else None


def _call(id: int, method: str, **params: Any) -> str:
    return _frame({"id": id, "method": method, "params": params})


def _frame(body: dict[str, Any]) -> str:
    return orjson.dumps({"jsonrpc": "2.0", **body}).decode()


def _answer(reply: RpcResponse) -> Answered | Refused | None:
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


def _asked(call: RpcRequest) -> Asked | None:
    session_id, tool = call.params.get("sessionId"), _object(call.params.get("toolCall"))
    call_id, options = tool.get("toolCallId"), call.params.get("options")
    if not (isinstance(session_id, str) and isinstance(call_id, str)):
        return None
    offered = [_object(option) for option in _list(options)]
    chosen = {str(one.get("kind")): str(one.get("optionId")) for one in offered}
    return Asked(
        session_id=session_id,
        id=call.id,
        call_id=call_id,
        name=_text(tool.get("title")),
        arguments=_json(tool.get("rawInput")),
        seq=_seq(call.params),
        allow=chosen.get("allow_once", "allow"),
        reject=chosen.get("reject_once", "reject"),
    )


def _news(notice: RpcNotification) -> News | None:
    session_id, update = notice.params.get("sessionId"), _object(notice.params.get("update"))
    if not isinstance(session_id, str):
        return None
    kind = update.get("sessionUpdate")
    if kind in ("tool_call", "tool_call_update"):
        return _tool(session_id, update, is_new=kind == "tool_call")
    text = _object(update.get("content")).get("text")
    if not isinstance(text, str):
        return None
    if kind == "user_message_chunk":
        return UserSaid(session_id, text)
    if kind not in ("agent_message_chunk", "agent_thought_chunk"):
        return None
    seq = _seq(update)
    if _object(update.get("_meta")).get("trouper.dev/reset") is True:
        return Update(session_id, "", False, seq, reset=True)
    return Update(session_id, text, kind == "agent_thought_chunk", seq)


def _tool(session_id: str, update: Mapping[str, Any], *, is_new: bool) -> ToolNews | None:
    call_id, content = update.get("toolCallId"), update.get("content")
    if not isinstance(call_id, str):
        return None
    texts = [_text(_object(_object(block).get("content")).get("text")) for block in _list(content)]
    return ToolNews(
        session_id=session_id,
        call_id=call_id,
        status=_text(update.get("status")),
        seq=_seq(update),
        is_new=is_new,
        name=_text(update.get("title")),
        arguments=_json(update["rawInput"]) if "rawInput" in update else "",
        text="\n".join(text for text in texts if text),
    )


def _seq(body: Mapping[str, Any]) -> int:
    seq = _object(body.get("_meta")).get("trouper.dev/seq")
    return seq if isinstance(seq, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(value: object) -> str:
    """Arguments as the model wrote them, nearly; what is no JSON comes as it is."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
