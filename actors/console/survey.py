"""The picture of all actors, judged: rows for the feed, totals, and what needs attention."""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

import attrs
import trio

from ...runtime import System
from ...runtime.inspector import Inspector, Row, Shape
from ..policy.attention import (
    FINE,
    ActorView,
    Attention,
    Severity,
    of_actor,
    of_loop,
)
from .board import Board
from .history import SLICE, History

__all__ = ["Seen", "Stall", "Survey", "Tree", "tree_order"]

_NONE: Mapping[str, Row] = {}

# What needs attention is told of so many; more is one trouble and not many.
_TOLD = 100


@attrs.frozen
class Stall:
    """The last time that the event loop stood still: when (trio's clock), how long, at which line."""

    at: float
    seconds: float
    line: str


class Seen(NamedTuple):
    """One actor at one moment: its row, its shape, and what to say of it.

    (A frozen class would cost three times as much, and there are 10,000 of them.)
    """

    row: Row
    shape: Shape
    attention: Attention


def tree_order(paths: Iterable[str]) -> list[str]:
    """Each parent followed by what is below it, siblings in their order."""
    below: dict[str, list[str]] = {}
    there = set(paths := list(paths))
    for path in paths:
        parent = path.rpartition("/")[0]
        below.setdefault(parent if parent in there else "", []).append(path)
    ordered: list[str] = []
    todo = below.get("", [])[::-1]
    while todo:
        path = todo.pop()
        ordered.append(path)
        todo += below.get(path, [])[::-1]
    return ordered


class Survey:
    """Looks at all actors of a program. `stall` is the last one, and is set by who notices it."""

    def __init__(self, system: System, board: Board, history: History) -> None:
        self.inspector: Inspector = system.inspector
        self.board = board
        self.history = history
        self.stall: Stall | None = None
        self._shapes: dict[str, tuple[int, Shape]] = {}

    def seen(self, paths: Iterable[str], calm: Mapping[str, Row] = _NONE) -> Iterator[Seen]:
        """Those that are there, judged. Does not wait: give it slices.

        Those are left out whose row is still that in `calm`, and of whom no gate says anything.
        """
        now = self.inspector.now
        gates = self.board.attention()
        for row in self.inspector.rows(paths):
            if calm.get(row.path) == row and row.path not in gates:
                continue
            shape = self._shape(row)
            yield Seen(row, shape, self._judge(row, shape, gates, now))

    def _uneasy(self, paths: Iterable[str]) -> Iterator[tuple[str, Attention]]:
        """Those that need attention. Does not wait: give it slices."""
        now = self.inspector.now
        gates = self.board.attention()
        for row in self.inspector.restless(paths, gates):
            attention = self._judge(row, self._shape(row), gates, now)
            if attention.severity:
                yield row.path, attention

    def _shape(self, row: Row) -> Shape:
        # An actor's class is known once it lives.
        known = self._shapes.get(row.path)
        if known is not None and known[0] == row.life and row.state != "starting":
            return known[1]
        shape = self.inspector.shape(row.path)
        assert shape is not None
        self._shapes[row.path] = (row.life if row.state != "starting" else 0, shape)
        return shape

    def forget(self, paths: Iterable[str]) -> None:
        """Those actors have gone."""
        for path in paths:
            self._shapes.pop(path, None)

    def _judge(
        self, row: Row, shape: Shape, gates: Mapping[str, Attention], now: float
    ) -> Attention:
        gate = gates.get(row.path, FINE)
        if _is_calm(row):
            return gate
        view = ActorView(
            state=row.state,
            depth=row.depth,
            capacity=shape.capacity,
            overflow=shape.overflow,
            oldest=_age(row.oldest, now),
            current=_age(row.current, now),
            flight=_age(row.flight, now),
            patience=shape.patience,
            reason=self.inspector.stopped_because(row.path) if row.state == "stopped" else "",
            retry_in=max(0.0, row.retry_at - now) if row.retry_at != inf else None,
        )
        own = of_actor(view)
        return own if own.severity >= gate.severity and own is not FINE else gate

    def of_loop(self) -> Attention:
        """What to say of the event loop."""
        if self.stall is None:
            return FINE
        ago = self.inspector.now - self.stall.at
        return of_loop(self.stall.seconds, ago, self.stall.line)

    async def attention(self) -> list[dict[str, Any]]:
        """What needs attention, the worst first; in slices."""
        found: list[dict[str, Any]] = []
        loop = self.of_loop()
        if loop is not FINE:
            found.append(_told("", "loop", "event loop", loop))
        for budget in self.board.budgets():
            if budget["severity"]:
                said = Attention(budget["health"], budget["detail"], Severity(budget["severity"]))
                found.append(_told("", "budget", budget["name"], said))
        paths = self.inspector.paths
        for first in range(0, len(paths), SLICE):
            for path, attention in self._uneasy(paths[first : first + SLICE]):
                found.append(_told(path, "actor", path.rpartition("/")[2], attention))
            await trio.lowlevel.checkpoint()
        found.sort(key=lambda each: -each["severity"])
        return found[:_TOLD]


