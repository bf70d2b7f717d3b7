"""The record of what operators do and see: a log line, an event, and a line in a file.

Nothing is done that is not written down, and what is written down says how it
ended: `done`, the code of its refusal, `failed` for a fault of ours, or `begun`
where nobody has seen its end.

Before you edit: a file has a last line, and then the oldest one goes. What was
refused is in a file of its own, and in words only so often a minute, or who may
do nothing at all pushes out the record of what was done.
"""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import structlog
import trio

from ..redaction import printable, redact_text
from .events import EventLog, Level
from .files import Lines
from .peer import Peer
from .protocol import Act
from .use import Use

__all__ = ["BEGUN", "DONE", "FAILED", "Audit"]

_log = structlog.get_logger("trouper.console")

DONE: Final = "done"
BEGUN: Final = "begun"
FAILED: Final = "failed"

_ARGS = 500

# Refusals of one client that are written out in each so many seconds: two of each act. More are
# a program, of which the first ones tell; they are counted.
_REFUSALS = 20
_PERIOD = 60.0


class Audit:
    """Writes down: what was done into `lines`, what was refused into `refused`."""

    def __init__(self, events: EventLog, lines: Lines, refused: Lines, use: Use) -> None:
        self._events = events
        self._lines = lines
        self._refused = refused
        self._use = use
        self._refusals: Counter[tuple[str, str]] = Counter()

    async def run(self) -> NoReturn:
        """Count refusals anew each minute, for ever, and tell how many were not written out."""
        try:
            while True:
                await trio.sleep(_PERIOD)
                self._tell_refusals()
        finally:
            self._tell_refusals()

    def acted(self, act: Act, peer: Peer, result: str, why: str = "") -> None:
        """Somebody has done that, or was refused it; `why` says more of `result`."""
        self._use.actions[act.act, result] += 1
        # Who mistakes one field for another writes a secret into any of them. The reason is clean.
        reason, path = act.reason, printable(redact_text(act.path))
        fields: dict[str, Any] = {
            "act": act.act,
            "path": path,
            "by": peer.by,
            "via": peer.via,
            "reason": reason,
            "args": redact_text(printable(str(dict(act.args))))[:_ARGS] if act.args else "",
            "result": result,
            "why": why,
        }
        if not self.write("console action", fields):
            return
        by = f"{act.act} by {peer.by}" + (f": {reason}" if reason else "")
        ended = by if result == DONE else f"{by}; {result}: {redact_text(why)}"
        level: Level = "info" if result == DONE else "warning"
        self._events.note(level, "console action", path, ended)

    def write(self, what: str, fields: Mapping[str, Any]) -> bool:
        """Write down what an operator has done, seen, or was refused, which `by`, `via` and `result`
        say; whether it was written out."""
        refused = fields.get("result", DONE) not in (DONE, BEGUN, FAILED)
        if refused:
            who = fields["by"], fields["via"]
            self._refusals[who] += 1
            if self._refusals[who] > _REFUSALS:
                return False
        said = {
            key: redact_text(value) if isinstance(value, str) else value
            for key, value in fields.items()
            if value not in ("", None)
        }
        self._add(self._refused if refused else self._lines, what, said)
        return True

    def _tell_refusals(self) -> None:
        for (by, via), count in self._refusals.items():
            if more := max(count - _REFUSALS, 0):
                self._add(self._refused, "console refusals", {"by": by, "via": via, "n": more})
                self._events.note("warning", "console refusals", "", f"{more} more of {by}")
        self._refusals.clear()

    def _add(self, lines: Lines, what: str, said: Mapping[str, Any]) -> None:
        _log.warning(what, **said)
        lines.add({"at": round(time.time(), 3), "msg": what, **said})
