"""Other log levels for a while: they go back by themselves, because nobody remembers to."""

from collections.abc import Callable
from math import inf
from typing import Any, NoReturn

import attrs
import trio

from ..log_levels import LEVELS, ByActor
from ..logs import change_level, current_level

__all__ = ["LogLevel"]

# Actors that have a level of their own at once: one looks at a few.
_MOST = 32


@attrs.frozen
class _For:
    level: str
    until: float


class LogLevel:
    """Changes the level of the process, or of some of its actors, and changes it back.

    `acting` says which actor runs. `run` must be running somewhere.
    """

    def __init__(self, acting: Callable[[], str]) -> None:
        self._acting = acting
        self._before: str | None = None
        # By path; "" is the whole process.
        self._changed: dict[str, _For] = {}
        self._news = trio.Event()

    def change(
        self, level: str, seconds: float, *, path: str = "", dry: bool = False
    ) -> dict[str, Any]:
        """Log from `level` on for so many seconds; what it was, and will be again.

        With `path` only what the actor there logs, and those below it. Raises
        ValueError where there is no such level, logging is not ours, or too many
        have levels of their own.
        """
        now = current_level()
        if now is None:
            raise ValueError("the program has set up its logging by itself")
        if level not in LEVELS:
            raise ValueError(f"no log level {level!r}; known: {', '.join(LEVELS)}")
        if len(self._changed.keys() | {path}) > _MOST:
            raise ValueError(f"{_MOST} actors have levels of their own; wait until one goes back")
        before = self._before or now
        was = self._level(path) or now
        # Without its own, it has that of the next one above it, in the end that of the process.
        then = before if not path else self._level(path.rpartition("/")[0]) or now
        if not dry:
            self._before = before
            self._changed[path] = _For(level, trio.current_time() + seconds)
            self._apply()
            self._news.set()
        return {"level": level, "was": was, "then": then, "seconds": seconds}

    async def run(self) -> NoReturn:
        """Change them back in time, for ever; at the end at once."""
        try:
            while True:
                with trio.move_on_at(
                    min((one.until for one in self._changed.values()), default=inf)
                ):
                    await self._news.wait()
                self._news = trio.Event()
                self._end(trio.current_time())
        finally:
            self._end(inf)

    def _level(self, path: str) -> str | None:
        while path not in self._changed and path:
            path = path.rpartition("/")[0]
        found = self._changed.get(path)
        return None if found is None else found.level

    def _end(self, now: float) -> None:
        over = [path for path, one in self._changed.items() if one.until <= now]
        for path in over:
            del self._changed[path]
        if over and current_level() is not None:
            self._apply()

    def _apply(self) -> None:
        assert self._before is not None
        levels = {path: one.level for path, one in self._changed.items()}
        level = levels.pop("", self._before)
        change_level(level, ByActor(level, levels, self._acting) if levels else None)
        if not self._changed:
            self._before = None
