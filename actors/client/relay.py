"""What a connection must remember, so that its client does not notice when it is another one.

Sans-IO. Frames of the client go in, those for the server come out, and the other
way round; where the connection is lost, `again` says what a new one begins with:
initialize, and for each session a resume behind the last event that the client was
told. So the client gets every update once.

A prompt whose answer died with its connection is answered by what the server tells
of its turn. One that the server has not taken is answered by an error, and not
sent again by itself: the old connection may still deliver it.

Before you edit: what the client sees must be the server's frames as they were, but
for the numbers of the server's requests, which begin at 1 on each connection.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
import orjson

from ..wire.jsonrpc import (
    RequestId,
    RpcFault,
    RpcNotification,
    RpcRequest,
    RpcResponse,
    decode,
    encode_fault,
)
from ..wire.session import EVENTS_GONE, TURN_FAILED

__all__ = ["Relay"]

# Asked again on a new connection, since that does no harm. Of the others the client
# may have been told half of the answer already, or they may have been done.
_HARMLESS: Final = (
    "session/new",
    "session/list",
    "session/close",
    "session/set_mode",
    "session/set_config_option",
)

# Begins the ids of requests of our own.
_OURS: Final = "trouper-relay-"

_EXTENSION: Final = "trouper.dev"


@attrs.define(eq=False)
class _Asked:
    """A request of the client that is not answered. `turn` is that of a prompt, once it is known;
    an `orphan` was sent over a connection that is lost."""

    frame: str
    method: str
    params: Mapping[str, Any]
    turn: int | None = None
    orphan: bool = False

    @property
    def session_id(self) -> str:
        return str(self.params.get("sessionId", ""))


@attrs.define(eq=False)
class _Question:
    """A request of the server, which came over a connection that may be `lost` by now.

    An answer is kept until the next prompt: it may have been lost with its
    connection, and then the server asks again.
    """

    session_id: str
    key: str
    server_id: RequestId
    lost: bool = False
    answer: dict[str, Any] | None = None


class Relay:
    """Stands between one client and its connections, one after the other.

    Frames that are to be sent stand in `to_server`, and those for the client in
    `to_client`; whoever sends them takes them out.
    """

    def __init__(self) -> None:
        self.to_server: deque[str] = deque()
        self.to_client: deque[str] = deque()
        self._hello: Mapping[str, Any] | None = None
        # Whether the client itself wants to be told of turns.
        self._wants_turns = False
        # The number of the last event of each session that the client was told.
        self._seen: dict[str, int] = {}
        self._asked: dict[RequestId, _Asked] = {}
        self._questions: dict[int, _Question] = {}
        self._last_question = 0
        # Our own requests that are not answered, and the session that each resumes.
        self._ours: dict[str, str | None] = {}
        self._last_ours = 0

    @property
    def is_ready(self) -> bool:
        """Whether the connection has come as far as that before; till then nothing else is to be
        sent."""
        return not self._ours

    # The client.

    def client_says(self, frame: str) -> None:
        """Take a frame of the client."""
        try:
            message = decode(frame)
        except RpcFault as fault:
            self.to_client.append(encode_fault(fault))
            return
        if isinstance(message, RpcResponse):
            self._answered(message)
        elif isinstance(message, RpcNotification):
            self.to_server.append(self._instead(message) or frame)
        else:
            if message.method == "initialize":
                frame = self._greeting(message)
            elif message.method == "session/prompt":
                self._forget_answers(str(message.params.get("sessionId", "")))
            self._asked[message.id] = _Asked(frame, message.method, message.params)
            self.to_server.append(frame)

    def _greeting(self, message: RpcRequest) -> str:
        """Initialize, with our own wish to be told of turns."""
        capabilities = _object(message.params.get("clientCapabilities"))
        meta = _object(capabilities.get("_meta"))
        self._wants_turns = _EXTENSION in meta
        capabilities = {**capabilities, "_meta": {_EXTENSION: {"v": 1}, **meta}}
        self._hello = {**message.params, "clientCapabilities": capabilities}
        return _frame({"id": message.id, "method": "initialize", "params": self._hello})

    def _instead(self, notice: RpcNotification) -> str | None:
        """What gives up a request that was sent over an earlier connection."""
        if notice.method != "$/cancel_request":
            return None
        asked = self._asked.get(notice.params.get("requestId"))
        if asked is None or not asked.orphan:
            return None
        return _frame({"method": "session/cancel", "params": {"sessionId": asked.session_id}})

    def _answered(self, reply: RpcResponse) -> None:
        question = self._questions.get(reply.id) if isinstance(reply.id, int) else None
        if question is None or question.answer is not None:
            return
        body = {"result": reply.result} if reply.error is None else {"error": reply.error}
        question.answer = body
        if not question.lost:
            self.to_server.append(_frame({"id": question.server_id, **body}))

    def _withdraw(self, question: _Question) -> None:
        """Tell the client that nobody needs its answer any more."""
        id = next(id for id, one in self._questions.items() if one is question)
        del self._questions[id]
        if question.answer is None:
            params = {"requestId": id}
            self.to_client.append(_frame({"method": "$/cancel_request", "params": params}))

    def _forget_answers(self, session_id: str) -> None:
        self._questions = {
            id: one
            for id, one in self._questions.items()
            if one.answer is None or one.session_id != session_id
        }

    # The server.

    def server_says(self, frame: str) -> None:
        """Take a frame of the server. Raises RpcFault for what is no JSON-RPC."""
        message = decode(frame)
        if isinstance(message, RpcResponse):
            self._replied(message, frame)
        elif isinstance(message, RpcRequest):
            self._questioned(message)
        else:
            self._noticed(message, frame)

    def _replied(self, reply: RpcResponse, frame: str) -> None:
        if isinstance(reply.id, str) and reply.id in self._ours:
            self._resumed(self._ours.pop(reply.id), reply)
            return
        asked = self._asked.pop(reply.id, None)
        if asked is not None and reply.error is None:
            self._learn(asked, _object(reply.result))
        self.to_client.append(frame)

    def _learn(self, asked: _Asked, result: Mapping[str, Any]) -> None:
        match asked.method:
            case "session/new":
                self._saw(str(result.get("sessionId", "")), 0)
            case "session/load" | "session/resume":
                self._seen.pop(asked.session_id, None)
                self._saw(asked.session_id, _seq(result))
            case "session/prompt":
                self._saw(asked.session_id, _seq(result))
            case "session/close" | "session/delete":
                self._seen.pop(asked.session_id, None)
            case _:
                pass

    def _saw(self, session_id: str, seq: int) -> None:
        self._seen[session_id] = max(seq, self._seen.get(session_id, 0))

    def _questioned(self, call: RpcRequest) -> None:
        tool = _object(call.params.get("toolCall")).get("toolCallId")
        key = f"{call.method} {call.params.get('sessionId')} {tool}"
        for question in list(self._questions.values()):
            if question.lost and question.key == key:
                question.server_id, question.lost = call.id, False
                if question.answer is not None:
                    self.to_server.append(_frame({"id": call.id, **question.answer}))
                return
        self._last_question += 1
        self._questions[self._last_question] = _Question(
            str(call.params.get("sessionId", "")), key, call.id
        )
        body = {"id": self._last_question, "method": call.method, "params": call.params}
        self.to_client.append(_frame(body))

    def _noticed(self, notice: RpcNotification, frame: str) -> None:
        params = notice.params
        if notice.method == "$/cancel_request":
            for question in list(self._questions.values()):
                if not question.lost and question.server_id == params.get("requestId"):
                    self._withdraw(question)
            return
        session_id = str(params.get("sessionId", ""))
        if session_id in self._seen:
            self._saw(session_id, _seq(_object(params.get("update"))) or _seq(params))
        if notice.method == "_trouper.dev/turn":
            self._turned(session_id, params)
            if not self._wants_turns:
                return
        self.to_client.append(frame)

    def _turned(self, session_id: str, params: Mapping[str, Any]) -> None:
        """A turn has begun or ended: maybe that of a prompt whose answer will not come."""
        for id, asked in list(self._asked.items()):
            if asked.method != "session/prompt" or asked.session_id != session_id:
                continue
            if asked.turn is None:
                asked.turn = params.get("turn")
            if asked.orphan and asked.turn == params.get("turn"):
                self._end(id, params)

    def _end(self, id: RequestId, turn: Mapping[str, Any]) -> None:
        if turn.get("state") != "ended":
            return
        del self._asked[id]
        if "error" in turn:
            body: dict[str, Any] = {"error": turn["error"]}
        else:
            meta = _object(turn.get("_meta"))
            body = {"result": {"stopReason": turn.get("stopReason"), "_meta": meta}}
        self.to_client.append(_frame({"id": id, **body}))

    # Another connection.

    def lost(self) -> None:
        """The connection is gone, and with it all that was under way on it."""
        self.to_server.clear()
        self._ours.clear()
        for asked in self._asked.values():
            asked.orphan = True
        for question in self._questions.values():
            question.lost = True

    def again(self) -> None:
        """Begin on a new connection where the last one has ended."""
        if self._hello is None:
            return
        first = next((one for one in self._asked.values() if one.method == "initialize"), None)
        if first is not None:
            first.orphan = False
            self.to_server.append(first.frame)
        else:
            self._ask("initialize", self._hello, None)
        for session_id, seq in self._seen.items():
            self._resume(session_id, {"trouper.dev/afterSeq": seq})
        for id, asked in list(self._asked.items()):
            if asked.orphan and asked.method in _HARMLESS:
                asked.orphan = False
                self.to_server.append(asked.frame)
            elif asked.orphan and not (
                asked.method == "session/prompt" and asked.session_id in self._seen
            ):
                self._fail(id, "the connection was lost before the server had answered; ask again")

    def _ask(self, method: str, params: Mapping[str, Any], session_id: str | None) -> None:
        self._last_ours += 1
        id = f"{_OURS}{self._last_ours}"
        self._ours[id] = session_id
        self.to_server.append(_frame({"id": id, "method": method, "params": params}))

    def _resume(self, session_id: str, meta: Mapping[str, int]) -> None:
        params = {"sessionId": session_id, "cwd": "/", "mcpServers": [], "_meta": meta}
        self._ask("session/resume", params, session_id)

    def _resumed(self, session_id: str | None, reply: RpcResponse) -> None:
        if session_id is None:
            return
        for question in list(self._questions.values()):
            # It would have been asked again.
            if question.lost and question.session_id == session_id:
                self._withdraw(question)
        prompts = [
            (id, asked)
            for id, asked in self._asked.items()
            if asked.orphan and asked.session_id == session_id
        ]
        if reply.error is None:
            meta = _object(_object(reply.result).get("_meta"))
            self._saw(session_id, _seq(_object(reply.result)))
            for id, asked in prompts:
                if asked.turn is None:
                    self._fail(id, "the connection was lost before the server took this; ask again")
                elif meta.get("trouper.dev/turn") != asked.turn:
                    self._fail(id, "the end of this turn was lost with the connection; load it")
        elif reply.error.get("code") == EVENTS_GONE and session_id in self._seen:
            # Go on without what was missed, rather than not at all.
            self._seen[session_id] = 0
            self._resume(session_id, {})
        else:
            self._seen.pop(session_id, None)
            for id, _ in prompts:
                del self._asked[id]
                self.to_client.append(_frame({"id": id, "error": reply.error}))

    def _fail(self, id: RequestId, words: str) -> None:
        del self._asked[id]
        error = {"code": TURN_FAILED, "message": words, "data": {"retryable": True}}
        self.to_client.append(_frame({"id": id, "error": error}))


def _frame(body: Mapping[str, Any]) -> str:
    return orjson.dumps({"jsonrpc": "2.0", **body}).decode()


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _seq(body: Mapping[str, Any]) -> int:
    seq = _object(body.get("_meta")).get("trouper.dev/seq")
    return seq if isinstance(seq, int) else 0
