"""A trio run in a thread of its own, whoever the host is.

    starting  the context is being entered
    open      calls are taken, each a task of one nursery inside the context
    leaving   no more calls; those under way end, or are cut; the context is left
    over      the run has ended, and whoever still waited has been told why

What was under way when the run ends, for whatever reason, is failed at its very
end: no host waits for a run that is no more. Signals stay the host's: trio takes
them in the main thread only, and the system hands them to that. (They are not
masked here: processes that the trio side starts would inherit the mask.)
"""

import atexit
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import Any, Generic, TypeVar

import trio

from .calls import Called
from .errors import PortalClosed, PortalError, StopTimedOut, UsedAfterFork
from .letters import Letters

__all__ = ["LAST_WORDS", "Opened", "TrioThread", "running"]

T = TypeVar("T")

Opened = AbstractAsyncContextManager[T] | Callable[[], AbstractAsyncContextManager[T]]

LAST_WORDS = 5.0
"""Seconds that code has to end in after it has been cancelled: trio's own code takes
microseconds, and what shields itself for longer than this has had its deadline already."""

# Seconds that a forgotten portal has at the interpreter's exit, for its orderly end:
# as long as a process usually has between SIGTERM and SIGKILL (docker stop: 10).
_AT_EXIT = 10.0


class TrioThread(Generic[T]):
    """Runs `opened` in a trio loop of its own, and calls inside it."""

    def __init__(self, opened: Opened[T], name: str) -> None:
        self._opened = opened
        self._letters = Letters()
        self.post = self._letters.post
        # There is no lock: a signal's handler may stop the portal in the middle of a call of
        # the same thread, and would wait for it. Who begins a call writes it down here before
        # it looks at `_refusal`, and the end refuses before it looks here.
        self._pending: set[Called] = set()
        # Why no calls are taken, for as long as none are.
        self._refusal: str | None = "it has not been entered; use it inside `with`"
        self.began = self._ends = False
        self._pid = os.getpid()
        self._calls: trio.Nursery | None = None
        self._all = trio.CancelScope()
        self._leaving = trio.Event()
        self.value: T
        self.error: BaseException | None = None
        """What the run raised."""
        # They have no result of their own: a future complains of errors nobody asked for.
        self.ready: Future[None] = Future()
        self.over: Future[None] = Future()
        for future in (self.ready, self.over):
            # Who waits for them must not be able to cancel them.
            future.set_running_or_notify_cancel()
        self._name = name
        self._ident = 0
        self._thread: threading.Thread

    # The host's side.

    @property
    def is_here(self) -> bool:
        """Whether the caller is in trio's thread."""
        return threading.get_ident() == self._ident

    @property
    def takes_calls(self) -> bool:
        return self._refusal is None and not self.is_elsewhere

    def start(self) -> None:
        """Begin the run; `ready` tells when the context has been entered, or the run is over."""
        self._begin_once()
        context = copy_context()
        # Made here: a fork since then would have spoilt it.
        self._thread = threading.Thread(
            target=lambda: context.run(self._run), name=self._name, daemon=True
        )
        self._thread.start()

    def _begin_once(self) -> None:
        if self.began:
            raise PortalError("a portal runs once; make another one")
        self.began = True
        self._pid = os.getpid()
        self._refusal = "it is still starting"

    def begin(self, call: Called) -> None:
        """Start a call. Raises PortalClosed where none is taken."""
        self.check_process()
        self._pending.add(call)
        refusal = self._refusal
        if refusal is not None:
            self._pending.discard(call)
            raise self._closed(refusal)
        self.post(lambda: self._start(call))

    def give_up(self, call: Called) -> None:
        """Cancel a call, also one whose `begin` was interrupted; it is settled soon."""
        self.post(lambda: self._give_up(call))

    def check_process(self) -> None:
        """Raise UsedAfterFork in another process than the one that started it."""
        if self.is_elsewhere:
            raise UsedAfterFork(
                f"this portal was entered in process {self._pid} and this is a fork of it, in "
                "which its thread does not run; enter portals after the fork, or start "
                "processes by multiprocessing's 'spawn'"
            )

    @property
    def is_elsewhere(self) -> bool:
        return os.getpid() != self._pid

    def leave(self, at_once: bool) -> None:
        """Begin the orderly end; `over` tells when it is over. `at_once` cuts the calls."""
        if self.is_elsewhere:
            return
        if self._refusal is None:
            self._refusal = "it is being left"
        self.post(lambda: self._leave(at_once))

    def cancel(self) -> None:
        """Cancel everything, also the way out of the context."""
        self.post(lambda: self._all.cancel(reason="the portal's time to stop is over"))

    def join(self) -> None:
        """Wait for the thread, whose run is over: some microseconds."""
        self._thread.join()

    def warn_of(self, what: str) -> None:
        """Say that nobody has left the portal."""
        warnings.warn(
            f"the portal {self._name!r} was never left; {what}", ResourceWarning, stacklevel=1
        )

    def leave_forgotten(self) -> None:
        """At the interpreter's exit: begin the orderly end."""
        self.warn_of("it is stopped now")
        self.leave(at_once=True)

    def join_forgotten(self, seconds: float) -> None:
        """Wait at most `seconds` for that end, and then cancel all."""
        self._thread.join(seconds)
        self.cancel()
        self._thread.join(1.0)

    def stuck(self, seconds: float) -> StopTimedOut:
        """The error for a run that does not end, with where its thread is."""
        frame = sys._current_frames().get(self._ident)
        where = "".join(traceback.format_stack(frame)[-4:]) if frame is not None else ""
        return StopTimedOut(
            f"thread {self._name!r} has not ended within {seconds:g} s, nor {LAST_WORDS:g} s "
            "after all in it was cancelled; something in it blocks the loop or shields itself. "
            f"It is left to itself, and is now at:\n{where}"
        )

    # Trio's thread.

    def _run(self) -> None:
        self._ident = threading.get_ident()
        running.add(self)
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - raised where the portal is left
            self.error = error
        self._end()

    def _end(self) -> None:
        """The run is over: whoever still waits is told why."""
        self._refusal = why = "its run has ended" if self.error is None else "its run has crashed"
        for call in list(self._pending):
            call.fail(self._closed(why))
        self._pending.clear()
        running.discard(self)
        self._ident = 0  # the system gives it to another thread soon
        if not self.ready.done():
            self.ready.set_result(None)
        self.over.set_result(None)

    async def _main(self) -> None:
        token = trio.lowlevel.current_trio_token()
        self._letters.deliver_by(token.run_sync_soon)
        opened = self._opened
        with self._all:
            async with opened if isinstance(opened, AbstractAsyncContextManager) else opened() as v:
                self.value = v
                try:
                    async with trio.open_nursery() as self._calls:
                        self._open()
                        await self._leaving.wait()
                finally:
                    self._calls = None

    def _open(self) -> None:
        if not self._ends:
            self._refusal = None
        self.ready.set_result(None)

    def _start(self, call: Called) -> None:
        # Else the run is ending, and its end fails the call.
        if self._calls is not None and call in self._pending:
            call.start(self._calls, self._pending.discard)

    def _give_up(self, call: Called) -> None:
        call.cancel()
        if not call.begun:
            # Ctrl-C came in the middle of `begin`: its start will never come.
            self._pending.discard(call)
            call.fail(self._closed("it was interrupted"))

    def _leave(self, at_once: bool) -> None:
        self._ends = True
        self._refusal = "it is being left"
        self._leaving.set()
        if not self.ready.done():
            self._all.cancel(reason="the portal is left while it starts")
        for call in list(self._pending):
            if at_once or call.endless:
                call.cut(self._closed("it is being left"))

    def _closed(self, why: str) -> PortalClosed:
        closed = PortalClosed(f"the portal {self._name!r} takes no calls: {why}")
        closed.__cause__ = self.error
        return closed


# Programs of many types.
running: set[TrioThread[Any]] = set()


def _stop_the_forgotten() -> None:
    """Let the trio side of portals that nobody has left clean up, and wait for that.

    The threads are daemons, so that this, and not the thread, decides how long.
    """
    forgotten = [thread for thread in list(running) if not thread.is_elsewhere]
    for thread in forgotten:
        thread.leave_forgotten()
    deadline = time.monotonic() + _AT_EXIT
    for thread in forgotten:
        thread.join_forgotten(max(0.0, deadline - time.monotonic()))


atexit.register(_stop_the_forgotten)
