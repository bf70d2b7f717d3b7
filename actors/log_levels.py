"""Levels of log lines, and which actors have one of their own for a while.

While none has, nobody asks who writes a line: a line that is below the level of
the process costs a call. (A processor of structlog, in front of all that make
the line.)
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict

__all__ = ["LEVELS", "ByActor", "number_of"]

LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def number_of(level: str) -> int:
    """A level as logging counts, by its name or that of structlog's method."""
    number: int = getattr(logging, {"exception": "ERROR"}.get(level, level.upper()))
    return number


class ByActor:
    """Lets a line pass where its level is that of the actor that writes it, or above.

    `levels` are by path: that of an actor counts for those below it, too, unless
    one of them has its own. All others have `level`. `acting` says who runs, ""
    where that is no actor.
    """

    def __init__(self, level: str, levels: Mapping[str, str], acting: Callable[[], str]) -> None:
        self._level = number_of(level)
        self._levels = {path: number_of(each) for path, each in levels.items()}
        self._acting = acting
        self.lowest = min(self._level, *self._levels.values())
        """The least level that anybody has, as logging counts."""

    def __call__(self, _: Any, method: str, event_dict: EventDict) -> EventDict:
        path = self._acting()
        own = self._own(path)
        if number_of(method) < (self._level if own is None else own):
            raise structlog.DropEvent
        if own is not None:
            # Many lines do not say it, and it is what was asked for.
            event_dict.setdefault("actor", path)
        return event_dict

    def _own(self, path: str) -> int | None:
        while path:
            if path in self._levels:
                return self._levels[path]
            path = path.rpartition("/")[0]
        return None
