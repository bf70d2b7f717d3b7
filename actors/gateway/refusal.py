"""What a client is answered where a session, or its house, refuses.

A refusal of a session says itself what happened and what to do. What comes of the
runtime or of the store names actors, files and lines of ours: the log has that, by
the session's path, and the client fixed words.
"""

from typing import Final

import structlog

from ...runtime.errors import ActorDown, ActorError, ActorUnavailable, AskTimeout, MailboxFull
from ..errors import (
    EventsGone,
    SessionError,
    TooManySessions,
    TurnInProgress,
    UnknownAssistant,
    UnknownModel,
    UnknownSession,
)
from ..wire.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RequestId, RpcFault
from ..wire.session import BUSY, EVENTS_GONE, NOT_FOUND, TOO_MANY, TURN_FAILED

__all__ = ["refused"]

log = structlog.get_logger("trouper.gateway")

_CODES: Final[tuple[tuple[type[SessionError], int], ...]] = (
    (UnknownAssistant, INVALID_PARAMS),
    (UnknownModel, INVALID_PARAMS),
    (UnknownSession, NOT_FOUND),
    (TurnInProgress, BUSY),
    (TooManySessions, TOO_MANY),
    (EventsGone, EVENTS_GONE),
)

_BUSY_NOW: Final = "the server does not keep up with it; try again in some seconds"
_IN_OTHER_WORDS: Final[tuple[tuple[type[ActorError], tuple[int, str]], ...]] = (
    (ActorDown, (NOT_FOUND, "the conversation has ended; load it, or open another one")),
    (MailboxFull, (TOO_MANY, _BUSY_NOW)),
    (AskTimeout, (INTERNAL_ERROR, _BUSY_NOW)),
    (ActorUnavailable, (INTERNAL_ERROR, "it begins anew after a fault; try again in some seconds")),
)
_FAULT: Final = (INTERNAL_ERROR, "a fault in the server; it has been logged")


def refused(id: RequestId, error: ActorError) -> RpcFault:
    """What to answer request `id` where a session or its house refused by `error`."""
    if not isinstance(error, SessionError):
        code, words = next(
            (told for kind, told in _IN_OTHER_WORDS if isinstance(error, kind)), _FAULT
        )
        log.warning("request refused", told=words, error=str(error), kind=type(error).__name__)
        return RpcFault(code, words, id=id)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), TURN_FAILED)
    words = str(error)
    if isinstance(error, EventsGone):
        words = (
            f"session {error.session}: what happened behind number {error.after} is no longer "
            "at hand; use session/load, which tells the whole conversation"
        )
    return RpcFault(code, words, id=id)
