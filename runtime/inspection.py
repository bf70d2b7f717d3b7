"""A look at all actors at one moment.

`snapshot` is one synchronous function, so what it says is consistent: nothing
moves while it looks. It reads counters that the lives keep anyway.
"""

from collections.abc import Iterable
from math import inf

import attrs

from .cell import Cell, Environment, Exit, State
from .wording import Wording

__all__ = ["ActorSnapshot", "InHand", "LastCrash", "kind_of", "snapshot", "snapshot_of"]

# Characters: what fits a line of a log.
_ERROR_LIMIT = 1_000


@attrs.frozen
class InHand:
    """A `message` that is being handled: its type, and since how many `seconds`."""

    message: str
    seconds: float


@attrs.frozen
class LastCrash:
    """The last crash: how many seconds `ago`, the `error` in words, and the type of the `message`
    in hand, None where there was none.

    Its texts are without secrets, as far as the system was told how to find
    them; the `exception` is as it was raised. `error` has at most 1,000
    characters: what fits a line of a log.
    """

    ago: float
    error: str
    message: str | None
    exception: BaseException = attrs.field(repr=False)
    _wording: Wording = attrs.field(factory=Wording, repr=False, eq=False)

    @property
    def traceback(self) -> str:
        """The crash as Python prints it, its end if it is long.

        Made when it is read: it costs ten times what all else here does.
        """
        return self._wording.traceback(self.exception)


@attrs.frozen
class ActorSnapshot:
    """One child at one moment.

    `path` is where it stands in the tree, `kind` its class or function, `state`
    what it does (starting, running, suspended, draining, down, backoff, stopped). `life`
    counts its lives from 1, `restarts` how often it was given another one, and
    `handled` the messages of all of them.

    `depth` counts all messages that wait, also for a place of a limited handler,
    of at most `capacity` in the mailbox; `oldest` is for how many seconds the first
    has waited, 0 where none does. `in_hand` are those that are being handled.

    `retry_in` is set while the child backs off: seconds until its next life.
    `stopped_because` is set once it has stopped for good. `last_crash` is the last
    one, None where it never has.
    """

    path: str
    kind: str
    state: str
    life: int
    restarts: int
    handled: int
    depth: int
    capacity: int
    oldest: float
    in_hand: tuple[InHand, ...]
    retry_in: float | None
    stopped_because: str | None
    last_crash: LastCrash | None


def snapshot(env: Environment, under: str = "") -> tuple[ActorSnapshot, ...]:
    """All children at and below the path `under`, parents before children."""
    now = env.now()
    if not under:
        return tuple([snapshot_of(cell, now) for cell in env.cells.values()])
    cells, below = env.cells.items(), f"{under}/"
    return tuple(
        [snapshot_of(c, now) for path, c in cells if path == under or path.startswith(below)]
    )


def snapshot_of(cell: Cell, now: float) -> ActorSnapshot:
    """One child alone. `now` is on the system's clock."""
    waiting = cell.waiting()
    return ActorSnapshot(
        path=cell.path,
        kind=kind_of(cell),
        state=cell.state.value,
        life=cell.lives,
        restarts=cell.restarts,
        handled=cell.handled,
        depth=waiting.depth,
        capacity=cell.mailbox.capacity,
        oldest=now - waiting.since if waiting.depth else 0.0,
        in_hand=tuple(_in_hand(cell, now)) if cell.current or cell.in_flight else (),
        retry_in=max(0.0, cell.retry_at - now) if cell.state is State.BACKOFF else None,
        stopped_because=cell.down_reason if cell.state is State.STOPPED else None,
        last_crash=_crash(cell, cell.exits[-1], now) if cell.exits else None,
    )


def kind_of(cell: Cell) -> str:
    """The class of an actor, once it has one; of others what they are."""
    return cell.actor_type.__qualname__ if cell.actor_type is not None else cell.kind


def _in_hand(cell: Cell, now: float) -> Iterable[InHand]:
    if cell.current is not None:
        # Before a handler first waits, it has had no time.
        seconds = now - cell.since if cell.since != inf else 0.0
        yield InHand(type(cell.current.message).__name__, seconds)
    for envelope, since in (cell.in_flight or {}).items():
        yield InHand(type(envelope.message).__name__, now - since)


def _crash(cell: Cell, exit: Exit, now: float) -> LastCrash:
    assert exit.error is not None  # a cell keeps crashes only
    words = exit.words[:_ERROR_LIMIT]
    return LastCrash(now - exit.at, words, exit.message, exit.error, cell.env.wording)
