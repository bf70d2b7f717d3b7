"""How an answer travels back: a promise of one value, or a bounded stream.

Both are one-shot and owned by whoever holds the envelope. Whatever ends a
message settles its reply, so nobody ever waits for an answer that cannot come;
there is no registry of open asks to forget.
"""

from collections.abc import Awaitable
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from .errors import ActorError, AskTimeout, Reject

__all__ = ["Promise", "Reply", "Sink", "Stream"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Reply(Protocol):
    """What the runtime does with an answer, of either kind."""

    scope: trio.CancelScope | None
    """The scope of the task handler that works on it, to be cancelled when nobody waits."""
    abandoned: bool
    """Whether the asker has left."""

    def succeed(self, value: Any) -> None:
        """Answer. Late answers are dropped."""
        ...

    def fail(self, error: ActorError) -> None:
        """Answer with an error. Late ones are dropped."""
        ...


class Promise:
    """One answer for one parked task.

    On trio's own reschedule instead of an Event or a channel: an ask costs
    two thirds of what it costs with a cancel scope for its deadline.
    """

    __slots__ = ("_error", "_task", "_value", "abandoned", "pending", "scope")

    def __init__(self) -> None:
        self.pending = True
        self.abandoned = False
        self.scope: trio.CancelScope | None = None
        self._task: Task | None = None
        self._value: Any = None
        self._error: ActorError | None = None

    def succeed(self, value: Any) -> None:
        if self.pending:
            self.pending = False
            self._value = value
            if self._task is not None:
                reschedule(self._task)

    def fail(self, error: ActorError) -> None:
        if self.pending:
            self.pending = False
            self._error = error
            if self._task is not None:
                reschedule(self._task)

    def expire(self, error: AskTimeout) -> None:
        """The deadline has come."""
        if self.pending:
            self._abandon()
            self._error = error
            if self._task is not None:
                reschedule(self._task)

    def _abandon(self) -> None:
        self.pending = False
        self.abandoned = True
        if self.scope is not None:
            self.scope.cancel(reason="nobody waits for the answer")

    def _abort(self, _raise_cancel: RaiseCancelT) -> Abort:
        self._abandon()
        return Abort.SUCCEEDED

    def settled(self) -> Awaitable[object]:
        """Await this once; then `result` has the answer.

        A plain function around trio's own wait: one frame less on every pass.
        """
        if not self.pending:
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105 - the caller awaits it
        self._task = current_task()
        return wait_task_rescheduled(self._abort)  # noqa: ASYNC105 - likewise

    def result(self) -> Any:
        """The answer; raises its error."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The error's traceback holds this frame; without this they
                # would keep each other alive.
                self._error = None
        return self._value


class Sink(Generic[T_contra]):
    """Where a streaming handler puts its items. It is closed when the handler returns."""

    __slots__ = ("_channel", "_reader")

    def __init__(
        self, channel: trio.MemorySendChannel[T_contra], reader: "Stream[T_contra]"
    ) -> None:
        self._channel = channel
        self._reader = reader

    async def send(self, item: T_contra) -> None:
        """Hand on the next item; waits while the reader is `buffer` items behind.

        It is a checkpoint only where it waits: a handler that reads a socket
        between items has its checkpoint there. Once the reader has left, the
        handler is cancelled; where it is shielded from that, this raises Reject.
        """
        try:
            self._channel.send_nowait(item)
        except trio.WouldBlock:
            # Without a buffer the reader has to look before an item is there.
            self._reader.wake()
        except trio.BrokenResourceError:
            await self._nobody_reads()
        else:
            self._reader.wake()
            return
        try:
            await self._channel.send(item)
        except trio.BrokenResourceError:
            await self._nobody_reads()

    async def _nobody_reads(self) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise Reject("the stream's reader has left")


class Stream(Generic[T]):
    """The reader's end of a stream, and the reply of its request.

    Iterate over it, in one task. It ends when the handler returns, raises what
    the handler raised, and raises at once, after the items that had arrived,
    when the actor crashes or stops. At most `buffer` items wait in it.

    The rest of it is the runtime's: `sink` is the handler's end, `scope` what its
    task is cancelled by, and `abandoned` says that the reader has left.
    """

    __slots__ = ("_done", "_error", "_parked", "_receive", "_send", "abandoned", "scope", "sink")

    def __init__(self, buffer: int) -> None:
        self._send, self._receive = trio.open_memory_channel[T](buffer)
        self.sink: Sink[T] = Sink(self._send, self)
        self.scope: trio.CancelScope | None = None
        self._error: ActorError | None = None
        # The reader, while nothing is there for it. As in a mailbox, parking on
        # trio's own reschedule costs half of the channel's `receive`.
        self._parked: Task | None = None
        self.abandoned = False
        self._done = False

    def succeed(self, value: object) -> None:
        """The handler has returned: the stream ends after what has arrived."""
        self._done = True
        self._send.close()
        self.wake()

    def fail(self, error: ActorError) -> None:
        """End it by an error, after what has arrived. Too late is dropped."""
        if not self._done:
            self._done = True
            self._error = error
            self._send.close()
            self.wake()

    def abandon(self) -> None:
        """The reader has left: the handler is cancelled."""
        self.abandoned = True
        # The scope first: a handler that waits in `send` is to be cancelled, not
        # to see a broken channel.
        if self.scope is not None and not self._done:
            self.scope.cancel(reason="the stream's reader has left")
        self._receive.close()

    def wake(self) -> None:
        """Let the reader look, if it is parked."""
        if self._parked is not None:
            reschedule(self._parked)
            self._parked = None

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        while True:
            try:
                return self._receive.receive_nowait()
            except trio.WouldBlock:
                pass
            except trio.EndOfChannel:
                break
            await self._wait()
        # Outside of the handlers above: the error has a context of its own.
        if self._error is None:
            raise StopAsyncIteration
        try:
            raise self._error
        finally:
            # As in Promise.result. Who reads on reads an ended stream.
            self._error = None

    async def _wait(self) -> None:
        """Wait for the next item, or the end."""
        if self._parked is not None:
            raise trio.BusyResourceError("another task reads this stream")
        self._parked = current_task()
        await wait_task_rescheduled(self._abort)

    def _abort(self, _raise_cancel: RaiseCancelT) -> Abort:
        self._parked = None
        return Abort.SUCCEEDED
