"""The record of what operators do and see: a log line, an event, and a line in a file.

Nothing is done that is not written down, and what is written down says how it
ended: `done`, the code of its refusal, `failed` for a fault of ours, or `begun`
where nobody has seen its end.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import structlog

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


class Audit:
    """Writes down; `lines` is the file."""

    def __init__(self, events: EventLog, lines: Lines, use: Use) -> None:
        self._events = events
        self._lines = lines
        self._use = use

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
        self.write("console action", fields)
        by = f"{act.act} by {peer.by}" + (f": {reason}" if reason else "")
        ended = by if result == DONE else f"{by}; {result}: {redact_text(why)}"
        level: Level = "info" if result == DONE else "warning"
        self._events.note(level, "console action", path, ended)

    def write(self, what: str, fields: Mapping[str, Any]) -> None:
        """Write down what an operator has done or seen."""
        said = {
            key: redact_text(value) if isinstance(value, str) else value
            for key, value in fields.items()
            if value not in ("", None)
        }
        _log.warning(what, **said)
        self._lines.add({"at": round(time.time(), 3), "msg": what, **said})
