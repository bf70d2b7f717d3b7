"""What has happened of late, for operators: a bounded log of the runtime's events and our own.

Ten thousand conversations that come and go would push out the one crash that
matters, so what is of note has a log of its own.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs

from ...runtime.events import (
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
from ..redaction import printable, redact_text

__all__ = ["Event", "EventLog", "Level", "shown_error", "told"]

Level = Literal["debug", "info", "warning", "error"]

_KEPT = 500
_ERROR_LIMIT = 500


@attrs.frozen
class Event:
    """One thing that has happened. `at` is in seconds since 1970; `n` counts from 1."""

    n: int
    at: float
    level: Level
    msg: str
    path: str
    detail: str

    def frame(self) -> dict[str, Any]:
        """As the feed tells it."""
        return attrs.asdict(self)


class EventLog:
    """The last events: so many of note, and so many of all. `wall` tells the seconds since 1970."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._count = 0
        self._all: deque[Event] = deque(maxlen=_KEPT)
        self._notable: deque[Event] = deque(maxlen=_KEPT)

    @property
    def count(self) -> int:
        """How many there have been."""
        return self._count

    def note(self, level: Level, msg: str, path: str = "", detail: str = "") -> Event:
        """Keep one more. `detail` is cleaned and cut."""
        self._count += 1
        detail = printable(redact_text(detail[: _ERROR_LIMIT * 8]))[:_ERROR_LIMIT]
        event = Event(self._count, self._wall(), level, msg, path, detail)
        (self._all if level in ("debug", "info") else self._notable).append(event)
        return event

    def since(self, number: int) -> Iterator[Event]:
        """Those after that number which are still there, oldest first."""
        both = [event for log in (self._all, self._notable) for event in log if event.n > number]
        both.sort(key=lambda event: event.n)
        yield from both

    def observe(self, event: RuntimeEvent) -> None:
        """Keep what the runtime reports: an Observer of a System."""
        if not isinstance(event, DeadLetter):  # which have their own place
            self.note(*told(event))


def told(event: RuntimeEvent) -> tuple[Level, str, str, str]:
    """Level, phrase, path and detail of an event of the runtime."""
    match event:
        case ActorStarted(path=path, life=life):
            return "debug", "actor started", path, f"life {life}"
        case ActorStopped(path=path, reason=reason):
            return "debug", "actor stopped", path, reason
        case ChildCrashed(path=path, error=error, message=message):
            of = f" with {message} in hand" if message else ""
            return "error", "actor crashed", path, f"{shown_error(error)}{of}"
        case ChildRestarting(path=path, life=life, delay=delay):
            return "info", "actor restarts", path, f"life {life} begins in {delay:.1f} s"
        case Poisoned(path=path, message=message, crashes=crashes):
            return "error", "actor poisoned", path, f"{message} crashed it {crashes} times in a row"
        case GaveUp(path=path, restarts=restarts, period=period):
            said = f"more than {restarts} crashes in {period:g} s"
            return "error", "supervisor gave up", path, said
        case Unkillable(path=path, stack=stack):
            return "error", "actor does not end", path, stack[-1] if stack else ""
        case DeadLetter(path=path, message=message, reason=reason):
            return "warning", "dead letter", path, f"{type(message).__name__}: {reason.value}"
        case Announced(path=path, level=level, msg=msg, detail=detail):
            return level, msg, path, detail


def shown_error(error: BaseException) -> str:
    """Type and words of an error, in one line."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - a fault in the words must not hide the fault itself
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
