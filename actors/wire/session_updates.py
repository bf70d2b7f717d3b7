"""What happens in a session, and what is asked of its clients, as frames of the Agent Client Protocol.

Sans-IO. What goes out per delta is put together by hand around the text, with all
that is constant for a session made once. Shapes: agentclientprotocol.com, protocol v1.
"""

from typing import Any, Final

import orjson

from .encoded import dump_json
from .jsonrpc import dump_text
from .session import TURN_FAILED
from .session_results import Choices, Chosen, config_options

__all__ = ["ALLOW", "REJECT", "Updates", "cancel_question", "tool_call_id"]

_BEGINS_AGAIN: Final = "\n\n[The answer broke off. It begins again:]\n\n"

ALLOW: Final = "allow"
"""The option that grants."""
REJECT: Final = "reject"

_OPTIONS: Final = (
    {"optionId": ALLOW, "name": "Allow once", "kind": "allow_once"},
    {"optionId": REJECT, "name": "Reject", "kind": "reject_once"},
)

# Characters that a client is shown of a tool's arguments and result: an eighth of
# what may wait for a slow reader.
_MOST_SHOWN: Final = 32 * 1024

# Levels of a tool's arguments that a client is shown as JSON: what reads 128 of them, as
# Rust's serde_json does, reads the frame around them, too. Ours is written to 254.
_DEEPEST: Final = 100


def tool_call_id(turn: int, call_id: str) -> str:
    """The id of a call, which must be the session's own: some models number theirs from 0 in
    each turn."""
    return f"{turn}/{call_id}"


def cancel_question(id: int) -> str:
    """Nobody needs to answer our request `id` any more."""
    return f'{{"jsonrpc":"2.0","method":"$/cancel_request","params":{{"requestId":{id}}}}}'


