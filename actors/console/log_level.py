"""Another log level for a while: it goes back by itself, because nobody remembers to."""

from typing import Any, NoReturn

import trio

from ..logs import LEVELS, change_level, current_level

__all__ = ["LogLevel"]


class LogLevel:
    """Changes the level of the process, and changes it back. `run` must be running somewhere."""

    def __init__(self) -> None:
        self._before: str | None = None
        self._until = 0.0
        self._news = trio.Event()

    def change(self, level: str, seconds: float, *, dry: bool = False) -> dict[str, Any]:
        """Log from `level` on for so many seconds; what it was, and will be again.

        Raises ValueError where there is no such level, or logging is not ours.
        """
        now = current_level()
        if now is None:
            raise ValueError("the program has set up its logging by itself")
        if level not in LEVELS:
            raise ValueError(f"no log level {level!r}; known: {', '.join(LEVELS)}")
        before = self._before or now
        if not dry:
            change_level(level)
            self._before = before
            self._until = trio.current_time() + seconds
            self._news.set()
        return {"level": level, "was": now, "then": before, "seconds": seconds}

    async def run(self) -> NoReturn:
        """Change it back in time, for ever; at the end at once."""
        try:
            while True:
                await self._news.wait()
                while trio.current_time() < self._until:  # noqa: ASYNC110 - it may be put off
                    await trio.sleep_until(self._until)
                self._news = trio.Event()
                self._back()
        finally:
            self._back()

    def _back(self) -> None:
        before, self._before = self._before, None
        if before is not None and current_level() is not None:
            change_level(before)
