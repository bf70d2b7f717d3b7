"""What a client is answered where a session, or its house, refuses."""

from ...runtime.errors import ActorDown, ActorError, MailboxFull
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

_CODES: tuple[tuple[type[ActorError], int], ...] = (
    (UnknownAssistant, INVALID_PARAMS),
    (UnknownModel, INVALID_PARAMS),
    (UnknownSession, NOT_FOUND),
    (ActorDown, NOT_FOUND),
    (TurnInProgress, BUSY),
    (MailboxFull, TOO_MANY),
    (TooManySessions, TOO_MANY),
    (EventsGone, EVENTS_GONE),
    (SessionError, TURN_FAILED),
)


def refused(id: RequestId, error: ActorError) -> RpcFault:
    """What to answer request `id` where a session or its house refused by `error`."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), INTERNAL_ERROR)
    words = str(error)
    if isinstance(error, EventsGone):
        words = (
            f"session {error.session}: what happened behind number {error.after} is no longer "
            "at hand; use session/load, which tells the whole conversation"
        )
    return RpcFault(code, words, id=id)
