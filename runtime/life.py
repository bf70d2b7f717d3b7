"""A life: one run of a child between a start and a death, in one trio task.

Whatever happens in it ends as an `Exit` that its supervisor reads; only
cancellation from outside, KeyboardInterrupt and SystemExit leave the task. The
life settles every message it held before it reports, because nobody else can
once the supervisor itself is being cancelled.
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf
from types import CoroutineType
from typing import Any, Protocol, TypeVar

import trio

from .cell import Cell, Door, Exit, ExitKind, State
from .errors import ActorError, StartFailed, StartTimeout
from .events import ActorStarted, ChildCrashed
from .mailbox import Envelope
from .replies import Promise
from .spec import ChildSpec

__all__ = ["FunctionLife", "Host", "Leave", "Life", "lone", "start_failure"]


E = TypeVar("E", bound=BaseException)


class Leave(IntEnum):
    """How a life has been asked to end."""

    NOT = 0
    AFTER_THIS = 1
    """After the message in hand; the queue is for the next life."""
    WHEN_DRAINED = 2
    """After all that waits; new messages are refused."""


class Host(Protocol):
    """The supervisor, as its children's lives see it."""

    def child_ready(self, life: "Life") -> None: ...
    def child_exited(self, life: "Life", exit: Exit) -> None: ...


class Life:
    """Common to actors, functions and supervisors: scope, start, exit."""

    __slots__ = (
        "asked",
        "began",
        "by_itself",
        "cell",
        "delay",
        "exit",
        "fatal",
        "host",
        "injected",
        "killed",
        "leaving",
        "number",
        "scope",
        "spec",
        "start",
        "task",
        "waiters",
    )

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        self.cell = cell
        self.spec = spec
        # Beside the spec, because all children of a dynamic supervisor share one.
        self.start = start
        self.host = host
        self.delay = delay
        cell.lives += 1
        cell.life = self
        self.number = cell.lives
        # Made before the task, so that a stop can cancel a child that has not run yet.
        self.scope = trio.CancelScope()
        self.leaving = Leave.NOT
        self.asked = False
        self.killed = False
        self.by_itself = False
        # The message whose handler raised what this life died of.
        self.fatal: Envelope | None = None
        # What a test lets it crash with, in place of the Cancelled that ends it.
        self.injected: Exception | None = None
        self.task: trio.lowlevel.Task | None = None
        self.began = inf
        self.exit: Exit | None = None
        self.waiters: list[Promise] | None = None
        cell.state = State.BACKOFF if delay else State.STARTING

    # Asked from outside.

    def request(self, leave: Leave) -> None:
        """Ask for an orderly end; `finished` tells when."""
        self.asked = True
        if leave <= self.leaving:
            return
        self.leaving = leave
        if leave is Leave.WHEN_DRAINED and self.cell.door is Door.OPEN:
            self.cell.door = Door.DRAINING
            self.cell.state = State.DRAINING
        self.wake()

    def kill(self) -> None:
        """End it now: cancelled wherever it is."""
        self.asked = True
        self.killed = True
        self.scope.cancel(reason=f"{self.cell.path} did not stop in time")

    def crash(self, error: Exception) -> None:
        """End it now, wherever it waits, as if it had raised `error` there."""
        if self.exit is None and not self.asked:
            self.injected = error
            self.scope.cancel(reason=f"a test lets {self.cell.path} crash")

    def wake(self) -> None:
        """Make the body look at `leaving`."""

    async def ready(self) -> None:
        """Wait until this life is ready. Raises StartFailed where it ends before."""
        await self._wait_for_change(lambda: self.began != inf)
        if self.began == inf and self.exit is not None:
            raise start_failure(self.cell, self.exit)

    async def finished(self) -> None:
        """Wait until this life has ended."""
        await self._wait_for_change(lambda: False)

    def stack(self) -> tuple[str, ...]:
        """Where its code waits, outermost first, as `file:line function`."""
        return frames_of(self.task.coro) if self.task is not None else ()

    async def _wait_for_change(self, enough: Callable[[], bool]) -> None:
        while self.exit is None and not enough():
            promise = Promise()
            self.waiters = [*(self.waiters or ()), promise]
            await promise.settled()

    def _tell_waiters(self) -> None:
        waiters, self.waiters = self.waiters, None
        for promise in waiters or ():
            promise.succeed(None)

    # The task.

    async def run(self) -> None:
        """The whole life, as a task in the supervisor's nursery."""
        self.task = trio.lowlevel.current_task()
        error: Exception | None = None
        foreign: BaseException | None = None
        whole = False
        try:
            with self.scope:
                if self.delay:
                    await trio.sleep(self.delay)
                    self.cell.state = State.STARTING
                self.scope.deadline = self.cell.env.now() + self.spec.start_timeout
                await self.body()
                whole = True
        except Exception as exc:  # noqa: BLE001 - this is where crashes end
            error = lone(exc)
        except BaseExceptionGroup as group:
            mine, rest = group.split(Exception)
            error = lone(mine) if mine is not None else None
            foreign = rest
        finally:
            exit = self._ended(error, whole)
            # Before cleaning up, which may take its time: an asker hears at once.
            self.settle(exit)
            try:
                exit = await self.clean_up(exit)
            finally:
                # Also where terminate raises what is no Exception: the supervisor waits for it.
                self._report(exit)
        if foreign is not None:
            raise lone(foreign)

    async def body(self) -> None:
        """What this life is for; calls `become_ready` once it is."""

    @property
    def last_words(self) -> float:
        """Seconds that `clean_up` may take, shielded from being killed."""
        return 0.0

    async def clean_up(self, exit: Exit) -> Exit:
        """A last word, also when cancelled; may turn the exit into a crash."""
        return exit

    def settle(self, exit: Exit) -> None:
        """End all that this life held."""

    def become_ready(self) -> None:
        """The start has succeeded; unless it is too late, or it is to end before it was ready.

        A start that cannot be cancelled, as one in a thread, outlasts its deadline.
        The life that it comes back to is cancelled already, and ends at its next
        checkpoint as one that was never ready.
        """
        if self.scope.cancel_called:
            return
        cell = self.cell
        self.scope.deadline = inf
        self.began = cell.env.now()
        cell.retry_at = inf
        if self.leaving is not Leave.WHEN_DRAINED:
            cell.state = State.RUNNING
        cell.reopen_door()
        self._tell_waiters()
        self.host.child_ready(self)
        if cell.env.reports.observed:
            cell.env.reports.emit(ActorStarted(cell.path, self.number))

    def _ended(self, error: Exception | None, whole: bool) -> Exit:
        cell = self.cell
        message = type(self.fatal.message).__name__ if self.fatal is not None else None
        if error is None and not whole:
            error = self.injected
        if error is not None:
            kind = ExitKind.CRASHED if self.began != inf else ExitKind.START_FAILED
        elif self.asked:
            kind = ExitKind.KILLED if self.killed else ExitKind.SHUTDOWN
        elif self.began == inf and self.scope.cancel_called:
            # Nobody asked, so it was the deadline of the start.
            kind = ExitKind.START_FAILED
            error = StartTimeout(
                cell.path,
                f"not ready within {self.spec.start_timeout:g} s; "
                f"move slow work from init to on_start, or raise start_timeout",
            )
        elif whole or self.by_itself:
            kind = ExitKind.NORMAL
        else:
            kind = ExitKind.KILLED
        words = cell.env.wording.of(error) if error is not None else ""
        return Exit(kind, cell.env.now(), self.number, error, message, words)

    def _report(self, exit: Exit) -> None:
        cell = self.cell
        self.exit = exit
        cell.record(exit)
        if exit.error is not None and cell.env.reports.observed:
            cell.env.reports.emit(
                ChildCrashed(cell.path, self.number, exit.error, exit.message, exit.words)
            )
        cell.current = None
        cell.since = inf
        if cell.door is not Door.CLOSED:  # or it has stopped, before it let go
            cell.state = State.DOWN
        self._tell_waiters()
        self.host.child_exited(self, exit)


