"""A system: the root of a tree, its clock, its signals, its end."""

import random
import signal
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from math import inf
from types import TracebackType
from typing import Self, TypeVar

import trio

from .actor import Actor, find_ref
from .cell import Cell, Environment, Exit
from .deadlines import Deadlines
from .dynamic_children import Children
from .errors import ActorError, SpecError, StartFailed
from .events import DeadLetter, Observer, Reports
from .inspection import ActorSnapshot, kind_of, snapshot
from .inspector import Inspector
from .life import Leave, Life
from .mailbox import DeadReason, Mailbox
from .operator import Operator
from .ref import Ref
from .registry import Registry
from .signals import heard
from .spec import ChildSpec, StrategyName, supervisor
from .static_supervisor import SupervisorLife
from .wording import Redact, Wording

__all__ = ["System"]

M = TypeVar("M")


class System:
    """A running tree of actors: `async with System(child("clock", Clock)) as system`.

    Entering returns when all children are ready, and raises StartFailed if one
    is not. Leaving stops the tree in order, right to left, within the children's
    shutdown times. SIGTERM and SIGINT do the same and then cancel the block; a
    second one cancels at once. (Signals reach only systems in the main thread,
    and all of them.) If the root gives up, the block is cancelled and leaving
    raises SupervisorGaveUp. An exception in the block stops the tree in order
    and is raised as itself; a cancel of the block cancels the tree. Entering it a
    second time, and asking it for actors outside of its block, raises SpecError.

    `strategy`, `intensity` and `period` (in seconds) are the root's, as for `supervisor`.
    `observer` is called with every runtime event, see `Observer`. Without `signals`
    it leaves signals to others. `chance` draws the
    jitter, from 0 to 1; a test gives a fixed one. `name` is the root's in errors.
    `redact` takes out of a text what nobody may read: it is asked of every text
    that the runtime makes of a fault, in snapshots, events, errors and log lines.
    """

    def __init__(
        self,
        *children: ChildSpec,
        strategy: StrategyName = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        observer: Observer | None = None,
        signals: bool = True,
        chance: Callable[[], float] = random.random,
        name: str = "system",
        redact: Redact | None = None,
    ) -> None:
        self._spec = supervisor(
            name, *children, strategy=strategy, intensity=intensity, period=period
        )
        self._wording = Wording() if redact is None else Wording(redact)
        self._reports = Reports(observer, wording=self._wording)
        self._signals = signals
        self._chance = chance
        self._running: AbstractAsyncContextManager[None] | None = None
        self._env: Environment | None = None
        self._root: SupervisorLife | None = None
        self._body = trio.CancelScope()
        self._exit: Exit | None = None
        self.registry = Registry()
        """Names for actors besides their paths, and groups of them; plain look-ups."""
        self.stopped_by: signal.Signals | None = None
        """The signal that ended the system, if one did."""

    # Finding actors.

    def ref(self, path: str, kind: type[Actor[M]]) -> Ref[M]:
        """The ref of the actor at `path`, as `providers/openai`.

        Raises SpecError if nobody is there, or an actor of another class.
        """
        return find_ref(Ref(self._environment.cell(path)), kind)

    def children(self, path: str, kind: type[Actor[M]]) -> Children[M]:
        """The children of the dynamic supervisor at `path`, actors of class `kind`.

        Raises SpecError if no dynamic supervisor is there.
        """
        return Children(self._environment.cell(path), kind)

    # Looking at them.

    def snapshot(self, under: str = "") -> tuple[ActorSnapshot, ...]:
        """All actors at this moment, at and below `under`; parents before children."""
        return snapshot(self._environment, under)

    def kind_of(self, path: str) -> str:
        """The kind of the child at `path`, as its snapshot says it; "" if nobody is there."""
        cell = self._environment.cells.get(path)
        return "" if cell is None else kind_of(cell)

    @property
    def is_told(self) -> bool:
        """Whether the code that runs handles a message for whose answer nobody waits.

        False outside of handlers, and in background tasks.
        """
        hand = self._environment.hand()
        return hand is not None and hand.reply is None and hand.message is not None

    @property
    def acting(self) -> str:
        """The path of the actor whose code runs; "" outside of actors, and in other threads."""
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return ""
        cell = self._environment.acting()
        return "" if cell is None else cell.path

    @property
    def inspector(self) -> Inspector:
        """Looks at single actors, and at all of them in slices."""
        return Inspector(self._environment)

    @property
    def operator(self) -> Operator:
        """Restarts, stops, drains, suspends and resumes actors by hand, and sends dead letters again."""
        root, env = self._root, self._environment
        assert root is not None
        return Operator(env, root)

    @property
    def dead_letter_counts(self) -> Mapping[DeadReason, int]:
        """How many messages were not handled to their end since the start, by reason."""
        return self._reports.dead_letter_counts

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The last 256 messages that were not handled to their end."""
        return tuple(self._reports.dead_letters)

    # Ending.

    def stop(self) -> None:
        """Begin the orderly end, which takes what waits into account: each actor first handles
        what is in its mailbox, within its shutdown seconds. `stopped` tells when it is over.

        Then the block is cancelled, at its next checkpoint: it has no actors.
        """
        if self._root is not None:
            self._root.request(Leave.WHEN_DRAINED)

    async def stopped(self) -> None:
        """Wait until all actors have stopped."""
        if self._root is not None:
            await self._root.finished()

    # The context manager.

    @property
    def _environment(self) -> Environment:
        if self._env is None:
            raise SpecError("the system is not running; use it inside `async with System(...)`")
        return self._env

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise SpecError("a System runs once; make another one")
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._running is not None
        return await self._running.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[None]:
        clock = trio.lowlevel.current_clock()
        self._env = env = Environment(
            now=clock.current_time,
            deadlines=Deadlines(),
            reports=self._reports,
            cells={},
            chance=self._chance,
            wording=self._wording,
        )
        root_cell = Cell("", self._spec.kind, Mailbox(1), False, env)
        self._root = root = SupervisorLife(root_cell, self._spec, self._spec.start, self, 0.0)
        error: BaseException | None = None
        try:
            with heard(self._signalled) if self._signals else nullcontext():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(env.deadlines.run)
                    nursery.start_soon(root.run, name=self._spec.id)
                    try:
                        await self._ready(root)
                        with self._body:
                            yield
                    except trio.Cancelled:
                        raise  # what cancels the block cancels the tree, and the nursery waits
                    except BaseException as exc:  # noqa: BLE001 - raised again below, ungrouped
                        error = exc
                    self.stop()
                    await root.finished()
                    nursery.cancel_scope.cancel(reason="the system has stopped")
        except BaseException as exc:  # noqa: BLE001 - likewise
            error = _graver(error, exc)
        self._raise_what_matters(error)

    async def _ready(self, root: SupervisorLife) -> None:
        await root._wait_for_change(lambda: root.began != inf)
        if root.began == inf and root.exit is not None:
            raise root.exit.error or StartFailed(
                self._spec.id, "it was stopped before all its children were ready"
            )

    def _raise_what_matters(self, error: BaseException | None) -> None:
        fallen = self._exit.error if self._exit is not None else None
        if fallen is not None and (error is None or _only(error, ActorError, trio.Cancelled)):
            # Why the tree fell says more than what the block saw of it.
            if fallen.__cause__ is None and error is not fallen:
                fallen.__cause__ = error
            raise fallen
        if error is not None:
            raise error

    def _signalled(self, number: signal.Signals) -> None:
        if self.stopped_by is not None and self._root is not None:
            self._root.kill()
        self.stopped_by = number
        self.stop()

    # The root's host.

    def child_ready(self, life: Life) -> None:
        """The root is ready: entering the block ends its wait by itself."""

    def child_exited(self, life: Life, exit: Exit) -> None:
        """The root has ended: the block is cancelled."""
        self._exit = exit
        # The block is of no use without its actors.
        self._body.cancel(reason="the system has stopped")


def _only(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether an error is of these kinds, or a group with nothing else in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kinds)[1] is None
    return isinstance(error, kinds)


def _graver(mine: BaseException | None, new: BaseException) -> BaseException:
    """Which to raise: what the block raised, or what came out of the tree's tasks after it."""
    while isinstance(new, BaseExceptionGroup) and len(new.exceptions) == 1:
        new = new.exceptions[0]
    if mine is None or not (isinstance(new, Exception) or _only(new, trio.Cancelled)):
        return new  # SystemExit and KeyboardInterrupt are heard in any case
    return mine
