"""Looking at actors that run: cheap rows of all of them, and everything of a single one.

Every function here is synchronous, so what it says is consistent; who looks at
10,000 actors does so in slices. It reads counters that the lives keep anyway.
Times are on the system's clock, in seconds.
"""

from collections.abc import Container, Iterable, Iterator
from math import inf
from typing import NamedTuple

import attrs

from .actor import Actor
from .actor_tasks import ActorTasks
from .cell import Cell, Door, Environment, State
from .children import SupervisingLife
from .inspection import ActorSnapshot, kind_of, snapshot_of
from .life import Life
from .mailbox import Envelope
from .replies import Stream
from .tallies import Done, done_by_kind
from .tapping import Tap, put_tap

__all__ = ["Inspector", "Row", "Shape", "Supervision", "Waits"]

# Messages of a mailbox that are told by their type.
_SHOWN = 20


class Row(NamedTuple):
    """What changes of the actor at `path`.

    `state` is what it does, as in an ActorSnapshot, `life` which of its lives runs,
    from 1, and `restarts` how often it was given another one. `depth` counts the
    messages that wait, `handled` those of all lives, and `failed` those of them that
    were refused, by an ActorError.

    `busy` is how many seconds handlers have taken that have waited for something, those
    in hand included. The other times are in seconds on the system's clock, and infinity
    where there is none: `oldest` is since when the first message waits, `current`
    since when the one is in hand whose turn it is, `flight` since when the first
    of those that have tasks of their own, but for a stream, which may last.
    `retry_at` is when a child that backs off begins its next life, in seconds on the
    same clock, and says nothing of others. `in_hand` counts both kinds of messages in hand.
    """

    path: str
    state: str
    life: int
    depth: int
    handled: int
    failed: int
    restarts: int
    busy: float
    oldest: float
    current: float
    flight: float
    in_hand: int
    retry_at: float


@attrs.frozen
class Shape:
    """What stays of the actor at `path`: its `kind`, and how many messages its mailbox holds, which
    is `capacity`, 0 where it reads none, with its `overflow`.

    `strategy` is set where it is a supervisor. `patience` is its class's, in seconds.
    """

    path: str
    kind: str
    capacity: int
    overflow: str
    strategy: str | None
    patience: float | None = None


@attrs.frozen
class Supervision:
    """Who restarts an actor: the supervisor at `path`, "" of the system's own, by its `strategy`.

    It takes `restarts` within `period` seconds, of which it has `used` some. `siblings` are the
    paths of its other children, in their order; none are told of a dynamic supervisor.
    """

    path: str
    strategy: str
    restarts: int
    period: float
    used: int
    siblings: tuple[str, ...]


@attrs.frozen
class Waits:
    """A message in a mailbox: its type, and how many seconds it has waited."""

    message: str
    seconds: float


