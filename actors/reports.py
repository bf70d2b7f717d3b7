"""What the runtime reports, as log lines: pass `log_event` as the observer of a program.

    async with open_app(config, observer=log_event) as app: ...

An error that we know (a TrouperError) says all in its text; any other one is a
bug, and its line carries the traceback. What happens to everybody in normal
running, a stop or a message that came too late, is for `debug`.
"""

from typing import assert_never

import structlog

from ..runtime.errors import StartFailed, SupervisorGaveUp, TrouperError
from ..runtime.events import (
    ActorStarted,
    ActorStopped,
    Announced,
    ChildCrashed,
    ChildRestarting,
    DeadLetter,
    GaveUp,
    Poisoned,
    RuntimeEvent,
    Unkillable,
)

__all__ = ["log_event"]

_log = structlog.get_logger("trouper.runtime")


def log_event(event: RuntimeEvent) -> None:
    """Write the log line of one event of the runtime."""
    match event:
        case ActorStarted(path=path, life=life):
            note = _log.debug if life == 1 else _log.info
            note("actor is ready", actor=path, life=life)
        case ActorStopped(path=path, reason=reason):
            _log.debug("actor stopped", actor=path, reason=reason)
        case ChildCrashed():
            _crashed(event)
        case ChildRestarting(path=path, life=life, delay=delay):
            _log.warning("actor restarts", actor=path, life=life, delay_s=round(delay, 3))
        case Poisoned(path=path, message=message, crashes=crashes):
            _log.error("message crashes its actor", actor=path, message=message, crashes=crashes)
        case GaveUp(path=path, restarts=restarts, period=period):
            _log.error("supervisor gave up", actor=path, restarts=restarts, period_s=period)
        case Unkillable(path=path, stack=stack):
            _log.error("actor does not end", actor=path, stack=stack)
        case DeadLetter(path=path, message=message, reason=reason):
            kind = type(message).__name__
            _log.debug("message was not handled", actor=path, message=kind, reason=str(reason))
        case Announced(path=path, level=level, msg=msg, detail=detail):
            getattr(_log, level)(msg, actor=path, detail=detail or None)
        case _:
            assert_never(event)


def _crashed(event: ChildCrashed) -> None:
    if isinstance(event.error, StartFailed | SupervisorGaveUp):
        # The way up of what a line before has told.
        _log.debug("supervisor ended", actor=event.path, error=str(event.error))
        return
    known = isinstance(event.error, TrouperError)
    _log.error(
        "actor crashed",
        actor=event.path,
        life=event.life,
        message=event.message,
        error=str(event.error) if known else None,
        exc_info=None if known else event.error,
    )
