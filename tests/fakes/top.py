"""A desk of `trouper top`, and a program that tells it what a test says."""

from typing import Any

import attrs

from trouper.actors.cli.top.cells import width_of
from trouper.actors.cli.top.console_socket import Lost
from trouper.actors.cli.top.desk import Desk
from trouper.actors.cli.top.view import screen
from trouper.actors.console.protocol import COLUMNS

__all__ = ["ACTORS", "HELLO", "NOW", "TOTALS", "TRIPPED", "World", "rows", "snapshot"]

NOW = 1_000_000_000.0
HELLO = {"t": "hello", "boot": "a", "app": "bot", "pid": 4711, "role": "operate"}
TOTALS = {
    **dict.fromkeys(("actors", "queued", "in_flight", "crashes", "dead", "cost", "lag_ms"), 0),
    "up_s": 3.0,
}
# Path, mailbox, class; each below those before it.
ACTORS = (
    ("providers", 0, "supervisor"),
    ("providers/sim", 0, "supervisor"),
    ("providers/sim/breaker", 64, "Circuit"),
    ("sessions", 0, "dynamic supervisor"),
    ("sessions/ada", 32, "Session"),
)
TRIPPED = {
    "what": "actor",
    "path": "providers/sim/breaker",
    "name": "breaker",
    "health": "tripped",
    "detail": "open, next probe in 8.0 s; 13 of 15 calls failed",
    "severity": 2,
}


@attrs.define(eq=False)
class World:
    """A desk, what it has sent, and a program that answers as the test says."""

    sent: list[dict[str, Any]] = attrs.Factory(list[dict[str, Any]])
    away: bool = False
    now: float = 0.0
    desk: Desk = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.desk = Desk(self.send, lambda: self.now)
        self.desk.greet()
        self.hear(HELLO)

    def send(self, op: str, **values: Any) -> int:
        if self.away:
            raise Lost("nobody is connected")
        self.sent.append({"op": op, **values})
        return len(self.sent)

    def hear(self, frame: dict[str, Any]) -> None:
        self.desk.hear(frame, NOW)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.desk.press(key)

    def show(self, columns: int = 80, rows: int = 24, later: float = 0.0) -> list[str]:
        """The lines, which all have to be as wide as the screen."""
        lines = ["".join(text for _, text in each) for each in self.lines(columns, rows, later)]
        assert [width_of(line) for line in lines] == [columns] * rows
        return [line.rstrip() for line in lines]

    def lines(
        self, columns: int = 80, rows: int = 24, later: float = 0.0
    ) -> list[list[tuple[str, str]]]:
        return screen(self.desk, columns, rows, NOW + later)

    def shows(self, words: str) -> bool:
        return any(words in line for line in self.show())


def rows(**other: dict[str, Any]) -> list[list[Any]]:
    """All actors at rest, but for what is said of some by their names."""
    found: list[list[Any]] = []
    for id, (path, _, _) in enumerate(ACTORS):
        calm = dict.fromkeys(COLUMNS, 0) | {"state": "running", "health": "ok", "detail": ""}
        row = calm | {"id": id, "gen": 1} | other.get(path.rpartition("/")[2], {})
        found.append([row[name] for name in COLUMNS])
    return found


def snapshot(seq: int = 1, mono: float = 100.0, **other: Any) -> dict[str, Any]:
    paths = [path for path, _, _ in ACTORS]
    new = [
        {
            "id": id,
            "name": path.rpartition("/")[2],
            "path": path,
            "kind": kind,
            "parent": paths.index(path.rpartition("/")[0]) if "/" in path else None,
            "cap": cap,
        }
        for id, (path, cap, kind) in enumerate(ACTORS)
    ]
    told = {"cols": list(COLUMNS), "new": new, "rows": rows(), "tot": TOTALS, "attention": []}
    return {"t": "snap", "seq": seq, "mono": mono, **told, **other}