def _is_calm(row: Row) -> bool:
    """Whether time alone changes nothing about it."""
    return (
        row.state == "running"
        and not row.depth
        and row.current == inf
        and row.flight == inf
        # (A stream in hand is busy all the time.)
        and not row.in_hand
    )


def _told(path: str, what: str, name: str, attention: Attention) -> dict[str, Any]:
    return {
        "what": what,
        "path": path,
        "name": name,
        "health": attention.health,
        "detail": attention.detail,
        "severity": int(attention.severity),
    }


def _age(since: float, now: float) -> float:
    return now - since if since != inf else 0.0


class Tree:
    """The rows of one client: what it has been told, so that only what changes is told again."""

    def __init__(self, survey: Survey, under: str = "", kinds: Iterable[str] = ()) -> None:
        self._survey = survey
        self._under = under
        self._kinds = frozenset(kinds)
        self._ids: dict[str, int] = {}
        self._told: dict[str, list[Any]] = {}
        self._kind_told: dict[str, str] = {}
        # Rows that were told and need not be looked at again while they stay as they are:
        # of 10,000 actors nearly all.
        self._calm: dict[str, Row] = {}
        self._next = 0

    def paths(self) -> list[str]:
        """Those that this client wants to see."""
        paths = self._survey.inspector.paths
        if not self._under:
            return paths
        below = f"{self._under}/"
        return [path for path in paths if path == self._under or path.startswith(below)]

    def changes(self, paths: Iterable[str]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
        """Of those: who is new, and the rows that have changed."""
        new: list[dict[str, Any]] = []
        rows: list[list[Any]] = []
        now = self._survey.inspector.now
        for seen in self._survey.seen(paths, self._calm):
            if self._kinds and seen.shape.kind not in self._kinds:
                continue
            path = seen.row.path
            id = self._ids.get(path)
            if id is None or self._kind_told[path] != seen.shape.kind:
                if id is None:
                    id = self._ids[path] = self._next
                    self._next += 1
                self._kind_told[path] = seen.shape.kind
                new.append(self._introduced(id, seen))
            if seen.attention is FINE and _is_calm(seen.row):
                # Its row is another one than was told, or it would have been left out.
                self._calm[path] = seen.row
                self._told.pop(path, None)
                rows.append(_calm_row(id, seen.row))
                continue
            self._calm.pop(path, None)
            told = _row(id, seen, now)
            if self._told.get(path) != told:
                self._told[path] = told
                rows.append(told)
        return new, rows

    def gone(self, paths: Iterable[str]) -> list[tuple[str, int]]:
        """The paths and ids of those that have been told and are not among `paths` any more."""
        paths = list(paths)
        if not self._kinds and len(self._ids) <= len(paths):
            return []  # all of which have just been looked at: nobody can be missing
        gone = self._ids.keys() - set(paths)
        self._survey.forget(gone)
        for path in gone:
            self._told.pop(path, None)
            self._kind_told.pop(path, None)
            self._calm.pop(path, None)
        return [(path, self._ids.pop(path)) for path in list(gone)]

    def _introduced(self, id: int, seen: Seen) -> dict[str, Any]:
        path, shape = seen.row.path, seen.shape
        parent, _, name = path.rpartition("/")
        return {
            "id": id,
            "name": name,
            "path": path,
            "kind": shape.kind,
            "parent": self._ids.get(parent),
            "strategy": shape.strategy,
            "cap": shape.capacity,
            "hist": self._survey.history.of(path),
        }


def _calm_row(id: int, row: Row) -> list[Any]:
    """The same as `_row`, of one with nothing to do."""
    busy = int(row.busy * 1e3)
    return [
        id,
        "running",
        "ok",
        "",
        0,
        row.handled,
        row.failed,
        row.restarts,
        busy,
        0,
        0,
        0,
        row.life,
    ]


def _row(id: int, seen: Seen, now: float) -> list[Any]:
    row, attention = seen.row, seen.attention
    return [
        id,
        row.state,
        attention.health,
        attention.detail,
        row.depth,
        row.handled,
        row.failed,
        row.restarts,
        int(row.busy * 1e3),
        round(_age(row.oldest, now) * 1e3),
        round(max(_age(row.current, now), _age(row.flight, now)) * 1e3),
        row.in_hand,
        row.life,
    ]
