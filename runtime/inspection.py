"""A look at all actors at one moment.

`snapshot` is one synchronous function, so what it says is consistent: nothing
moves while it looks. It reads counters that the lives keep anyway.
"""

import traceback
from collections.abc import Iterable
from math import inf

import attrs

from .cell import Cell, Environment, Exit

__all__ = ["ActorSnapshot", "Crash", "InHand", "snapshot"]

# Characters of a traceback: some forty frames.
_TRACEBACK_LIMIT = 16_384


@attrs.frozen
class InHand:
    """A message that is being handled: its type, and since how many seconds."""

    message: str
    seconds: float


@attrs.frozen
class Crash:
    """The last crash: how many seconds ago, what, with which message in hand."""

    ago: float
    error: str
    message: str | None
    traceback: str


@attrs.frozen
class ActorSnapshot:
    """One child. Times are in seconds; `retry_in` is set while it backs off."""

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
    last_crash: Crash | None


def snapshot(env: Environment, under: str = "") -> tuple[ActorSnapshot, ...]:
    """All children at and below the path `under`, parents before children."""
    now = env.now()
    prefix = f"{under}/" if under else ""
    chosen = (cell for path, cell in env.cells.items() if path == under or path.startswith(prefix))
    return tuple(_one(cell, now) for cell in chosen)


def _one(cell: Cell, now: float) -> ActorSnapshot:
    waiting = cell.waiting()
    return ActorSnapshot(
        path=cell.path,
        kind=cell.actor_type.__qualname__ if cell.actor_type is not None else cell.kind,
        state=cell.state.value,
        life=cell.lives,
        restarts=cell.restarts,
        handled=cell.handled,
        depth=waiting.depth,
        capacity=cell.mailbox.capacity,
        oldest=now - waiting.since if waiting.depth else 0.0,
        in_hand=tuple(_in_hand(cell, now)),
        retry_in=cell.retry_at - now if cell.retry_at != inf else None,
        stopped_because=cell.down_reason if cell.state.value == "stopped" else None,
        last_crash=_crash(cell.exits[-1], now) if cell.exits else None,
    )


def _in_hand(cell: Cell, now: float) -> Iterable[InHand]:
    if cell.current is not None:
        yield InHand(type(cell.current.message).__name__, now - cell.since)
    for envelope, since in (cell.in_flight or {}).items():
        yield InHand(type(envelope.message).__name__, now - since)


def _crash(exit: Exit, now: float) -> Crash:
    error = exit.error
    text = "".join(traceback.format_exception(error)) if error is not None else ""
    return Crash(
        ago=now - exit.at,
        error=f"{type(error).__name__}: {error}",
        message=exit.message,
        traceback=text[-_TRACEBACK_LIMIT:],
    )
