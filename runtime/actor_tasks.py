"""The part of an actor's life that has a nursery: task handlers and background tasks.

A task handler has a cancel scope of its own, so that it ends when nobody waits
for its answer any more. Where its kind is limited, what comes beyond waits in a
line, which belongs to the cell and survives a crash.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from math import inf
from typing import Any

import trio
from trio.lowlevel import Abort, RaiseCancelT, wait_task_rescheduled

from .actor import Actor, Handler
from .cell import Cell, State
from .cycles import waits_for_itself
from .errors import AskCycle, MailboxFull, Reject, SpecError
from .events import Announced, AnnouncedLevel
from .life import Host, Life, refusal_in
from .mailbox import Aside, DeadReason, Envelope, LimitedHandler, Starting
from .ref import FORWARDED
from .replies import Stream
from .spec import ChildSpec
from .tallies import MOMENT

__all__ = ["NO_CONTEXT", "ActorTasks"]

NO_CONTEXT = Context()


class ActorTasks(Life):
    """What of an actor runs beside its turns."""

    __slots__ = (
        "_background",
        "_has_fault",
        "_has_read",
        "_nursery",
        "actor",
        "halted",
        "suspended",
    )

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        self.actor: Actor[Any] | None = None
        self._nursery: trio.Nursery | None = None
        self._background: set[trio.CancelScope] | None = None
        self._has_read = False
        self._has_fault = False
        # Whether the next message is left where it is: one look a message for both
        # reasons, the end of this life and being suspended.
        self.halted = False
        self.suspended = False

    # Asked by a person.

    def suspend(self) -> bool:
        """Read no further message until `resume`; whether it does so. What is in hand goes on."""
        cell = self.cell
        if self.began == inf or self.leaving or self.exit is not None:
            return False
        self.suspended = self.halted = True
        cell.idle = None  # or askers would be answered in their own turns
        cell.state = State.SUSPENDED
        return True

    def resume(self) -> None:
        """Undo `suspend`."""
        if not self.suspended:
            return
        self.suspended = self.halted = False
        self.cell.state = State.RUNNING
        self.cell.wake()
        for message in list(self.cell.lines or ()):
            assert self.actor is not None
            self._advance(self.actor, self.actor._handlers[message])

    @contextmanager
    def _starting(self) -> Generator[None]:
        """Have `Starting` in hand, so that an ask of itself is found there, too."""
        cell = self.cell
        cell.since = cell.env.now()
        cell.current = Envelope(cell, Starting(), None, NO_CONTEXT, cell.since)
        try:
            yield
        except BaseException as error:
            self._note(error)
            raise
        cell.current = None
        cell.since = inf

    # Background tasks.

    @property
    def crashing(self) -> bool:
        return self._has_fault or self.injected is not None

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: Any) -> None:
        if self._nursery is None:
            raise SpecError(
                f"{self.cell.path}: start_soon needs an actor that has started, and "
                f"`class {self.cell.kind}(Actor[...], background=True)`"
            )
        scope = trio.CancelScope()
        if self._background is None:
            self._background = set()
        self._background.add(scope)
        if self._has_read:
            scope.cancel(reason=f"{self.cell.path} is stopping")
        self._nursery.start_soon(self._run_background, scope, function, args)

    async def _run_background(
        self, scope: trio.CancelScope, function: Callable[..., Awaitable[object]], args: Any
    ) -> None:
        # It acts for the actor, and not for the message that was in hand at its start.
        with self._acting(Envelope(self.cell, None, None, NO_CONTEXT, 0.0)), scope:
            try:
                await function(*args)
            except BaseException as error:
                self._note(error)
                raise
        assert self._background is not None
        self._background.discard(scope)

    def _end_background(self) -> None:
        """Requests under way may end; background tasks have nothing to end for."""
        self._has_read = True
        for scope in self._background or ():
            scope.cancel(reason=f"{self.cell.path} is stopping")

    @contextmanager
    def _acting(self, holder: Cell | Envelope) -> Generator[None]:
        """Let the running task be known as this actor's, in the hand of `holder`."""
        hands, task = self.cell.env.hands, trio.lowlevel.current_task()
        hands[task] = holder
        try:
            yield
        finally:
            del hands[task]

    def answer_later(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        cell = self.cell
        envelope = cell.current
        if self._nursery is None or envelope is None or cell.env.hand() is not envelope:
            raise SpecError(
                f"{cell.path}: answer_later needs a message in hand in its turn, and "
                f"`class {cell.kind}(Actor[...], background=True)`"
            )

        async def rest(_actor: object, _message: object) -> Any:
            return await function(*args)

        handler = Handler(type(envelope.message), rest, True, None, False)
        # In the context in which this runs: it is the envelope's.
        self._spawn(self._nursery, handler, envelope)
        return FORWARDED

    def announce(self, level: AnnouncedLevel, msg: str, detail: str) -> None:
        self.cell.env.reports.emit(Announced(self.cell.path, level, msg, detail))

    def own_scope(self) -> trio.CancelScope:
        envelope = self.cell.env.hand()
        reply = envelope.reply if envelope is not None and envelope.cell is self.cell else None
        if reply is None or reply.scope is None:
            raise SpecError(
                f"{self.cell.path}: own_scope needs a request in hand, in a task of its own"
            )
        return reply.scope

    # Handlers in tasks of their own.

    def _start(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> None:
        if handler.streams and not isinstance(envelope.reply, Stream):
            self._not_read(envelope)
            return
        if handler.limit is not None:
            line = self._line(handler)
            if len(line.running) >= handler.limit:
                self._stand_in_line(line, envelope)
                return
            line.running.add(envelope)
        assert self._nursery is not None
        envelope.context.run(self._spawn, self._nursery, handler, envelope, actor)

    def _spawn(
        self,
        nursery: trio.Nursery,
        handler: Handler,
        envelope: Envelope,
        actor: Actor[Any] | None = None,
    ) -> None:
        cell = self.cell
        cell.in_flight = cell.in_flight if cell.in_flight is not None else {}
        began = cell.in_flight[envelope] = cell.env.now()
        # For `answer_later` it has waited already.
        if actor is not None and cell.tally is not None and began - envelope.enqueued >= MOMENT:
            cell.tally.waited.add(began - envelope.enqueued)
        envelope.where = Aside.TASK
        nursery.start_soon(self._serve, actor, handler, envelope)

    def _line(self, handler: Handler) -> LimitedHandler:
        cell = self.cell
        if cell.lines is None:
            cell.lines = {}
        line = cell.lines.get(handler.message)
        if line is None:
            line = cell.lines[handler.message] = LimitedHandler()
        return line

    def _stand_in_line(self, line: LimitedHandler, envelope: Envelope) -> None:
        cell = self.cell
        if len(line.queue) >= cell.mailbox.capacity:
            full = MailboxFull(cell.path, cell.mailbox.capacity)
            cell.lose(envelope, full, DeadReason.OVERFLOW)
            return
        cycle = waits_for_itself(envelope, line)
        if cycle is not None:
            cell.lose(envelope, AskCycle(cycle), DeadReason.REFUSED)
            return
        envelope.where = line
        line.queue.append(envelope)

    def _not_read(self, envelope: Envelope) -> None:
        name = type(envelope.message).__name__
        error = Reject(f"{self.cell.path}: {name} is answered by a stream; read it by `stream`")
        self.cell.lose(envelope, error, DeadReason.REFUSED)

    def _advance(self, actor: Actor[Any], handler: Handler) -> None:
        """A place is free: start who is next in line."""
        line = self._line(handler)
        free = (handler.limit or 1) - len(line.running)
        while line.queue and free > 0 and not self.halted:
            envelope = line.queue.popleft()
            if envelope.reply is None or not envelope.reply.abandoned:
                self._start(actor, handler, envelope)
                free -= 1

    async def _serve(self, actor: Actor[Any] | None, handler: Handler, envelope: Envelope) -> None:
        cell = self.cell
        reply = envelope.reply
        scope = trio.CancelScope()
        if reply is not None:
            reply.scope = scope
        result = None
        # As `_acting` does, which costs a task as much as this whole function.
        hands, task = cell.env.hands, trio.lowlevel.current_task()
        hands[task] = envelope
        try:
            with scope:
                if reply is None or not reply.abandoned:
                    result = await self._call(actor, handler, envelope)
        except BaseException as error:
            del hands[task]
            if not self._refused(envelope, error):
                raise
        else:
            del hands[task]
            self._answer(envelope, result)
        # Not in a finally: what a crash interrupts stays in flight, for settle.
        if actor is not None:  # else its turn is counted
            cell.handled += 1
        assert cell.in_flight is not None
        self._took(cell.in_flight.pop(envelope))
        if handler.limit is not None:
            assert actor is not None
            self._line(handler).running.discard(envelope)
            self._advance(actor, handler)
        if self.leaving:
            cell.wake()

    def _call(
        self, actor: Actor[Any] | None, handler: Handler, envelope: Envelope
    ) -> Awaitable[Any]:
        if handler.streams:
            stream = envelope.reply
            assert isinstance(stream, Stream)
            return handler.function(actor, envelope.message, stream.sink)  # type: ignore[no-any-return]
        return handler.function(actor, envelope.message)  # type: ignore[no-any-return]

    async def _tasks_done(self) -> None:
        """Let the task handlers under way end, within `shutdown` seconds."""
        cell = self.cell
        if cell.in_flight and self.by_itself:
            # Nobody else would see to it.
            self.scope.deadline = cell.env.now() + self.spec.shutdown
        while cell.in_flight:
            await self._park()

    # What both kinds of handler have.

    def _took(self, began: float) -> None:
        """A handler that has waited for something is at its end."""
        cell = self.cell
        took = cell.env.now() - began
        cell.busy += took
        if took >= MOMENT and cell.tally is not None:
            cell.tally.took.add(took)

    def _answer(self, envelope: Envelope, result: Any) -> None:
        if envelope.reply is not None and result is not FORWARDED:
            envelope.reply.succeed(result)

    def _refused(self, envelope: Envelope, error: BaseException) -> bool:
        """Whether what a handler raised fails its request only; else it is a crash."""
        refusal = refusal_in(error)
        if refusal is not None:
            self.cell.failed += 1
            self.cell.lose(envelope, refusal, DeadReason.REFUSED)
            return True
        if self._note(error) and self.fatal is None:
            self.fatal = envelope
        return False

    def _note(self, error: BaseException) -> bool:
        """Note a fault before it cancels what runs beside; whether it is one, and no cancel."""
        faults = error.split(Exception)[0] if isinstance(error, BaseExceptionGroup) else error
        if isinstance(faults, Exception):
            self._has_fault = True
        return isinstance(faults, Exception)

    async def _park(self) -> None:
        self.cell.parked = self.task
        await wait_task_rescheduled(self._abort_park)

    def _abort_park(self, _raise_cancel: RaiseCancelT) -> Abort:
        self.cell.parked = None
        return Abort.SUCCEEDED
