"""The life of an actor: reading the mailbox, running handlers, settling what was held.

The reader takes what is ready in batches and parks only when nothing is: a
park costs two passes of the scheduler, which is most of what a message costs.
Handlers run in the context of their sender, so contextvars travel with the
message.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import trio
from trio.lowlevel import Abort, RaiseCancelT, wait_task_rescheduled

from .actor import Actor, Handler, nearest
from .actor_tasks import ActorTasks
from .cell import Cell, Door, Exit, ExitKind
from .driving import drive
from .dynamic_children import Children
from .errors import ActorCrashed, ActorDown, ActorError, Reject, SpecError
from .life import Host, Leave, frames_of, lone
from .mailbox import DeadReason, Envelope, Starting
from .ref import FORWARDED, Down, Ref
from .spec import ChildSpec
from .tallies import MOMENT, tally_of
from .tapping import put_tap

__all__ = ["ActorLife"]

# Messages between two checkpoints: at 32 another task waits 20 us more, and a
# message costs a quarter of what it costs at 1.
_BATCH = 32

_OPEN = Door.OPEN

# Seconds that `terminate` has even where shutdown is 0: cleaning up is not optional.
_TERMINATE_AT_LEAST = 1.0


class ActorLife(ActorTasks):
    """A life with a mailbox."""

    __slots__ = ("fault", "handling")

    def __init__(
        self, cell: Cell, spec: ChildSpec, start: Callable[..., Any], host: Host, delay: float
    ) -> None:
        super().__init__(cell, spec, start, host, delay)
        self.handling: Coroutine[Any, Any, Any] | None = None
        # What a handler raised that ran in its asker's turn.
        self.fault: Exception | None = None

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
            self.halted = self.by_itself = True
            # Not `wake`: what is in hand, be it `init`, comes to its end.
            self.cell.wake()

    # What the supervisor asks of it.

    def wake(self) -> None:
        # Who is suspended and asked to end is to look up.
        self.suspended = False
        self.halted = self.leaving is Leave.AFTER_THIS
        if self.began == inf:
            # Nothing is in hand yet: not to become ready is the orderly end.
            self.scope.cancel(reason=f"{self.cell.path} is stopped before it was ready")
        else:
            self.cell.wake()

    def kill(self) -> None:
        # Also for a handler that swallows the cancellation: it is the last one.
        self.leaving = Leave.AFTER_THIS
        self.halted = True
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
        put_tap(actor, self.cell)
        kind = type(actor)
        self.cell.actor_type = kind
        self.cell.tally = tally_of(self.cell.env.tallies, kind.__qualname__)
        if kind.init is not Actor.init:
            with self._starting():
                await actor.init()
        if not kind._has_nursery:
            await self._ready()
            if kind.on_start is not Actor.on_start:
                with self._starting():
                    await actor.on_start()
            await self._read(actor)
            return
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self._ready()
            if kind.on_start is not Actor.on_start:
                with self._starting():
                    await actor.on_start()
            for message in list(self.cell.lines or ()):
                self._advance(actor, actor._handlers[message])
            await self._read(actor)
            await self._tasks_done()
            self._end_background()

    async def _ready(self) -> None:
        self.become_ready()
        if self.began == inf:
            # It is cancelled: no message is for it any more.
            await trio.lowlevel.checkpoint()

    async def _read(self, actor: Actor[Any]) -> None:
        while self.leaving is not Leave.AFTER_THIS:
            if self.suspended:
                await self._park()
            elif await self._read_on(actor):
                return

    async def _read_on(self, actor: Actor[Any]) -> bool:
        """Read until told otherwise; whether all is read, for a life that drains."""
        cell = self.cell
        receive_nowait = cell.receiving.receive_nowait
        # Looked at beforehand, as Cell.waiting does: a WouldBlock costs 0.3 us.
        queue = cell.receiving._state.data
        handlers = actor._handlers
        budget = _BATCH
        tally, now = cell.tally, cell.env.now
        assert tally is not None
        # What was sent before this has waited long enough to be counted. It is as
        # of the last pause, so that a message costs one comparison.
        late = now() - MOMENT
        while not self.halted:
            if not queue:
                # While it drains, its task handlers may still tell and ask it.
                if self.leaving and not cell.in_flight:
                    return True
                # An idle actor does not hold on to its last message.
                envelope = reply = body = trap = None
                budget = _BATCH
                cell.parked = self.task
                cell.idle = self
                await wait_task_rescheduled(self._abort_park)
                cell.idle = None
                if self.fault is not None:
                    raise self.fault
                handlers = actor._handlers  # others since, where somebody looks on
                late = now() - MOMENT
                continue
            envelope = receive_nowait()
            reply = envelope.reply
            if reply is not None and reply.abandoned:
                continue
            handler = handlers.get(type(envelope.message)) or nearest(handlers, envelope.message)
            # From here on settle finds it, whatever happens.
            cell.current = envelope
            if envelope.enqueued < late and handler is not None and not handler.task:
                tally.waited.add(late + MOMENT - envelope.enqueued)
            if handler is None:
                self._unknown(envelope)
            elif handler.plain:
                self._plainly(actor, handler, envelope)
            elif handler.task:
                self._start(actor, handler, envelope)
            else:
                body = handler.function(actor, envelope.message)
                trap = self._first_step(envelope, body)
                if trap is not None:
                    await self._rest(envelope, body, trap)
                    late = now() - MOMENT
                cell.handled += 1
            cell.current = None
            budget -= 1
            if not budget:
                budget = _BATCH
                await trio.lowlevel.checkpoint()
                handlers = actor._handlers
                late = now() - MOMENT
        return False

    def _plainly(self, actor: Actor[Any], handler: Handler, envelope: Envelope) -> None:
        """Run a handler that is no coroutine."""
        try:
            result = envelope.context.run(handler.function, actor, envelope.message)
        except Exception as error:
            if not self._refused(envelope, error):
                raise
        else:
            reply = envelope.reply
            if reply is not None and result is not FORWARDED:
                reply.succeed(result)
        self.cell.handled += 1

    # What an asker does in its own turn while this actor is idle (cell.Idle).

    def takes_at_once(self, message: Any) -> bool:
        cell, actor = self.cell, self.actor
        assert actor is not None
        handler = actor._handlers.get(type(message))
        if handler is None or not handler.at_once:
            return False
        if self.leaving or cell.door is not _OPEN:
            return False
        if handler.limit is not None and len(self._line(handler).running) >= handler.limit:
            return False
        queue = cell.receiving._state.data
        return not queue or self._catches_up(actor, queue)

    def _catches_up(self, actor: Actor[Any], queue: deque[Envelope]) -> bool:
        """Handle what came before; whether all of it could be, here and now."""
        if len(queue) > _BATCH:
            return False
        while queue:
            earlier = actor._handlers.get(type(queue[0].message))
            if earlier is None or not earlier.at_once:
                return False
            envelope = self.cell.receiving.receive_nowait()
            if envelope.reply is None or not envelope.reply.abandoned:
                self.serve(envelope)
            if self.leaving or self.fault is not None:
                return False
        return True

    def serve(self, envelope: Envelope) -> None:
        """In the task that runs now, which for that long is this actor's."""
        cell, actor = self.cell, self.actor
        assert actor is not None
        handler = actor._handlers[type(envelope.message)]
        if handler.task:
            self._start(actor, handler, envelope)
            return
        hands, task = cell.env.hands, trio.lowlevel.current_task()
        before = hands.get(task)
        hands[task] = cell
        cell.current = envelope
        try:
            self._plainly(actor, handler, envelope)
        except Exception as error:  # noqa: BLE001 - the reader dies of it, as if it had run it
            self.fault = error
            cell.idle = None
            cell.wake()
        finally:
            if self.fault is None:
                cell.current = None
            if before is None:
                del hands[task]
            else:
                hands[task] = before

    def _abort_park(self, raise_cancel: RaiseCancelT) -> Abort:
        self.cell.idle = None
        return super()._abort_park(raise_cancel)

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
            result = await drive(envelope.context, body, trap)
        except BaseException as error:
            if not self._refused(envelope, error):
                raise
        else:
            self._answer(envelope, result)
        self.handling = None
        self._took(self.cell.since)
        self.cell.since = inf

    def _unknown(self, envelope: Envelope) -> None:
        name = type(envelope.message).__name__
        error = Reject(f"{self.cell.path}: {self.cell.kind} has no handler for {name}")
        self.cell.lose(envelope, error, DeadReason.UNKNOWN)

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
                error = lone(exc)
                words = self.cell.env.wording.of(error)
                return Exit(ExitKind.CRASHED, exit.at, exit.life, error, words=words)
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
                if cell.tally is not None:
                    cell.tally.crashed += 1
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
