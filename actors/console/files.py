"""A file of lines that does not grow for ever: when it is full, it is set aside and begun anew."""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import structlog
import trio

__all__ = ["Lines"]

_log = structlog.get_logger("trouper.console")

# Bytes of one file, and how many are kept beside it: hundreds of crashes with their tracebacks.
_FULL = 1_000_000
_KEPT = 2

# Lines that wait for the disk. More at once are a storm, of which the first ones tell.
_WAITING = 256


class Lines:
    """JSON lines at `path`, written by `run` in a thread, so that no disk holds up the loop.

    `path` None keeps nothing. The files can be read by their owner alone. Lines that are lost
    leave a line that says how many, and `on_lost` is told.
    """

    def __init__(
        self,
        path: Path | None,
        full: int = _FULL,
        kept: int = _KEPT,
        on_lost: Callable[[str], object] | None = None,
    ) -> None:
        self.path = path
        self._on_lost = on_lost
        self._gap = 0
        self._full = full
        self._kept = kept
        self._waiting: deque[str] = deque()
        self._news = trio.Event()
        self.lost = 0
        """Lines that were not written: too many at once, or the disk would not have them."""

    def add(self, line: Mapping[str, Any]) -> None:
        """Write one more, soon."""
        if self.path is None:
            return
        if len(self._waiting) >= _WAITING:
            self._lose(1)
            return
        self._waiting.append(json.dumps(line, ensure_ascii=False, default=str))
        self._news.set()

    async def run(self) -> NoReturn:
        """Write, for ever; what waits at the end is written, too."""
        try:
            while True:
                await self._news.wait()
                self._news = trio.Event()
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, now."""
        lines, self._waiting = list(self._waiting), deque()
        if not lines or self.path is None:
            return
        gap, self._gap = self._gap, 0
        if gap:
            said = f"{gap} lines of {self.path.name} were lost"
            if self._on_lost is not None:
                self._on_lost(said)
            _log.warning("console file has a gap", file=str(self.path), lines=gap)
            lost = {"at": round(time.time(), 3), "msg": "lines lost", "n": gap}
            lines.append(json.dumps(lost))
        try:
            # Shielded, or what was taken out is lost.
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._append, self.path, "\n".join(lines) + "\n")
        except OSError as error:
            self._gap += gap
            self._lose(len(lines) - bool(gap))
            _log.warning("console file cannot be written", file=str(self.path), error=str(error))

    def _lose(self, count: int) -> None:
        self.lost += count
        self._gap += count

    def _append(self, path: Path, text: str) -> None:
        if path.exists() and path.stat().st_size + len(text) > self._full:
            for number in range(self._kept, 0, -1):
                older = path if number == 1 else _aside(path, number - 1)
                if older.exists():
                    older.replace(_aside(path, number))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
