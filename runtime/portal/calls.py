"""One call from another thread into trio: its task, its scope, its outcome.

The host makes it, trio's thread alone runs and settles it, and the host reads
the outcome after `told` has been called.
"""

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar

import trio

from .errors import PortalClosed

__all__ = ["Called", "PortalCall", "SyncCall"]

R = TypeVar("R")


class Called(Protocol):
    """What the thread knows of a call."""

    endless: bool
    """Whether it may have no end of its own, so that a stop does not wait for it."""
    settled: bool
    begun: bool
    """Whether `start` was called."""

    def start(self, nursery: trio.Nursery, over: "Callable[[Called], object]") -> None:
        """Begin, in trio's thread; call `over` just before it is settled."""
        ...

    def cancel(self) -> None:
        """The host cancels it; in trio's thread."""
        ...

    def cut(self, why: PortalClosed) -> None:
        """Cancel it, in trio's thread: the host is told `why`."""
        ...

    def fail(self, error: BaseException) -> None:
        """Settle it, in trio's thread, if it has not been."""
        ...


class _Outcome(Generic[R]):
    """The value or error of a call, and who is to be told of it."""

    __slots__ = ("_context", "_error", "_told", "_value", "begun", "settled")

    endless = False

    def __init__(self, told: Callable[[], object]) -> None:
        self._context = copy_context()
        self._told = told
        self._value: R
        self._error: BaseException | None = None
        self.settled = False
        self.begun = False

    def fail(self, error: BaseException) -> None:
        if not self.settled:
            self._error = error
            self._settle()

    def _settle(self) -> None:
        self.settled = True
        self._told()

    def result(self) -> R:
        """What came of it; raises its error. Once, and not where it was cancelled."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The error's traceback holds this frame, which holds the error.
                self._error = None
        return self._value

    def raise_error(self, unless_closed: bool = False) -> None:
        """Raise the error, if there is one that nobody has seen.

        `unless_closed` leaves out that the portal has closed: the host has an
        error of its own to tell.
        """
        if self._error is not None and not (
            unless_closed and isinstance(self._error, PortalClosed)
        ):
            self.result()


class PortalCall(_Outcome[R]):
    """A call of an async function, in a task of its own."""

    __slots__ = ("_function", "_scope", "_why")

    def __init__(self, function: Callable[[], Awaitable[R]], told: Callable[[], object]) -> None:
        super().__init__(told)
        self._function = function
        self._scope = trio.CancelScope()
        self._why: PortalClosed | None = None

    def start(self, nursery: trio.Nursery, over: Callable[[Called], object]) -> None:
        self.begun = True
        try:
            self._context.run(nursery.start_soon, self._run, over)
        except RuntimeError:
            # The nursery has just closed: the run is ending, and its end fails this call.
            pass

    def cancel(self) -> None:
        """The host cancels; in trio's thread."""
        self._scope.cancel(reason="the host has cancelled the call")

    def cut(self, why: PortalClosed) -> None:
        self._why = why
        self._scope.cancel(reason="the portal is being left")

    async def _run(self, over: Callable[[Called], object]) -> None:
        error: BaseException | None = None
        finished = False
        try:
            with self._scope:
                self._value = await self._function()
                finished = True
        except trio.Cancelled:
            raise  # the run ends, and its end tells the host why
        except BaseException as raised:
            error = _but_cancellation(raised)
            if error is None:
                raise
        # Where nobody says why, the host has cancelled it, and knows.
        self._error = self._why if error is None and not finished else error
        over(self)
        self._settle()


class SyncCall(_Outcome[R]):
    """A call of a plain function, between two steps of trio's tasks."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], R], told: Callable[[], object]) -> None:
        super().__init__(told)
        self._function = function

    def start(self, nursery: trio.Nursery, over: Callable[[Called], object]) -> None:
        self.begun = True
        try:
            self._value = self._context.run(self._function)
        except BaseException as raised:  # noqa: BLE001 - raised where the call was made
            self._error = raised
        over(self)
        self._settle()

    def cancel(self) -> None:
        """It is never under way when somebody could say this."""

    def cut(self, why: PortalClosed) -> None:
        """Nor then."""


def _but_cancellation(error: BaseException) -> BaseException | None:
    """What is left of an error without trio's own cancellation; None if nothing."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1]
    return error
