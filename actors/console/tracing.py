"""Looking on while one actor handles messages, within limits; and its last messages.

A trace stops itself: after so many messages, after so many seconds, and where
they come faster than anybody reads. Whoever looks on costs that one actor some
microseconds a message and the others nothing.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import trio

from ...runtime.inspector import Inspector
from ...runtime.tapping import Heard, Tap
from ..redaction import printable, redact_text
from .protocol import Trace

__all__ = ["Taps", "heard_frame"]

# Seconds after the last look for which an actor's last messages are remembered.
_REMEMBERED = 600.0
# Actors at which somebody looks on at once.
_MOST = 64
# Messages that wait to be told; a rate above that of the trace ends it anyway.
_WAITING = 1_000
_BODY = 200
# Seconds between two looks whether who is traced is still there.
_LOOKS = 0.5


class Taps:
    """The taps of one program: those of inspections are given back some minutes after the last."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._until: dict[str, float] = {}

    def look(self, path: str, until: float | None = None) -> Tap | None:
        """Hear of this actor's messages from now on; None where nobody is, or too many are heard."""
        self.tidy()
        if path not in self._until and len(self._until) >= _MOST:
            return None
        tap = self._inspector.tap(path)
        if tap is not None:
            end = trio.current_time() + _REMEMBERED if until is None else until
            self._until[path] = max(end, self._until.get(path, -inf))
        return tap

    def tidy(self) -> None:
        """Look away from those that nobody has looked at for long."""
        now = trio.current_time()
        for path, until in list(self._until.items()):
            if until < now:
                self._inspector.untap(path)
                del self._until[path]

    def end(self) -> None:
        """Look away from all: the console ends."""
        for path in self._until:
            self._inspector.untap(path)
        self._until.clear()

    @asynccontextmanager
    async def trace(self, wanted: Trace) -> AsyncGenerator["Traced | None"]:
        """What an actor handles, for the length of the block; None where it cannot be heard."""
        tap = self.look(wanted.path)
        if tap is None:
            yield None
            return
        traced = Traced(wanted, lambda: self._inspector.has(tap, wanted.path))
        tap.listeners.append(traced.hear)
        try:
            yield traced
        finally:
            tap.listeners.remove(traced.hear)


class Traced:
    """The messages of one trace, as frames; iterate over it until it ends, then see `why`."""

    def __init__(self, wanted: Trace, is_there: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._is_there = is_there
        self._heard: deque[dict[str, Any]] = deque()
        self._news = trio.Event()
        self._count = 0
        self._began = trio.current_time()
        self.why = ""
        """Why it ended: limit, time, rate, gone."""

    def hear(self, heard: Heard, message: object) -> None:
        """A listener of a tap."""
        if self.why:
            return
        self._count += 1
        frame = {
            "t": "trace",
            "id": self._wanted.id,
            "n": self._count,
            **heard_frame(heard, heard.at),
        }
        if self._wanted.bodies:
            frame["body"] = _body(message)
        self._heard.append(frame)
        # A second's worth is let through at once: messages come in bursts.
        allowed = self._wanted.rate * (1.0 + trio.current_time() - self._began)
        if self._count >= self._wanted.limit:
            self.why = "limit"
        elif self._count > allowed or len(self._heard) >= _WAITING:
            self.why = "rate"
        self._news.set()

    async def frames(self) -> AsyncGenerator[dict[str, Any]]:
        """Each as it comes, until the trace ends."""
        end = self._began + self._wanted.seconds
        while True:
            while self._heard:
                yield self._heard.popleft()
            if self.why:
                return
            self._news = trio.Event()
            with trio.move_on_at(min(end, trio.current_time() + _LOOKS)):
                await self._news.wait()
            if self.why or self._heard:
                continue
            if not self._is_there():
                self.why = "gone"
            elif trio.current_time() >= end:
                self.why = "time"


def heard_frame(heard: Heard, now: float) -> dict[str, Any]:
    """A message that was handled, as the feed tells it."""
    return {
        "msg": heard.message,
        "ago_ms": round((now - heard.at) * 1e3),
        "wait_ms": round(heard.waited * 1e3, 1),
        "ms": round(heard.took * 1e3, 1),
        "error": printable(redact_text(heard.error)) if heard.error else None,
    }


def _body(message: object) -> str:
    try:
        text = repr(message)
    except Exception as error:  # noqa: BLE001 - a message's own code
        return f"(cannot be shown: {type(error).__name__})"
    return printable(redact_text(text[: _BODY * 8]))[:_BODY]
