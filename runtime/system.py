"""A system: the root of a tree, its clock, its signals, its end."""

import random
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from types import TracebackType
from typing import Self, TypeVar

import trio

from .actor import Actor, find_ref
from .cell import Cell, Environment, Exit
from .deadlines import Deadlines
from .dynamic_supervisor import Children
from .errors import ActorError, SpecError
from .events import DeadLetter, Observer, Reports
from .inspection import ActorSnapshot, snapshot
from .life import Leave, Life
from .mailbox import Mailbox
from .ref import Ref
from .registry import Registry
from .spec import ChildSpec, StrategyName, supervisor
from .static_supervisor import SupervisorLife

__all__ = ["System"]

M = TypeVar("M")


class System:
    """A running tree of actors: `async with System(child("clock", Clock)) as system`.

    Entering returns when all children are ready, and raises StartFailed if one
    is not. Leaving stops the tree in order, right to left, within the children's
    shutdown times. SIGTERM and SIGINT do the same and then cancel the block; a
    second one cancels at once. (Signals reach only a system in the main thread.)
    If the root gives up, the block is cancelled and leaving raises
    SupervisorGaveUp.

    `observer` is called with every runtime event (events.py). `chance` draws the
    jitter, from 0 to 1.
    """

    def __init__(
        self,
        *children: ChildSpec,
        strategy: StrategyName = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        observer: Observer | None = None,
        signals: bool = True,
        name: str = "system",
    ) -> None:
        self._spec = supervisor(
            name, *children, strategy=strategy, intensity=intensity, period=period
        )
        self._reports = Reports(observer)
        self._signals = signals
        self._running: AbstractAsyncContextManager[None] | None = None
        self._env: Environment | None = None
        self._root: SupervisorLife | None = None
        self._body = trio.CancelScope()
        self._exit: Exit | None = None
        self.registry = Registry()
        self.stopped_by: signal.Signals | None = None
        """The signal that ended the system, if one did."""

    # Finding actors.

    def ref(self, path: str, kind: type[Actor[M]]) -> Ref[M]:
        """The ref of the actor at `path`, as `providers/openai`.

        Raises SpecError if nobody is there, or an actor of another class.
        """
        return find_ref(Ref(self._environment.cell(path)), kind)

    def children(self, path: str, kind: type[Actor[M]]) -> Children[M]:
        """The children of the dynamic supervisor at `path`, actors of class `kind`."""
        return Children(self._environment.cell(path))

    # Looking at them.

    def snapshot(self, under: str = "") -> tuple[ActorSnapshot, ...]:
        """All actors at this moment, at and below `under`; parents before children."""
        return snapshot(self._environment, under)

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The last 256 messages that were not handled to their end."""
        return tuple(self._reports.dead_letters)

    # Ending.

    def stop(self) -> None:
        """Begin the orderly end; `stopped` tells when it is over."""
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
            chance=random.random,
        )
        root_cell = Cell("", self._spec.kind, Mailbox(1), False, env)
        self._root = root = SupervisorLife(root_cell, self._spec, self._spec.start, self, 0.0)
        error: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(env.deadlines.run)
                if self._signals and threading.current_thread() is threading.main_thread():
                    await nursery.start(self._heed_signals)
                nursery.start_soon(root.run, name=self._spec.id)
                try:
                    await self._ready(root)
                    with self._body:
                        yield
                except BaseException as exc:  # noqa: BLE001 - raised again below, ungrouped
                    error = exc
                with trio.CancelScope(shield=isinstance(error, trio.Cancelled)):
                    self.stop()
                    await root.finished()
                nursery.cancel_scope.cancel(reason="the system has stopped")
        except BaseExceptionGroup as group:
            error = error or group
        if error is not None and not isinstance(error, ActorError):
            raise error
        if self._exit is not None and self._exit.error is not None:
            # Why the tree fell says more than what the block saw of it.
            raise self._exit.error from self._exit.error.__cause__ or error
        if error is not None:
            raise error

    async def _ready(self, root: SupervisorLife) -> None:
        await root._wait_for_change(lambda: root.began != inf)
        if root.exit is not None and root.exit.error is not None and root.began == inf:
            raise root.exit.error

    async def _heed_signals(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
            task_status.started()
            async for number in received:
                if self.stopped_by is not None and self._root is not None:
                    self._root.kill()
                self.stopped_by = signal.Signals(number)
                self.stop()

    # The root's host.

    def child_ready(self, life: Life) -> None:
        """Nobody but `_ready` waits for the root."""

    def child_exited(self, life: Life, exit: Exit) -> None:
        self._exit = exit
        # The block is of no use without its actors.
        self._body.cancel(reason="the system has stopped")
