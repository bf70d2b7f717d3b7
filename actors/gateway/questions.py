"""What the client of one connection is being asked: may this tool be run?

The first answer of any attachment counts; the session tells all when nobody
needs to answer any more, and whoever is still asked is told so. A client that
says that it does not know the question has not answered it.

A client answers once: what it said is told to the session until it is taken, and
only where that fails for long the client is asked again.
"""

from collections.abc import Callable
from typing import Any, cast

import attrs
import structlog
import trio

from ...runtime.errors import ActorDown, ActorError
from ..session.messages import Permit
from ..wire.jsonrpc import METHOD_NOT_FOUND, RpcResponse
from ..wire.session_updates import ALLOW, cancel_question
from .sessions import SessionRef

__all__ = ["Questions"]

log = structlog.get_logger("trouper.gateway")

# Tries to hand on an answer, and seconds between two: time for a full mailbox to be
# read, and for a session to begin anew, within what people wait for.
_TRIES = 10
_AGAIN = 1.0


@attrs.define(eq=False)
class _Open:
    session_id: str
    ref: SessionRef
    call_id: str
    frame: Callable[[int], str]
    answered: bool = False


class Questions:
    """The requests of ours that are open; `send` takes frames to the client."""

    __slots__ = ("_last", "_open", "_send")

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._last = 0
        self._open: dict[int, _Open] = {}

    def ask(
        self, session_id: str, ref: SessionRef, call_id: str, frame: Callable[[int], str]
    ) -> str:
        """Note a question about a call; the frame that asks it, which `frame` makes of its
        number."""
        self._last += 1
        self._open[self._last] = _Open(session_id, ref, call_id, frame)
        return frame(self._last)

    def is_open(self, session_id: str, call_id: str) -> bool:
        """Whether the client is being asked about that call."""
        return any(
            (one.session_id, one.call_id) == (session_id, call_id) for one in self._open.values()
        )

    async def answered(self, reply: RpcResponse) -> None:
        """Hand on what the client has answered."""
        id = reply.id
        if not isinstance(id, int) or (asked := self._open.get(id)) is None or asked.answered:
            return
        if reply.error is not None and reply.error.get("code") == METHOD_NOT_FOUND:
            del self._open[id]
            return
        asked.answered = True
        granted = reply.error is None and _granted(reply.result)
        if not await self._handed_on(id, asked, granted=granted) and id in self._open:
            del self._open[id]
            self._send(self.ask(asked.session_id, asked.ref, asked.call_id, asked.frame))

    async def _handed_on(self, id: int, asked: _Open, *, granted: bool) -> bool:
        """Tell the session; whether it has heard it, or need not any more."""
        for _ in range(_TRIES):
            if id not in self._open:
                return True
            try:
                await asked.ref.ask(Permit(asked.call_id, granted))
            except ActorDown:
                # A session that is gone needs no answer.
                pass
            except ActorError as error:
                log.warning("leave not handed on", session=asked.session_id, error=str(error))
                await trio.sleep(_AGAIN)
                continue
            self._open.pop(id, None)
            return True
        return False

    def settled(self, session_id: str, call_id: str) -> None:
        """Nobody needs to answer for that call any more."""
        for id, asked in list(self._open.items()):
            if (asked.session_id, asked.call_id) == (session_id, call_id):
                del self._open[id]
                if not asked.answered:
                    self._send(cancel_question(id))

    def forget(self, session_id: str) -> None:
        """Take no more answers for that session from here; others may have been asked, too."""
        self._open = {id: one for id, one in self._open.items() if one.session_id != session_id}


def _granted(result: object) -> bool:
    """Whether that is leave; whatever else it is, it is none."""
    outcome = cast("dict[str, Any]", result).get("outcome") if isinstance(result, dict) else None
    if not isinstance(outcome, dict):
        return False
    chosen = cast("dict[str, Any]", outcome)
    return chosen.get("outcome") == "selected" and chosen.get("optionId") == ALLOW
