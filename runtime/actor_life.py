"""The life of an actor: reading the mailbox, running handlers, settling what was held.

The reader takes what is ready in batches and parks only when nothing is: a
park costs two passes of the scheduler, which is most of what a message costs.
Handlers run in the context of their sender, so contextvars travel with the
message.
"""

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
from .cycles import waits_for_itself
from .dynamic_children import Children
from .errors import ActorCrashed, ActorDown, ActorError, AskCycle, MailboxFull, Reject, SpecError
from .life import Host, Leave, Life, frames_of, lone, refusal_in
from .mailbox import Aside, DeadReason, Envelope, Line, Starting
from .messages import Streams
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

    __slots__ = ("_background", "_has_read", "_nursery", "actor", "handling")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        self.actor: Actor[Any] | None = None
        self.handling: Coroutine[Any, Any, Any] | None = None
        self._nursery: trio.Nursery | None = None
        self._has_read = False
        self._background: set[trio.CancelScope] | None = None

    # What the actor asks of it (actor.Context).

    @property
    def ref(self) -> Ref[Any]:
        return Ref(self.cell)

    def find(self, path: str) -> Ref[Any]:
        return Ref(self.cell.env.cell(path))

    def children(self, path: str, kind: type) -> Children[Any]:
        return Children(self.cell.env.cell(path), kind)

    def watch(self, ref: Ref[Any]) -> None:
        mine, theirs = self.cell, ref._cell

        def tell(reason: str) -> None:
            mine.forget_watcher(("watches", theirs))
            mine.notify(Down(ref, reason))

        # Whichever closes first takes its trace out of the other: a provider
        # outlives a million sessions that watch it.
        mine.when_closed(
            ("watches", theirs), lambda _reason: theirs.forget_watcher(("watched by", mine))
        )
        theirs.when_closed(("watched by", mine), tell)

    def leave(self) -> None:
        if not self.leaving:
            self.leaving = Leave.AFTER_THIS
            self.by_itself = True
            # Not `wake`: what is in hand, be it `init`, comes to its end.
            self.cell.wake()

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

    def kill(self) -> None:
        # Also for a handler that swallows the cancellation: it is the last one.
        self.leaving = Leave.AFTER_THIS
        super().kill()

    def stack(self) -> tuple[str, ...]:
        # The handler is driven by hand, which hides it from the task's own chain.
        return super().stack() + (frames_of(self.handling) if self.handling is not None else ())

    # The task.

    async def body(self) -> None:
        with self._acting(self.cell):
            await self._live()

    async def _live(self) -> None:
        made: object = self.start()
        if not isinstance(made, Actor):
            raise _no_actor(self.cell.path, made)
        actor: Actor[Any] = made
        actor._context = self
        self.actor = actor
        kind = type(actor)
        self.cell.actor_type = kind
        if kind.init is not Actor.init:
            with self._starting():
                await actor.init()
        if not kind._has_nursery:
            self.become_ready()
            if kind.on_start is not Actor.on_start:
                with self._starting():
                    await actor.on_start()
            await self._read(actor)
            return
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.become_ready()
            if kind.on_start is not Actor.on_start:
                with self._starting():
                    await actor.on_start()
            for message in list(self.cell.lines or ()):
                self._advance(actor, kind._handlers[message])
            await self._read(actor)
            await self._tasks_done()
            # Requests under way may end; background tasks have nothing to end for.
            self._has_read = True
            for scope in self._background or ():
                scope.cancel(reason=f"{self.cell.path} is stopping")

    @contextmanager
    def _starting(self) -> Generator[None]:
        """Have `Starting` in hand, so that an ask of itself is found there, too."""
        cell = self.cell
        cell.since = cell.env.now()
        cell.current = Envelope(cell, Starting(), None, _NO_CONTEXT, cell.since)
        yield
        cell.current = None
        cell.since = inf

    async def _tasks_done(self) -> None:
        """Let the task handlers under way end, within `shutdown` seconds."""
        cell = self.cell
        if cell.in_flight and self.by_itself:
            # Nobody else would see to it.
            self.scope.deadline = cell.env.now() + self.spec.shutdown
        while cell.in_flight:
            await self._park()

    async def _read(self, actor: Actor[Any]) -> None:
        cell = self.cell
        receive_nowait = cell.receiving.receive_nowait
        handlers = actor._handlers
        budget = _BATCH
        while self.leaving is not Leave.AFTER_THIS:
            try:
                envelope = receive_nowait()
            except trio.WouldBlock:
                # While it drains, its task handlers may still tell and ask it.
                if self.leaving and not cell.in_flight:
                    return
                # An idle actor does not hold on to its last message.
                envelope = reply = body = trap = None  # type: ignore[assignment]
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

    async def _park(self) -> None:
        self.cell.parked = self.task
        await wait_task_rescheduled(self._abort_park)

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
        except Exception as error:
            if not self._refused(envelope, error):
                raise
        else:
            return trap
        return None

    async def _rest(self, envelope: Envelope, body: Any, trap: Any) -> None:
        """Go on with a handler that waits."""
        self.cell.since = self.cell.env.now()
        self.handling = body
        try:
            result = await _drive(envelope.context, body, trap)
        except BaseException as error:
            if not self._refused(envelope, error):
                raise
        else:
            self._answer(envelope, result)
        self.handling = None
        self.cell.since = inf

    def _answer(self, envelope: Envelope, result: Any) -> None:
        if envelope.reply is not None and result is not FORWARDED:
            envelope.reply.succeed(result)

    def _refused(self, envelope: Envelope, error: BaseException) -> bool:
        """Whether what a handler raised fails its request only; else it is a crash."""
        refusal = refusal_in(error)
        if refusal is not None:
            self.cell.lose(envelope, refusal, DeadReason.REFUSED)
            return True
        faults = error.split(Exception)[0] if isinstance(error, BaseExceptionGroup) else error
        if self.fatal is None and isinstance(faults, Exception):
            self.fatal = envelope
        return False

    def _unknown(self, envelope: Envelope) -> None:
        name = type(envelope.message).__name__
        error = Reject(f"{self.cell.path}: {self.cell.kind} has no handler for {name}")
        self.cell.lose(envelope, error, DeadReason.UNKNOWN)

    # Handlers in tasks of their own.

    def _start(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> None:
        cell = self.cell
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
        cell.in_flight = cell.in_flight if cell.in_flight is not None else {}
        cell.in_flight[envelope] = cell.env.now()
        envelope.where = Aside.TASK
        envelope.context.run(self._nursery.start_soon, self._serve, actor, handler, envelope)

    def _line(self, handler: Handler) -> Line:
        cell = self.cell
        if cell.lines is None:
            cell.lines = {}
        return cell.lines.setdefault(handler.message, Line())

    def _stand_in_line(self, line: Line, envelope: Envelope) -> None:
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
        while line.queue and free > 0 and self.leaving is not Leave.AFTER_THIS:
            envelope = line.queue.popleft()
            if envelope.reply is None or not envelope.reply.abandoned:
                self._start(actor, handler, envelope)
                free -= 1

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
        except BaseException as error:
            if not self._refused(envelope, error):
                raise
        else:
            self._answer(envelope, result)
        # Not in a finally: what a crash interrupts stays in flight, for settle.
        cell.handled += 1
        if cell.in_flight is not None:
            cell.in_flight.pop(envelope, None)
        if handler.limit is not None:
            self._line(handler).running.discard(envelope)
            self._advance(actor, handler)
        if self.leaving:
            cell.wake()

    async def _call(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> Any:
        if handler.streams:
            stream = envelope.reply
            assert isinstance(stream, Stream)
            return await handler.function(actor, envelope.message, stream.sink)
        return await handler.function(actor, envelope.message)

    # The end.

    @property
    def last_words(self) -> float:
        if self.actor is None or type(self.actor).terminate is Actor.terminate:
            return 0.0
        return max(self.spec.shutdown, _TERMINATE_AT_LEAST)

    async def clean_up(self, exit: Exit) -> Exit:
        actor, grace = self.actor, self.last_words
        if actor is None or not grace:
            return exit
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
        if cell.current is not None and not isinstance(cell.current.message, Starting):
            held.append(cell.current)
        cell.in_flight = None
        for line in (cell.lines or {}).values():
            line.running.clear()
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


def _no_actor(path: str, made: object) -> SpecError:
    if isinstance(made, Coroutine):
        made.close()
        return SpecError(
            f"{path}: its start returned a coroutine; give the async function itself, "
            f"with its arguments bound by functools.partial"
        )
    return SpecError(f"{path}: its start returned {made!r}, which is no Actor")


def _by_base(handlers: Any, envelope: Envelope) -> Handler | None:
    """A message of a subclass goes to the handler of its nearest base that answers its way."""
    streams = isinstance(envelope.message, Streams)
    for base in type(envelope.message).__mro__[1:]:
        found: Handler | None = handlers.get(base)
        if found is not None and found.streams == streams:
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
        # An error holds this frame by its traceback; the frame is not to hold the error.
        value = None
