"""What a program has told of itself so far: its frames, put together."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import attrs

__all__ = ["TOPICS", "ActorSeen", "Picture"]

TOPICS: Final = (
    "tree",
    "totals",
    "attention",
    "providers",
    "requests",
    "sessions",
    "costs",
    "events",
)

# Lines of history that a person scrolls through.
_EVENTS: Final = 500
# Seconds over which messages are counted: one second jumps, ten hide a beginning.
_WINDOW: Final = 3.0


@attrs.define(eq=False)
class ActorSeen:
    """One actor: what it is, and its latest row by the names of the columns."""

    shape: dict[str, Any]
    row: dict[str, Any] = attrs.Factory(dict[str, Any])
    rate: float = 0.0
    """Messages a second."""
    counted: int | None = None

    @property
    def path(self) -> str:
        """Where it stands."""
        path: str = self.shape["path"]
        return path

    @property
    def is_ill(self) -> bool:
        """Whether a person should look."""
        return bool(self.row) and self.row["health"] != "ok"


class Picture:
    """All that is known of one program. A `hello` begins anew."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self._forget()

    def _forget(self) -> None:
        self.actors: dict[int, ActorSeen] = {}
        self.below: dict[int | None, list[int]] = {}
        self.version = 0
        """Another one whenever actors have come or gone."""
        self.totals: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self.every = 0.0
        """Seconds between two frames, where the program tells fewer than were asked for."""
        self._cols: list[str] = []
        self._counted_at = 0.0

    def take(self, frame: dict[str, Any]) -> None:
        """One more frame. What is unknown in it is left alone."""
        if frame["t"] == "hello":
            self.hello = frame
            self._forget()
            return
        if frame["t"] == "slow":
            self.every = 1 / frame["hz"] if frame["hz"] < frame["asked_hz"] else 0.0
        self._cols = frame.get("cols", self._cols)
        for shape in frame.get("new", ()):
            self._introduce(shape)
        for values in frame.get("rows", ()):
            actor = self.actors.get(values[0])
            if actor is not None:
                actor.row = dict(zip(self._cols, values, strict=True))
        for id, _why in frame.get("gone", ()):
            self._remove(id)
        self.totals = frame.get("tot", self.totals)
        for topic in ("attention", "providers", "requests", "sessions", "costs"):
            if topic in frame:
                self.values[topic] = frame[topic]
        self.events.extend(frame.get("ev", ()))
        if "mono" in frame:
            self._count(frame["mono"])

    def _introduce(self, shape: dict[str, Any]) -> None:
        id = shape["id"]
        known = self.actors.get(id)
        if known is not None:  # a name that is of another class now
            known.shape = shape
            return
        self.actors[id] = ActorSeen(shape)
        self.below.setdefault(shape["parent"], []).append(id)
        self.version += 1

    def _remove(self, id: int) -> None:
        actor = self.actors.pop(id, None)
        if actor is None:
            return
        siblings = self.below.get(actor.shape["parent"], [])
        if id in siblings:
            siblings.remove(id)
        self.below.pop(id, None)
        self.version += 1

    def _count(self, now: float) -> None:
        passed = now - self._counted_at
        if passed < _WINDOW:
            return
        self._counted_at = now
        for actor in self.actors.values():
            handled = actor.row.get("n", 0)
            if actor.counted is not None:
                actor.rate = max(0, handled - actor.counted) / passed
            actor.counted = handled

    @property
    def attention(self) -> list[dict[str, Any]]:
        """What needs a person, the worst first."""
        return self.listed("attention")

    def listed(self, topic: str) -> list[dict[str, Any]]:
        """A topic that is a list; an empty one where nothing of it was told yet."""
        told: list[dict[str, Any]] = self.values.get(topic, [])
        return told

    def at(self, path: str) -> ActorSeen | None:
        """The actor at a path."""
        return next((each for each in self.actors.values() if each.path == path), None)

    def walk(self, folded: set[str]) -> Iterator[tuple[int, ActorSeen]]:
        """All actors with their levels, each before those below it, which are left out where it
        is folded."""
        todo = [(0, id) for id in reversed(self.below.get(None, ()))]
        while todo:
            level, id = todo.pop()
            actor = self.actors[id]
            yield level, actor
            if actor.path not in folded:
                todo += [(level + 1, each) for each in reversed(self.below.get(id, ()))]

    def family(self, id: int) -> Iterator[ActorSeen]:
        """An actor and all below it."""
        todo = [id]
        while todo:
            each = todo.pop()
            yield self.actors[each]
            todo += self.below.get(each, ())