def start_failure(cell: Cell, exit: Exit) -> StartFailed:
    """What the starter of a child that did not become ready is told."""
    if isinstance(exit.error, StartTimeout):
        return exit.error
    if isinstance(exit.error, StartFailed) and exit.error.path.startswith(f"{cell.path}/"):
        return exit.error  # of one of its own children, which says more
    failure = StartFailed(cell.path, f"it did not start ({exit})")
    failure.__cause__ = exit.error
    return failure


def lone(error: E) -> E:
    """A group of one is its member: users catch what they raised."""
    member: Any = error
    while isinstance(member, BaseExceptionGroup) and len(member.exceptions) == 1:
        member = member.exceptions[0]
    return member  # type: ignore[no-any-return]


def refusal_in(error: BaseException) -> ActorError | None:
    """The ActorError that `error` is, or that a group of nothing else begins with."""
    if isinstance(error, ActorError):
        return error
    if not isinstance(error, BaseExceptionGroup) or error.split(ActorError)[1] is not None:
        return None
    group: BaseException = error
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, ActorError)
    return group


def frames_of(coroutine: Any) -> tuple[str, ...]:
    """The await chain of a suspended coroutine, outermost first."""
    lines: list[str] = []
    while isinstance(coroutine, CoroutineType):
        frame = coroutine.cr_frame
        if frame is not None:
            code = frame.f_code
            lines.append(f"{code.co_filename}:{frame.f_lineno} {code.co_qualname}")
        coroutine = coroutine.cr_await
    return tuple(lines)


class FunctionLife(Life):
    """A plain async function as a supervised child: a pump, an accept loop."""

    __slots__ = ()

    async def body(self) -> None:
        function = self.start
        if self.spec.tells_when_ready:
            await function(task_status=self)
        else:
            self.become_ready()
            await function()
        if self.began == inf:
            self.become_ready()

    def started(self, value: object = None) -> None:
        """trio's task status: the function calls it when it is ready; again, it means nothing."""
        if self.began == inf:
            self.become_ready()

    def wake(self) -> None:
        # A function reads no mailbox: to be cancelled is its orderly end.
        self.scope.cancel(reason=f"{self.cell.path} is stopped")
