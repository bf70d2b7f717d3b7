"""One child of a supervisor, and what both kinds of supervisor do with one."""

from collections import deque
from collections.abc import Callable, Hashable
from math import inf
from typing import Any

import trio

from .actor_life import ActorLife
from .cell import Cell, Door, Environment, Exit
from .errors import SupervisorGaveUp
from .events import ChildRestarting, GaveUp, Poisoned, Unkillable
from .injected import InjectedCrash
from .life import FunctionLife, Host, Leave, Life
from .restarts import BackoffState, Intensity, PoisonWatch, RestartHistory, comes_back
from .spec import ChildSpec

__all__ = [
    "KILL_GRACE",
    "Child",
    "MakeLife",
    "SupervisingLife",
    "leaf_life",
    "open_cell",
    "report_unkillable",
]

# Seconds between a cancel and the word that a child cannot be killed: a
# cancelled task ends at its next checkpoint, unless it shields itself.
KILL_GRACE = 1.0

MakeLife = Callable[[Cell, ChildSpec, Callable[..., Any], Host, float], Life]


def leaf_life(
    cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
) -> Life:
    """The next life of a child that is no supervisor."""
    kind = FunctionLife if spec.is_function else ActorLife
    return kind(cell, spec, start, host, delay)


class Child:
    """A cell with its spec and its record of trouble."""

    __slots__ = ("_backoff", "_poison", "cell", "delay", "life", "spec", "start")

    def __init__(self, cell: Cell, spec: ChildSpec, start: Callable[..., Any]) -> None:
        self.cell = cell
        self.spec = spec
        self.start = start
        self.life: Life | None = None
        self.delay = 0.0
        # Made at the first crash: most children never have one.
        self._backoff: BackoffState | None = None
        self._poison: PoisonWatch | None = None

    @property
    def alive(self) -> bool:
        return self.life is not None and self.life.exit is None

    def launch(self, nursery: trio.Nursery, host: Host, make_life: MakeLife) -> Life:
        """Begin the next life, after `delay` seconds; the waiting is the life's own."""
        self.life = make_life(self.cell, self.spec, self.start, host, self.delay)
        self.delay = 0.0
        nursery.start_soon(self.life.run, name=self.cell.path)
        return self.life

    def next_delay(self, exit: Exit) -> float:
        """Seconds until the life after `exit`, by the child's backoff."""
        if self._backoff is None:
            self._backoff = BackoffState(self.spec.backoff)
        began = self.life.began if self.life is not None else inf
        lived = exit.at - began if began != inf else 0.0
        return self._backoff.next(lived, self.cell.env.chance())

    def is_poisoned(self, exit: Exit, period: float) -> bool:
        """Whether `exit` is one equal crash too many."""
        blamed = exit.message is not None and not isinstance(exit.error, InjectedCrash)
        if self._poison is None:
            if not blamed:
                return False
            self._poison = PoisonWatch(self.spec.poison, period)
        signature = _signature(exit) if blamed else None
        return self._poison.record(signature, exit.at)

    async def stop(self, leave: Leave) -> None:
        """An orderly end within `shutdown` seconds, then a cancelled one."""
        life = self.life
        if life is None or life.exit is not None:
            return
        life.request(leave)
        with trio.move_on_after(self.spec.shutdown):
            await life.finished()
        if life.exit is None:
            life.kill()
            with trio.move_on_after(KILL_GRACE + life.last_words):
                await life.finished()
        if life.exit is None:
            report_unkillable(life)

    def close(self, reason: str) -> None:
        """Close its cell, and those below it that a restart of a group had left open."""
        _close_tree(self.cell, self.spec, reason)


def _close_tree(cell: Cell, spec: ChildSpec, reason: str) -> None:
    if spec.subtree is not None:
        for below in reversed(spec.subtree.children):
            found = cell.env.cells.get(_path(cell.path, below.id))
            if found is not None:
                _close_tree(found, below, reason)
    cell.close(reason)


def report_unkillable(life: Life) -> None:
    """A cancelled life does not end: nobody shall wait for it but its own supervisor."""
    cell = life.cell
    cell.fail_held("it was cancelled and does not end")
    cell.env.reports.emit(Unkillable(cell.path, life.stack()))


