"""A ref: the stable, typed address of an actor.

It stays good over restarts, can be compared and hashed, and may be narrowed: a
`Ref[A | B]` is a `Ref[A]`.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import copy_context
from math import inf
from typing import Any, Generic, TypeVar, overload

import attrs
import trio

from .cell import Cell, Door
from .cycles import closes_cycle
from .errors import ActorDown, AskCycle, SpecError
from .mailbox import Destination, Envelope, wait_for, wait_no_more
from .messages import Asked, Request, Streamed, Streams
from .replies import Promise, Stream

__all__ = ["FORWARDED", "Down", "Ref"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")
T = TypeVar("T")

_OPEN = Door.OPEN

FORWARDED: Any = object()
"""What a handler returns whose request has moved on with its reply."""


class Ref(Generic[M_contra]):
    """Where to send messages of the types `M`: the address of an actor, over all its lives.

    A system gives it out (`System.ref`), an actor its own (`Actor.ref`) and `Children.start`.
    Use it in the system's own thread; from elsewhere through a portal.
    """

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """Where the actor stands in the tree, as `providers/openai`."""
        return self._cell.path

    @property
    def is_down(self) -> bool:
        """Whether the actor has stopped for good, or until its supervisor starts anew."""
        return self._cell.door is Door.CLOSED

    def __repr__(self) -> str:
        return f"<Ref {self._cell.path} {self._cell.state.value}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._cell is self._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    def tell(self, message: M_contra) -> None:
        """Send without an answer; never blocks and is no checkpoint.

        To an actor that has stopped, or is between two lives and does not queue,
        it becomes a dead letter. Raises MailboxFull where the mailbox is full and its
        policy is reject.
        """
        # What Cell.put does, without the call: this is the path of every event.
        cell = self._cell
        if cell.door is not _OPEN:
            cell.put(message, None)
            return
        envelope = Envelope(cell, message, None, copy_context(), cell.env.now())
        try:
            cell.sending.send_nowait(envelope)
        except trio.WouldBlock:
            cell.overflow(envelope)
        if cell.parked is not None:
            cell.wake()

    async def send(self, message: M_contra) -> None:
        """Send without an answer; wait for room in the mailbox.

        Raises ActorDown where the actor has stopped, ActorUnavailable where it
        is between two lives and does not queue, AskCycle where waiting would
        wait for itself.
        """
        cell = self._cell
        if cell.door is not Door.OPEN:
            raise cell.refusal()
        envelope = Envelope(cell, message, None, copy_context(), cell.env.now())
        try:
            cell.sending.send_nowait(envelope)
        except trio.WouldBlock:
            await self._send_when_room(envelope)
        else:
            cell.wake()
            await trio.lowlevel.checkpoint()

    async def _send_when_room(self, envelope: Envelope) -> None:
        cell = self._cell
        hand = cell.env.hand()
        if hand is not None:
            _refuse_cycle(hand, cell)
            wait_for(hand, envelope)
        try:
            await cell.sending.send(envelope)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ActorDown(cell.path, cell.down_reason) from None
        finally:
            if hand is not None:
                wait_no_more(hand, envelope)

    async def ask(self, message: Asked[M_contra, R], timeout: float = 5.0) -> R:
        """Send a request and wait for its answer, at most `timeout` seconds.

        The default is Erlang's: short enough that a hung actor is found out,
        long enough for anything that is not I/O. `math.inf` waits as long as
        it takes, which is safe: a target that crashes or stops is told at once.

        Raises what the handler raised, if it is an ActorError, and AskTimeout,
        AskCycle, MailboxFull, ActorDown, ActorUnavailable, ActorCrashed.
        """
        cell = self._cell
        env = cell.env
        hand = env.hand()
        if hand is not None:
            _refuse_cycle(hand, cell)
        promise = Promise()
        idle = cell.idle
        if idle is not None and idle.takes_at_once(message):
            await trio.lowlevel.checkpoint_if_cancelled()
            envelope = Envelope(cell, message, promise, copy_context(), env.now())
        else:
            idle = None
            envelope = cell.put(message, promise)
        if hand is not None:
            wait_for(hand, envelope)
        try:
            if idle is not None:
                idle.serve(envelope)
            if idle is None or promise.pending:
                await self._answer(promise, envelope, timeout)
            elif env.is_enough_at_once():
                # Shielded: a cancellation comes too late for this ask, and may
                # wait for the next checkpoint.
                await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            if hand is not None:
                wait_no_more(hand, envelope)
        return promise.result()  # type: ignore[no-any-return]

    async def _answer(self, promise: Promise, envelope: Envelope, timeout: float) -> None:
        if timeout == inf:
            await promise.settled()
            return
        deadlines = self._cell.env.deadlines
        deadlines.add(promise, self._cell.path, envelope.enqueued, timeout)
        try:
            await promise.settled()
        finally:
            deadlines.settled(timeout)

    def is_free_for(self, message: M_contra) -> bool:
        """Whether an ask of this, made now and before anybody else runs, is begun at once.

        So it is while the actor is idle, for handlers that are plain functions and those in
        tasks of their own, up to their limit. Who would only wait so long for an actor that
        is down or busy need not watch the time where this is true.
        """
        idle = self._cell.idle
        return idle is not None and idle.takes_at_once(message)

    def stream(
        self, message: Streamed[M_contra, T], buffer: int = 16
    ) -> AbstractAsyncContextManager[Stream[T]]:
        """Send a request that is answered by a stream, and read it in a block.

        `async with ref.stream(m) as items: async for item in items: ...`; at
        most `buffer` items wait for the reader, then the handler waits; with 0 it
        hands over each one. Leaving the block cancels the handler.
        Entering raises MailboxFull, ActorDown, ActorUnavailable and AskCycle as an
        ask does, and SpecError where the message is no Streams; reading raises what
        the handler raised. There is no timeout: put one around the block, or around
        each item.
        """
        return self._stream(message, buffer)

    @asynccontextmanager
    async def _stream(self, message: Any, buffer: int) -> AsyncGenerator[Stream[Any]]:
        if not isinstance(message, Streams):
            raise SpecError(
                f"stream from {self.path}: {type(message).__name__} is no Streams; ask for it"
            )
        hand = self._cell.env.hand()
        if hand is None or not (hand.reply is not None or hand.cell.current is hand):
            # Nobody waits for who reads here, so no cycle can lead through it.
            stream: Stream[Any] = Stream(buffer)
            self._begin(message, stream)
        else:
            _refuse_cycle(hand, self._cell)
            held: _HeldStream[Any] = _HeldStream(buffer, hand)
            stream = held
            held.envelope = self._begin(message, held)
        try:
            yield stream
        finally:
            stream.abandon()

    def _begin(self, message: Any, stream: Stream[Any]) -> Envelope:
        """Have a stream begun: here and now where the actor is idle, as with an ask."""
        cell = self._cell
        idle = cell.idle
        if idle is None or not idle.takes_at_once(message):
            return cell.put(message, stream)
        envelope = Envelope(cell, message, stream, copy_context(), cell.env.now())
        idle.serve(envelope)
        return envelope

    @overload
    def forward(self, message: Asked[M_contra, R]) -> R: ...
    @overload
    def forward(self, message: Streamed[M_contra, T]) -> None: ...
    def forward(self, message: Any) -> Any:
        """Hand the request in hand on, with its reply: `return ref.forward(m)`.

        The answer travels straight to who asked, and the forwarding actor is
        free for its next message. Raises MailboxFull, ActorDown, ActorUnavailable
        and AskCycle, which are the asker's answer where they are let through, and
        SpecError outside of a handler that owes an answer of this kind.
        """
        hand = self._cell.env.hand()
        reply = hand.reply if hand is not None else None
        if hand is None or reply is None:
            raise SpecError(f"forward to {self.path}: there is no request in hand to hand on")
        wanted = Streams if isinstance(reply, Stream) else Request
        if not isinstance(message, wanted):
            raise SpecError(
                f"forward to {self.path}: {type(message).__name__} is no {wanted.__name__}"
            )
        _refuse_cycle(hand, self._cell)
        # Whoever waits for the request in hand waits for this one from now on,
        # and no longer for this actor.
        hand.where = self._cell.put(message, reply)
        hand.reply = None
        return FORWARDED


@attrs.frozen
class Down:
    """Told to a watcher: the actor at `ref` has stopped for good, for `reason`, in words."""

    ref: Ref[Any]
    reason: str


class _HeldStream(Stream[T]):
    """A stream that a handler reads: where it waits for an item, the handler does."""

    __slots__ = ("_hand", "envelope")

    def __init__(self, buffer: int, hand: Envelope) -> None:
        super().__init__(buffer)
        self._hand = hand
        self.envelope: Envelope | None = None

    async def _wait(self) -> None:
        hand, envelope = self._hand, self.envelope
        assert envelope is not None
        _refuse_cycle(hand, envelope)
        wait_for(hand, envelope)
        try:
            await super()._wait()
        finally:
            wait_no_more(hand, envelope)


def _refuse_cycle(hand: Envelope, target: Destination | Envelope) -> None:
    cycle = closes_cycle(hand, target)
    if cycle is not None:
        raise AskCycle(cycle)