class Inspector:
    """Looks at the actors of one system. Made by `System.inspector`."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    @property
    def now(self) -> float:
        """The system's clock, in seconds."""
        return self._env.now()

    @property
    def paths(self) -> list[str]:
        """Where there is an actor, parents before children."""
        return list(self._env.cells)

    def rows(self, paths: Iterable[str]) -> Iterator[Row]:
        """The rows of those at `paths` that are there."""
        cells, now = self._env.cells, self._env.now()
        for path in paths:
            cell = cells.get(path)
            if cell is not None:
                yield _row(cell, now)

    def restless(self, paths: Iterable[str], besides: Container[str] = ()) -> Iterator[Row]:
        """The rows of those for which time matters, who do not just run with nothing to do.

        Those in `besides` are among them anyway. Of 10,000 actors these are few, and to
        pass by the others costs a fraction of their rows.
        """
        cells, now = self._env.cells, self._env.now()
        for path in paths:
            cell = cells.get(path)
            if cell is not None and (path in besides or not _rests(cell)):
                yield _row(cell, now)

    def depths(self, paths: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        """Path, how many messages wait, and how many have been handled; a sixth of a row's cost."""
        cells = self._env.cells
        for path in paths:
            cell = cells.get(path)
            if cell is not None and cell.door is not Door.CLOSED:
                depth = len(cell.receiving._state.data)
                if cell.lines is not None:
                    depth = cell.waiting().depth
                yield path, depth, cell.handled

    def done(self) -> list[Done]:
        """What each class of actors has done since the start, with those that are gone."""
        return done_by_kind(self._env.tallies.values(), self._env.cells.values())

    def shape(self, path: str) -> Shape | None:
        """What stays of the actor at `path`; None where nobody is."""
        cell = self._env.cells.get(path)
        if cell is None:
            return None
        life = cell.life
        actor = self.actor(path)
        subtree = life.spec.subtree if isinstance(life, Life) else None
        return Shape(
            path=path,
            kind=kind_of(cell),
            capacity=cell.mailbox.capacity if cell.takes_messages else 0,
            overflow=cell.mailbox.overflow,
            strategy=subtree.strategy.value if subtree is not None else None,
            patience=getattr(cell.actor_type if actor is None else actor, "patience", None),
        )

    def supervision(self, path: str) -> Supervision | None:
        """Who restarts the actor at `path`; None where nobody is, and of the system's own."""
        cell = self._env.cells.get(path)
        above = cell.life.host if cell is not None and isinstance(cell.life, Life) else None
        if not isinstance(above, SupervisingLife):
            return None
        subtree = above.spec.subtree
        assert subtree is not None
        prefix = f"{above.cell.path}/" if above.cell.path else ""
        paths = (f"{prefix}{spec.id}" for spec in subtree.children)
        return Supervision(
            path=above.cell.path,
            strategy=subtree.strategy.value,
            restarts=subtree.intensity.restarts,
            period=subtree.intensity.period,
            used=above.used(),
            siblings=tuple(each for each in paths if each != path),
        )

    def snapshot(self, path: str) -> ActorSnapshot | None:
        """All counters of the actor at `path`, with its last crash; None where nobody is."""
        cell = self._env.cells.get(path)
        return snapshot_of(cell, self._env.now()) if cell is not None else None

    def stopped_because(self, path: str) -> str:
        """Why an actor has stopped for good; "" while it has not."""
        cell = self._env.cells.get(path)
        return cell.down_reason if cell is not None and cell.state is State.STOPPED else ""

    def stack(self, path: str) -> tuple[str, ...]:
        """Where the code of an actor waits, outermost first, as `file:line function`; empty where
        none runs."""
        cell = self._env.cells.get(path)
        return cell.life.stack() if cell is not None and cell.life is not None else ()

    def waiting(self, path: str) -> tuple[Waits, ...]:
        """The first 20 messages that wait for an actor, the oldest first."""
        cell = self._env.cells.get(path)
        if cell is None:
            return ()
        now = self._env.now()
        first: list[Envelope] = []
        for queue in cell.queues():
            first += list(queue)[:_SHOWN]
        first.sort(key=lambda envelope: envelope.enqueued)
        return tuple(Waits(type(e.message).__name__, now - e.enqueued) for e in first[:_SHOWN])

    def actor(self, path: str) -> Actor[object] | None:
        """The object itself, of the life that runs, for who shows what its class declares.

        None where nobody is there, or where it is no actor.
        """
        cell = self._env.cells.get(path)
        life = cell.life if cell is not None else None
        return life.actor if isinstance(life, ActorTasks) else None

    def tap(self, path: str) -> Tap | None:
        """Look on at the actor at `path`; one tap for all who do, until `untap` or its end.

        None where nobody is, or who is there has ended for good.
        """
        cell, taps = self._env.cells.get(path), self._env.taps
        if cell is None or cell.door is Door.CLOSED:
            return None
        tap = taps.get(cell)
        if tap is None:
            tap = taps[cell] = Tap()
            cell.when_closed("tapped", lambda _reason: taps.pop(cell, None))
            self._put(cell)
        return tap

    def has(self, tap: Tap, path: str) -> bool:
        """Whether `tap` still hears the actor at `path`: not once that one has ended for good."""
        cell = self._env.cells.get(path)
        return cell is not None and self._env.taps.get(cell) is tap

    def untap(self, path: str) -> None:
        """Look away. What is in hand is still heard of."""
        cell = self._env.cells.get(path)
        if cell is not None and self._env.taps.pop(cell, None) is not None:
            cell.forget_watcher("tapped")
            self._put(cell)

    def _put(self, cell: Cell) -> None:
        life = cell.life
        if isinstance(life, ActorTasks) and life.actor is not None:
            put_tap(life.actor, cell)


def _rests(cell: Cell) -> bool:
    """Whether a cell's actor runs, with nothing in hand and nothing that waits."""
    return (
        cell.state is State.RUNNING
        and cell.door is Door.OPEN
        and cell.current is None
        and not cell.in_flight
        and not cell.receiving._state.data
        and (cell.lines is None or not cell.waiting().depth)
    )


def _row(cell: Cell, now: float) -> Row:
    depth, oldest = 0, inf
    if cell.door is not Door.CLOSED:
        # As Cell.waiting says it, for most of them without making a value: this is
        # asked of 10,000 actors at once.
        if cell.lines is None:
            queue = cell.receiving._state.data
            if queue:
                depth, oldest = len(queue), queue[0].enqueued
        else:
            waiting = cell.waiting()
            depth, oldest = waiting.depth, waiting.since
    busy, current, flight = cell.busy, inf, inf
    hands = 0
    if cell.current is not None:
        hands = 1
        if cell.since != inf:  # before a handler first waits, it has had no time
            current = cell.since
            busy += now - current
    if cell.in_flight:
        began = cell.in_flight.values()
        hands += len(began)
        busy += len(began) * now - sum(began)
        first, since = next(iter(cell.in_flight.items()))
        if not isinstance(first.reply, Stream):
            flight = since
    return Row(
        cell.path,
        cell.state._value_,  # `value` is a property, and costs as much as all the rest here
        cell.lives,
        depth,
        cell.handled,
        cell.failed,
        cell.restarts,
        busy,
        oldest,
        current,
        flight,
        hands,
        cell.retry_at,
    )
