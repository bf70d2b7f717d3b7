"""The portal of a program whose own loop is asyncio, uvloop included."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Literal, ParamSpec, Self, TypeVar, get_args

import trio

from .asyncio_stream import AsyncioStream, Waiter
from .base import BUFFER, STOP_TIMEOUT, Portal
from .calls import PortalCall, SyncCall
from .errors import PortalError
from .flow import Source
from .letters import Letters
from .trio_guest import TrioGuest, leave_with_the_loop
from .trio_thread import LAST_WORDS, Opened, TrioThread

__all__ = ["AsyncioPortal", "Mode"]

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")
P = ParamSpec("P")

Mode = Literal["thread", "guest"]
"""Where trio runs: in a thread of its own, or in the asyncio loop."""


class AsyncioPortal(Portal[T]):
    """Runs a trio program beside asyncio: `async with AsyncioPortal(System(...)) as portal`.

    `opened` is an async context manager, or a function that makes one in trio's
    thread, which holds the program open. Entering returns when it has been
    entered, and raises what that raises; leaving ends it and raises what that
    raises. `buffer` is how many items of a stream wait for the host, at least 1;
    256 make the switch of threads cheap beside them. `stop_timeout` is the seconds
    of `stop`: 30 is more than a usual tree takes. `name` is the thread's.

    With `mode` "guest" there is no thread: trio runs in the asyncio loop itself, and
    each stands still where the other one computes; see trio_guest.

    Use it in the loop that entered it. A cancelled call is cancelled in trio and
    awaited until it has cleaned up; a second cancellation goes at once.

    Raises PortalError for a mode or a buffer that there is not, where it is entered
    twice, and where it is used in another loop, in none or inside trio; and
    UsedAfterFork in a fork of the process.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _home: Letters
    _over: asyncio.Future[None] | None = None
    _end_with_loop: AsyncGenerator[None] | None = None
    """Held, since the loop holds it but weakly."""

    def __init__(
        self,
        opened: Opened[T],
        *,
        buffer: int = BUFFER,
        stop_timeout: float = STOP_TIMEOUT,
        name: str = "portal",
        mode: Mode = "thread",
    ) -> None:
        if mode not in get_args(Mode):
            raise PortalError(f"mode is {mode!r}; it is 'thread' or 'guest'")
        run: type[TrioThread[T]] = TrioGuest if mode == "guest" else TrioThread
        super().__init__(opened, buffer=buffer, stop_timeout=stop_timeout, name=name, run=run)

    async def __aenter__(self) -> Self:
        loop = self.running_loop()
        self._thread.start()
        # After that: one that runs keeps the loop that it has.
        self._loop = loop
        self._home = Letters(loop.call_soon_threadsafe)
        if isinstance(self._thread, TrioGuest):
            self._end_with_loop = leave_with_the_loop(self._thread, self._stop_at_once)
            await anext(self._end_with_loop)
        try:
            await asyncio.wrap_future(self._thread.ready)
        except asyncio.CancelledError:
            await self._hasten(0.0)
            self._raise_crash(None)
            raise
        self._raise_crash(None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop(self._stop_timeout, at_once=error is not None)
        self._raise_crash(error)

    async def call(
        self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What `await function(*args, **kwargs)` gives in trio, in a task of its own there.

        It runs in a copy of this task's contextvars. Raises what it raises, and
        PortalClosed where the run is not there, or ends before it does.
        """
        waiter = self._waiter()
        call = PortalCall(partial(function, *args, **kwargs), self._teller(waiter))
        try:
            self._thread.begin(call)
            await waiter.again()
        except asyncio.CancelledError:
            await waiter.give_up(self._thread, call)
            # That the portal is left is no reason to hide that the host has cancelled.
            call.raise_error(unless_closed=True)
            raise
        except PortalError:
            raise  # not begun
        except BaseException:
            # Ctrl-C, or a coroutine that is closed, as one is whose loop is no more: nobody
            # waits for the call any more, and leaving the portal must not, either.
            self._thread.give_up(call)
            raise
        return call.result()

    async def call_sync(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the plain function gives in trio's thread, where it must not block.

        It is over in one step, so cancelling only ceases to wait. Raises as `call` does.
        """
        waiter = self._waiter()
        call = SyncCall(partial(function, *args, **kwargs), self._teller(waiter))
        self._thread.begin(call)
        await waiter.again()
        return call.result()

    def stream(
        self, function: Callable[P, Source[Item]], *args: P.args, **kwargs: P.kwargs
    ) -> "AsyncioStream[Item]":
        """The items of the async iterator, or of the block that gives one, in trio.

        `async with portal.stream(ref.stream, message) as items: async for item in
        items: ...`. At most `buffer` items wait here, then the iterator does.
        Leaving the block cancels it, and waits until it has cleaned up. What the
        iterator raises is raised where it is read; entering raises PortalClosed
        where the run is not there.
        """
        opened = partial(function, *args, **kwargs)
        return AsyncioStream(self._thread, self._waiter(), self._home, opened, self._buffer)

    async def stop(self, timeout: float | None = None) -> None:
        """End the run in order; leaving the block does it, too.

        No more calls are taken; those under way have `timeout` seconds
        (`stop_timeout` where None), streams are cut. The context has what is left
        of them to be left in. Then all is cancelled, and where even that does not
        end it, StopTimedOut is raised. Cancelling cancels the rest at once.
        """
        await self._stop(self._stop_timeout if timeout is None else timeout, at_once=False)

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs in this thread, whoever entered the portal.

        Raises PortalError inside trio, and in a thread in which no loop runs.
        """
        self._refuse_trio()
        try:
            return asyncio.get_running_loop()
        except RuntimeError as error:
            raise PortalError(
                f"the portal {self._name!r} is for asyncio and was used in a thread in which no "
                "loop runs; use it in its loop, or from threads a ThreadApp or ThreadPortal"
            ) from error

    async def wait_ended(self) -> None:
        """Wait until the run has ended, by itself or not; leaving raises its crash."""
        self._check_entered()
        await asyncio.shield(self._ended())

    async def _stop_at_once(self) -> None:
        await self._stop(self._stop_timeout, at_once=True)

    async def _stop(self, timeout: float, at_once: bool) -> None:
        self._refuse_trio()
        if self._thread.is_elsewhere or not self._thread.began:
            return
        self._thread.leave(at_once)
        try:
            in_time = await self._is_over(timeout)
        except asyncio.CancelledError:
            await self._hasten(timeout)
            raise
        if in_time:
            self._thread.join()
        else:
            await self._hasten(timeout)

    async def _hasten(self, timeout: float) -> None:
        self._thread.leave(at_once=True)
        self._thread.cancel()
        if not await self._is_over(LAST_WORDS):
            raise self._thread.stuck(timeout)
        self._thread.join()

    async def _is_over(self, timeout: float) -> bool:
        await asyncio.wait([self._ended()], timeout=timeout)
        return self._thread.over.done()

    def _ended(self) -> asyncio.Future[None]:
        """The end of the run, in this loop.

        One for all who wait for it, time and again: `over` keeps each that is made
        of it until it is done.
        """
        if self._over is None or self._over.get_loop() is not asyncio.get_running_loop():
            self._over = asyncio.wrap_future(self._thread.over)
        return self._over

    # For calls and streams.

    def _waiter(self) -> Waiter:
        self._thread.check_process()
        loop = self.running_loop()
        self._check_entered()
        if loop is not self._loop:
            raise PortalError(
                f"the portal {self._name!r} was entered in another event loop; "
                "use one portal a loop, or a ThreadPortal from threads"
            )
        return Waiter(loop)

    def _teller(self, waiter: Waiter) -> Callable[[], None]:
        return partial(self._home.post, waiter.call_over)

    def _refuse_trio(self) -> None:
        if trio.lowlevel.in_trio_task():
            raise PortalError(
                f"the portal {self._name!r} is for asyncio and was used inside trio; "
                "in its own thread, await the function itself"
            )