class Updates:
    """Makes the frames that tell of one session."""

    __slots__ = ("_head", "_id", "_message", "_thought", "_usage")

    def __init__(self, session_id: str) -> None:
        self._id = session_id
        self._head = (
            '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":'
            f'{dump_text(session_id)},"update":'
        )
        update = f'{self._head}{{"sessionUpdate":'
        text = ',"content":{"type":"text","text":'
        self._message = f'{update}"agent_message_chunk"{text}'
        self._thought = f'{update}"agent_thought_chunk"{text}'
        self._usage = f'{update}"usage_update","used":'

    # An answer.

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

    def usage(self, seq: int, used: int, window: int = 0, cost: int | None = None) -> str:
        """`used` tokens of a context `window`, and what the session has cost, in nano-dollars.

        The protocol demands a window; where ours is not known (0) we say what
        is certain, that `used` fit, rather than have clients divide by zero.
        """
        size = max(used, window)
        price = "" if cost is None else f',"cost":{{"amount":{cost / 1e9!r},"currency":"USD"}}'
        meta = f'"_meta":{{"trouper.dev/seq":{seq}}}'
        return f'{self._usage}{used},"size":{size}{price},{meta}}}}}}}'

    # Tools.

    def tool_called(self, seq: int, turn: int, call_id: str, name: str, arguments: str) -> str:
        """The model wants tool `name` to be run; `arguments` is JSON as it wrote it."""
        body = self.tool_call(turn, call_id, name, arguments)
        return self._update("tool_call", seq, {**body, "status": "in_progress"})

    def tool_call(self, turn: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
        """The members of a tool call that no status changes."""
        return {
            "toolCallId": tool_call_id(turn, call_id),
            "title": name,
            "kind": "other",
            "rawInput": _arguments(arguments),
        }

    def tool_status(self, seq: int, turn: int, call_id: str, status: str) -> str:
        """A call waits (pending), or is run (in_progress)."""
        body = {"toolCallId": tool_call_id(turn, call_id), "status": status}
        return self._update("tool_call_update", seq, body)

    def tool_progressed(
        self, seq: int, turn: int, call_id: str, text: str, done: float | None = None
    ) -> str:
        """A call has come further; `done` is the share of it that is done."""
        body = {
            "toolCallId": tool_call_id(turn, call_id),
            "status": "in_progress",
            "content": _content(text),
        }
        extra = {} if done is None else {"trouper.dev/done": done}
        return self._update("tool_call_update", seq, body, extra)

    def tool_ended(self, seq: int, turn: int, call_id: str, text: str, *, is_error: bool) -> str:
        """A call has its result."""
        body = self.tool_result(turn, call_id, text, is_error=is_error)
        return self._update("tool_call_update", seq, body)

    def tool_result(self, turn: int, call_id: str, text: str, *, is_error: bool) -> dict[str, Any]:
        """The members of a tool call that its end sets."""
        return {
            "toolCallId": tool_call_id(turn, call_id),
            "status": "failed" if is_error else "completed",
            "content": _content(text),
        }

    def permission(
        self, id: int, seq: int, turn: int, call_id: str, name: str, arguments: str
    ) -> str:
        """Our request `id`: may this call be run?"""
        call = self.tool_call(turn, call_id, name, arguments)
        params = {
            "sessionId": self._id,
            "toolCall": {**call, "status": "pending"},
            "options": _OPTIONS,
            "_meta": {"trouper.dev/seq": seq},
        }
        body = {
            "jsonrpc": "2.0",
            "id": id,
            "method": "session/request_permission",
            "params": params,
        }
        return dump_json(body).decode()

    # The session.

    def mode(self, seq: int, assistant: str) -> str:
        """Another assistant answers."""
        return self._update("current_mode_update", seq, {"currentModeId": assistant})

    def config(self, seq: int, choices: Choices, chosen: Chosen) -> str:
        """Something else is chosen."""
        options = config_options(choices, chosen)
        return self._update("config_option_update", seq, {"configOptions": options})

    def title(self, seq: int, title: str) -> str:
        """The session is called that."""
        return self._update("session_info_update", seq, {"title": title})

    def turn_started(self, seq: int, turn: int) -> str:
        """Our extension: a turn has been accepted."""
        return self._turn(seq, turn, {"state": "running"})

    def turn_ended(self, seq: int, turn: int, stop: str) -> str:
        """Our extension: a turn is over; `stop` is one of ACP's stop reasons."""
        return self._turn(seq, turn, {"state": "ended", "stopReason": stop})

    def turn_failed(self, seq: int, turn: int, error: str, *, retryable: bool) -> str:
        """Our extension: a turn has failed; the same is answered to its prompt."""
        data = {"retryable": retryable, "trouper.dev/seq": seq}
        told = {"code": TURN_FAILED, "message": error, "data": data}
        return self._turn(seq, turn, {"state": "ended", "error": told})

    def _turn(self, seq: int, turn: int, more: dict[str, Any]) -> str:
        params = {
            "sessionId": self._id,
            "turn": turn,
            **more,
            "_meta": {"trouper.dev/seq": seq},
        }
        body = {"jsonrpc": "2.0", "method": "_trouper.dev/turn", "params": params}
        return dump_json(body).decode()

    # What was before.

    def replayed_chunk(self, kind: str, block: str) -> str:
        """A content block (JSON) of long ago; `kind` is whose: user_message_chunk and so on."""
        return (
            f'{self._head}{{"sessionUpdate":"{kind}","content":{block},'
            '"_meta":{"trouper.dev/replayed":true}}}}'
        )

    def replayed(self, kind: str, body: dict[str, Any]) -> str:
        """An update of long ago."""
        update = {"sessionUpdate": kind, **body, "_meta": {"trouper.dev/replayed": True}}
        return f"{self._head}{dump_json(update).decode()}}}}}"

    def _update(
        self, kind: str, seq: int, body: dict[str, Any], meta: dict[str, Any] | None = None
    ) -> str:
        update = {
            "sessionUpdate": kind,
            **body,
            "_meta": {"trouper.dev/seq": seq, **(meta or {})},
        }
        return f"{self._head}{dump_json(update).decode()}}}}}"


def _arguments(arguments: str) -> Any:
    """The arguments as JSON; what the model wrote, where that is none, or is too long or nested
    too deeply to show."""
    if len(arguments) > _MOST_SHOWN:
        return _shown(arguments)
    try:
        value = orjson.loads(arguments)
    except ValueError:
        return arguments
    return arguments if _is_deep(value) else value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _content(text: str) -> list[dict[str, Any]]:
    return [{"type": "content", "content": {"type": "text", "text": _shown(text)}}]


def _shown(text: str) -> str:
    left = len(text) - _MOST_SHOWN
    return text if left <= 0 else f"{text[:_MOST_SHOWN]}\n[and {left:,} characters more]"
