"""A file of lines that does not grow for ever: when it is full, it is set aside and begun anew."""

import json
import os
from collections import deque
from collections.abc import Mapping
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

    `path` None keeps nothing. The files can be read by their owner alone.
    """

    def __init__(self, path: Path | None, full: int = _FULL, kept: int = _KEPT) -> None:
        self.path = path
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
            self.lost += 1
            return
        self._waiting.append(json.dumps(line, ensure_ascii=False, default=str))
        self._news.set()

    async def run(self) -> NoReturn:
        """Write, for ever; what waits at the end is written, too."""
        try:
            while True:
                await self._news.wait()
                self._news = trio.Event()
                await self._write()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, now."""
        await self._write()

    async def _write(self) -> None:
        lines, self._waiting = list(self._waiting), deque()
        if not lines or self.path is None:
            return
        try:
            # Shielded, or what was taken out is lost.
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._append, self.path, "\n".join(lines) + "\n")
        except OSError as error:
            self.lost += len(lines)
            _log.warning("console file cannot be written", file=str(self.path), error=str(error))

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
