"""The life of an actor: reading the mailbox, running handlers, settling what was held.

The reader takes what is ready in batches and parks only when nothing is: a
park costs two passes of the scheduler, which is most of what a message costs.
Handlers run in the context of their sender, so contextvars travel with the
message.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context
from math import inf
from types import coroutine
from typing import Any

import trio
from trio.lowlevel import Abort, RaiseCancelT, wait_task_rescheduled

from .actor import Actor, Handler
from .cell import Cell, Exit, ExitKind
from .errors import ActorCrashed, ActorDown, ActorError, MailboxFull, Reject, SpecError
from .life import Host, Leave, Life, frames_of, lone
from .mailbox import DeadReason, Envelope
from .ref import FORWARDED, Down, Ref
from .replies import Stream
from .spec import ChildSpec

__all__ = ["ActorLife"]

# Messages between two checkpoints: at 32 another task waits 20 us more, and a
# message costs a quarter of what it costs at 1.
_BATCH = 32

# Seconds that `terminate` has even where shutdown is 0: cleaning up is not optional.
_TERMINATE_AT_LEAST = 1.0

_NO_CONTEXT = Context()


class ActorLife(Life):
    """A life with a mailbox."""

    __slots__ = ("_background", "_busy", "_nursery", "actor", "handling")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        self.actor: Actor[Any] | None = None
        self.handling: Coroutine[Any, Any, Any] | None = None
        self._nursery: trio.Nursery | None = None
        # How many tasks of each limited message run; made when first needed.
        self._busy: dict[type, int] | None = None
        self._background: set[trio.CancelScope] | None = None

    # What the actor asks of it (actor.Context).

    @property
    def ref(self) -> Ref[Any]:
        return Ref(self.cell)

    def find(self, path: str) -> Ref[Any]:
        return Ref(self.cell.env.cell(path))

    def watch(self, ref: Ref[Any]) -> None:
        mine = self.ref
        ref._cell.when_closed(lambda reason: mine.tell(Down(ref, reason)))

    def leave(self) -> None:
        if not self.leaving:
            self.leaving = Leave.AFTER_THIS
            self._by_itself = True
            self.wake()

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
        self._nursery.start_soon(self._run_background, scope, function, args)

    async def _run_background(
        self, scope: trio.CancelScope, function: Callable[..., Awaitable[object]], args: Any
    ) -> None:
        # It acts for the actor, and not for the message that was in hand at its start.
        with self._acting(Envelope(self.cell, None, None, _NO_CONTEXT, 0.0)), scope:
            await function(*args)
        if self._background is not None:
            self._background.discard(scope)

    @contextmanager
    def _acting(self, holder: Cell | Envelope) -> Generator[None]:
        """Let the running task be known as this actor's, in the hand of `holder`."""
        hands, task = self.cell.env.hands, trio.lowlevel.current_task()
        hands[task] = holder
        try:
            yield
        finally:
            del hands[task]

    # What the supervisor asks of it.

    def wake(self) -> None:
        if self.began == inf:
            # Nothing is in hand yet: not to become ready is the orderly end.
            self.scope.cancel(reason=f"{self.cell.path} is stopped before it was ready")
        else:
            self.cell.wake()

    def stack(self) -> tuple[str, ...]:
        # The handler is driven by hand, which hides it from the task's own chain.
        return super().stack() + (frames_of(self.handling) if self.handling is not None else ())

    # The task.

    async def body(self) -> None:
        with self._acting(self.cell):
            await self._live()

    async def _live(self) -> None:
        actor: Actor[Any] = self.start()
        actor._context = self
        self.actor = actor
        kind = type(actor)
        self.cell.actor_type = kind
        if kind.init is not Actor.init:
            await actor.init()
        if not kind._has_nursery:
            self.become_ready()
            if kind.on_start is not Actor.on_start:
                await actor.on_start()
            await self._read(actor)
            return
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.become_ready()
            if kind.on_start is not Actor.on_start:
                await actor.on_start()
            for message in list(self.cell.lines or ()):
                self._advance(actor, kind._handlers[message])
            await self._read(actor)
            # Requests under way may end; background tasks have nothing to end for.
            for scope in self._background or ():
                scope.cancel(reason=f"{self.cell.path} is stopping")

    async def _read(self, actor: Actor[Any]) -> None:
        cell = self.cell
        receive_nowait = cell.receiving.receive_nowait
        handlers = actor._handlers
        budget = _BATCH
        while self.leaving is not Leave.AFTER_THIS:
            try:
                envelope = receive_nowait()
            except trio.WouldBlock:
                if self.leaving:
                    return
                budget = _BATCH
                cell.parked = self.task
                await wait_task_rescheduled(self._abort_park)
                continue
            reply = envelope.reply
            if reply is not None and reply.abandoned:
                continue
            handler = handlers.get(type(envelope.message)) or _by_base(handlers, envelope)
            if handler is None:
                self._unknown(envelope)
            elif handler.task:
                self._start(actor, handler, envelope)
            else:
                cell.current = envelope
                body = handler.function(actor, envelope.message)
                trap = self._first_step(envelope, body)
                if trap is not None:
                    await self._rest(envelope, body, trap)
                cell.current = None
                cell.handled += 1
            budget -= 1
            if not budget:
                budget = _BATCH
                await trio.lowlevel.checkpoint()

    def _abort_park(self, _raise_cancel: RaiseCancelT) -> Abort:
        self.cell.parked = None
        return Abort.SUCCEEDED

    def _first_step(self, envelope: Envelope, body: Any) -> Any:
        """Run a handler until it waits; returns what it waits for, or None if it has ended.

        Most handlers never wait. For them this is all there is: no coroutine
        around theirs, and nobody can ask since when they have run.
        """
        try:
            trap = envelope.context.run(body.send, None)
        except StopIteration as done:
            if envelope.reply is not None and done.value is not FORWARDED:
                envelope.reply.succeed(done.value)
        except ActorError as error:
            self._refused(envelope, error)
        else:
            return trap
        return None

    async def _rest(self, envelope: Envelope, body: Any, trap: Any) -> None:
        """Go on with a handler that waits."""
        self.cell.since = self.cell.env.now()
        self.handling = body
        try:
            result = await _drive(envelope.context, body, trap)
        except ActorError as error:
            self._refused(envelope, error)
        else:
            self._answer(envelope, result)
        self.handling = None

    def _answer(self, envelope: Envelope, result: Any) -> None:
        if envelope.reply is not None and result is not FORWARDED:
            envelope.reply.succeed(result)

    def _refused(self, envelope: Envelope, error: ActorError) -> None:
        if envelope.reply is not None:
            envelope.reply.fail(error)
        else:
            self.cell.bury(envelope, DeadReason.REFUSED)

    def _unknown(self, envelope: Envelope) -> None:
        name = type(envelope.message).__name__
        error = Reject(f"{self.cell.path}: {self.cell.kind} has no handler for {name}")
        self.cell.lose(envelope, error, DeadReason.UNKNOWN)

    # Handlers in tasks of their own.

    def _start(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> None:
        if handler.limit is not None:
            self._busy = busy = self._busy or {}
            if busy.get(handler.message, 0) >= handler.limit:
                self._stand_in_line(handler, envelope)
                return
            busy[handler.message] = busy.get(handler.message, 0) + 1
        assert self._nursery is not None
        cell = self.cell
        cell.in_flight = cell.in_flight if cell.in_flight is not None else {}
        cell.in_flight[envelope] = cell.env.now()
        envelope.task = True
        envelope.context.run(self._nursery.start_soon, self._serve, actor, handler, envelope)

    def _stand_in_line(self, handler: Handler, envelope: Envelope) -> None:
        cell = self.cell
        cell.lines = cell.lines if cell.lines is not None else {}
        line = cell.lines.setdefault(handler.message, deque())
        if len(line) < cell.mailbox.capacity:
            line.append(envelope)
        else:
            full = MailboxFull(cell.path, cell.mailbox.capacity)
            cell.lose(envelope, full, DeadReason.OVERFLOW)

    def _advance(self, actor: Actor[Any], handler: Handler) -> None:
        """A place is free: start who is next in line."""
        line = (self.cell.lines or {}).get(handler.message)
        while line and self.leaving is not Leave.AFTER_THIS:
            if (self._busy or {}).get(handler.message, 0) >= (handler.limit or 1):
                return
            envelope = line.popleft()
            if envelope.reply is None or not envelope.reply.abandoned:
                self._start(actor, handler, envelope)

    async def _serve(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> None:
        cell = self.cell
        reply = envelope.reply
        scope = trio.CancelScope()
        if reply is not None:
            reply.scope = scope
        result = None
        try:
            with self._acting(envelope), scope:
                if reply is None or not reply.abandoned:
                    result = await self._call(actor, handler, envelope)
        except ActorError as error:
            self._refused(envelope, error)
        else:
            self._answer(envelope, result)
        # Not in a finally: what a crash interrupts stays in flight, for settle.
        cell.handled += 1
        if cell.in_flight is not None:
            cell.in_flight.pop(envelope, None)
        if handler.limit is not None and self._busy is not None:
            self._busy[handler.message] -= 1
            self._advance(actor, handler)

    async def _call(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> Any:
        if handler.streams:
            stream = envelope.reply
            assert isinstance(stream, Stream)
            return await handler.function(actor, envelope.message, stream.sink)
        return await handler.function(actor, envelope.message)

    # The end.

    async def clean_up(self, exit: Exit) -> Exit:
        actor = self.actor
        if actor is None or type(actor).terminate is Actor.terminate:
            return exit
        grace = max(self.spec.shutdown, _TERMINATE_AT_LEAST)
        try:
            with trio.CancelScope(shield=True, relative_deadline=grace):
                await actor.terminate(exit)
        except Exception as exc:  # noqa: BLE001 - a fault in cleaning up is a crash, too
            if exit.error is None:
                return Exit(ExitKind.CRASHED, exit.at, exit.life, lone(exc))
            exit.error.add_note(f"and terminate raised {type(exc).__name__}: {exc}")
        return exit

    def settle(self, exit: Exit) -> None:
        cell = self.cell
        held = list(cell.in_flight or ())
        if cell.current is not None:
            held.append(cell.current)
        cell.in_flight = None
        for envelope in held:
            if exit.crashed:
                error: ActorError = ActorCrashed(
                    cell.path, f"it crashed with this request in hand ({exit})"
                )
                error.__cause__ = exit.error
                cell.lose(envelope, error, DeadReason.CRASHED)
            else:
                error = ActorDown(cell.path, "it was stopped before it answered this request")
                cell.lose(envelope, error, DeadReason.STOPPED)


def _by_base(handlers: Any, envelope: Envelope) -> Handler | None:
    """A message of a subclass goes to the handler of its nearest base."""
    for base in type(envelope.message).__mro__[1:]:
        if base in handlers:
            found: Handler = handlers[base]
            return found
    return None


@coroutine
def _drive(context: Context, body: Any, trap: Any) -> Generator[Any, Any, Any]:
    """Go on with a handler that has waited once, in its sender's context."""
    while True:
        try:
            sent = yield trap
        except BaseException as error:  # noqa: BLE001 - the handler's to see, Cancelled included
            step, value = body.throw, error
        else:
            step, value = body.send, sent
        try:
            trap = context.run(step, value)
        except StopIteration as done:
            return done.value