def _signature(exit: Exit) -> Hashable:
    """What makes two crashes equal: message type, error type, line that raised."""
    traceback = exit.error.__traceback__ if exit.error is not None else None
    where: tuple[str, int] | None = None
    while traceback is not None:
        where = (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return (exit.message, type(exit.error), where)


class SupervisingLife(Life):
    """What a supervisor of either kind is: it hears of exits and judges them one by one."""

    __slots__ = ("_bell", "_exits", "_history", "_nursery")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        assert spec.subtree is not None
        self._history = RestartHistory(spec.subtree.intensity)
        self._exits: deque[tuple[Child, Exit]] = deque()
        self._bell = trio.Event()
        self._nursery: trio.Nursery | None = None

    # Called by the lives of the children.

    def child_of(self, life: Life) -> Child | None:
        raise AssertionError

    # Asked by a person (operator.py).

    def along(self, id: str) -> tuple[str, ...]:
        """The siblings that a restart of child `id` takes along, by path."""
        return ()

    async def restart_child(self, id: str) -> None:
        """Give child `id` a new life. Raises SpecError and ActorDown."""
        raise AssertionError

    async def end_child(self, id: str, leave: Leave) -> None:
        """End child `id` for good. Raises SpecError and ActorDown."""
        raise AssertionError

    def child_ready(self, life: Life) -> None:
        self._bell.set()

    def child_exited(self, life: Life, exit: Exit) -> None:
        child = self.child_of(life)
        # An end that was asked for needs no judgement.
        if child is not None and child.life is life and not life.asked:
            self._exits.append((child, exit))
        self._bell.set()

    def wake(self) -> None:
        if self._nursery is None:
            # It has no children yet, and may have to wait long for its turn.
            self.scope.cancel(reason=f"{self.cell.path} is stopped before it was started")
        self._bell.set()

    async def _rung(self) -> None:
        """Wait until something has happened since the last time."""
        await self._bell.wait()
        self._bell = trio.Event()

    def _nursery_of_children(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    # Judging an exit.

    def _intensity(self) -> Intensity:
        assert self.spec.subtree is not None
        return self.spec.subtree.intensity

    def used(self) -> int:
        """How many restarts of those that it takes within its period there were."""
        return self._history.used(self.cell.env.now())

    def _returns(self, child: Child, exit: Exit) -> bool:
        """Whether the child gets another life; where not, its cell is closed."""
        if not comes_back(child.spec.restart, exit.crashed):
            child.close(f"it ended ({exit})")
            return False
        period = self._intensity().period
        if exit.crashed and child.is_poisoned(exit, period):
            crashes = child.spec.poison
            event = Poisoned(child.cell.path, exit.message or "", crashes)
            child.cell.env.reports.emit(event)
            child.close(f"poisoned: {exit.message} crashed it {crashes} times in a row ({exit})")
            return False
        return True

    def _too_many(self, exit: Exit) -> SupervisorGaveUp | None:
        """Count a restart; the error to raise if it is one too many."""
        if not self._history.record(exit.at):
            return None
        limit = self._intensity()
        path = self.cell.path or self.spec.id  # the root has no path
        self.cell.env.reports.emit(GaveUp(path, limit.restarts, limit.period))
        error = SupervisorGaveUp(path, limit.restarts, limit.period)
        error.__cause__ = exit.error
        return error

    def _prepare(self, child: Child, exit: Exit) -> None:
        """Set the delay of the next life and say so."""
        child.delay = child.next_delay(exit)
        child.cell.restarts += 1
        child.cell.shut_while_down(exit.at + child.delay)
        reports = child.cell.env.reports
        if reports.observed:
            reports.emit(ChildRestarting(child.cell.path, child.cell.lives + 1, child.delay))


def open_cell(env: Environment, parent: str, id: str, spec: ChildSpec) -> Cell:
    """The cell of a child: the one that it had, so that refs stay good, or a new one."""
    path = _path(parent, id)
    cell = env.cells.get(path)
    if cell is None:
        cell = Cell(
            path=path,
            kind=spec.kind,
            mailbox=spec.mailbox,
            while_down_rejects=spec.while_down_rejects,
            env=env,
            takes_messages=spec.subtree is None and not spec.is_function,
        )
    # Open already where a sibling's crash restarts its supervisor: what waits in it waits on.
    if cell.door is Door.CLOSED:
        cell.open()
    return cell


def _path(parent: str, id: str) -> str:
    return f"{parent}/{id}" if parent else id
