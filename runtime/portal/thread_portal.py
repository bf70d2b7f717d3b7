"""The portal of a program that has plain threads and no loop of its own."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from math import inf
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import trio

from .base import Portal, PortalStream
from .calls import Called, PortalCall, SyncCall
from .errors import PortalError, WouldBlock
from .flow import Flow, Source
from .trio_thread import LAST_WORDS, TrioThread

__all__ = ["ThreadPortal", "ThreadStream"]

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R")
P = ParamSpec("P")

# Seconds after which a thread that waits looks up. Python handles signals in the main
# thread, and a wait there is interrupted only by one that the system gave to it; Ctrl-C
# that came by way of another thread is handled when it looks up. Windows needs it always.
_LOOK_UP = 0.5


class ThreadPortal(Portal[T]):
    """Runs a trio program beside threads: `with ThreadPortal(System(...)) as portal`.

    `opened` is an async context manager, or a function that makes one in trio's
    thread, which holds the program open. Entering returns when it has been
    entered, and raises what that raises; leaving ends it and raises what that
    raises. `buffer` is how many items of a stream wait for the host, at least 1;
    256 make the switch of threads cheap beside them. `stop_timeout` is the seconds
    of `stop`: 30 is more than a usual tree takes. `name` is the thread's.

    All threads of the process may use it; none in which an event loop runs:
    WouldBlock is raised there at once, and UsedAfterFork in a fork of the process.
    Ctrl-C in a call cancels it in trio and waits until it has cleaned up; a second one
    goes at once. Raises PortalError for a buffer of less than one item, and where it is
    entered twice.
    """

    def __enter__(self) -> Self:
        self._refuse_loops()
        self._thread.start()
        try:
            _wait_for(self._thread.ready)
        except BaseException:
            self._hasten(0.0)
            self._raise_crash(None)
            raise
        self._raise_crash(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop(self._stop_timeout, at_once=error is not None)
        self._raise_crash(error)

    def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `await function(*args, **kwargs)` gives in trio, in a task of its own there.

        It runs in a copy of this thread's contextvars, and this thread waits.
        Raises what it raises, PortalClosed where the run is not there or ends
        before it does, and WouldBlock in the thread of an event loop.
        """
        self._refuse_loops()
        told = _signal()
        call = PortalCall(partial(function, *args, **kwargs), told.release)
        try:
            self._thread.begin(call)
            _acquire(told)
        except PortalError:
            raise  # not begun
        except BaseException:
            self._thread.give_up(call)
            _until_settled(call, self._thread, told)
            call.raise_error(unless_closed=True)
            raise
        return call.result()

    def call_sync(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the plain function gives in trio's thread, where it must not block.

        Raises as `call` does. It is over in one step: Ctrl-C only ceases to wait.
        """
        self._refuse_loops()
        told = _signal()
        call = SyncCall(partial(function, *args, **kwargs), told.release)
        self._thread.begin(call)
        _acquire(told)
        return call.result()

    def stream(
        self, function: Callable[P, Source[Item]], *args: P.args, **kwargs: P.kwargs
    ) -> "ThreadStream[Item]":
        """The items of the async iterator, or of the block that gives one, in trio.

        `with portal.stream(ref.stream, message) as items: for item in items:
        ...`. At most `buffer` items wait here, then the iterator does. Leaving
        the block cancels it, and waits until it has cleaned up. What the iterator
        raises is raised where it is read; entering raises as `call` does.
        """
        return ThreadStream(self, partial(function, *args, **kwargs))

    def stop(self, timeout: float | None = None) -> None:
        """End the run in order; leaving the block does it, too.

        No more calls are taken; those under way have `timeout` seconds
        (`stop_timeout` where None), streams are cut. The context has what is left
        of them to be left in. Then all is cancelled, and where even that does not
        end it, StopTimedOut is raised. Ctrl-C cancels the rest at once.
        """
        self._stop(self._stop_timeout if timeout is None else timeout, at_once=False)

    def wait_ended(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds until the run has ended; return whether it has.

        None waits as long as it takes. Leaving the block raises its crash.
        """
        self._refuse_loops()
        self._check_entered()
        return _wait_for(self._thread.over, timeout)

    def _stop(self, timeout: float, at_once: bool) -> None:
        if self._thread.is_elsewhere or not self._thread.began:
            return
        if self._thread.is_here:
            self._refuse_loops()
        self._thread.leave(at_once)
        try:
            in_time = _wait_for(self._thread.over, timeout)
        except BaseException:
            self._hasten(timeout)
            raise
        if in_time:
            self._thread.join()
        else:
            self._hasten(timeout)

    def _hasten(self, timeout: float) -> None:
        self._thread.leave(at_once=True)
        self._thread.cancel()
        if not _wait_for(self._thread.over, LAST_WORDS):
            raise self._thread.stuck(timeout)
        self._thread.join()

    def _refuse_loops(self) -> None:
        if self._thread.is_here:
            raise WouldBlock(
                f"the portal {self._name!r} was used in its own thread, which would wait for "
                "itself; await the function there"
            )
        if asyncio._get_running_loop() is not None:
            raise WouldBlock(
                f"the portal {self._name!r} would stop the asyncio loop that runs in this "
                "thread; use AsyncioPortal, or call from asyncio.to_thread"
            )
        if trio.lowlevel.in_trio_task():
            raise WouldBlock(
                f"the portal {self._name!r} would stop the trio loop that runs in this thread; "
                "call from trio.to_thread.run_sync"
            )


class ThreadStream(PortalStream[Item]):
    """A stream from trio: a block, and in it an iterator for one thread.

    Made by `ThreadPortal.stream`. Raises PortalError where it is read twice, or outside
    of its block.
    """

    def __init__(self, portal: ThreadPortal[T], opened: Callable[[], Source[Item]]) -> None:
        self._refuse_loops = portal._refuse_loops
        self._told = told = threading.Semaphore(0)
        flow: Flow[Item] = Flow(
            opened, portal._buffer, portal._thread.post, told.release, told.release
        )
        super().__init__(portal._thread, flow)

    def __enter__(self) -> Self:
        self._refuse_loops()
        self._begin()
        return self

    def __iter__(self) -> Self:
        self._check_begun()
        return self

    def __next__(self) -> Item:
        flow = self._flow
        while True:
            try:
                return flow.take()
            except IndexError:
                pass
            if flow.must_wait():
                self._refuse_loops()
                self._check_begun()
                _acquire(self._told)
            elif flow.is_dry:
                break
        flow.raise_error()
        raise StopIteration

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        flow = self._flow
        if self._thread.is_elsewhere:
            return
        self._thread.give_up(flow)
        if self._would_stop_a_loop():
            # A generator that holds this block was collected, which may be in any thread: in
            # trio's own, this would wait for itself.
            return
        _until_settled(flow, self._thread, self._told)
        flow.raise_error(unless_closed=error is not None)

    def _would_stop_a_loop(self) -> bool:
        try:
            self._refuse_loops()
        except WouldBlock:
            return True
        return False


def _signal() -> threading.Lock:
    """A lock that is held until the call is over: a sixth of what an Event costs."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def _acquire(told: "threading.Lock | threading.Semaphore") -> None:
    """Wait for it."""
    while not told.acquire(timeout=_LOOK_UP):
        pass


def _until_settled(
    call: Called, thread: TrioThread[T], told: "threading.Lock | threading.Semaphore"
) -> None:
    """Wait until a call that was given up is over, or the run: it may never have begun."""
    while not call.settled and not thread.over.done():
        told.acquire(timeout=_LOOK_UP)


def _wait_for(future: Future[None], timeout: float | None = None) -> bool:
    """Wait for it, and leave nothing behind: a future keeps each callback until it is done."""
    end = inf if timeout is None else time.monotonic() + timeout
    while not future.done():
        left = end - time.monotonic()
        if left <= 0:
            return False
        with suppress(TimeoutError):
            future.result(min(_LOOK_UP, left))
    return True
