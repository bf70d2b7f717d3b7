"""SIGTERM and SIGINT, told to every system of a trio run.

There is one handler for all of them, put in place by the first and taken away
by the last: handlers nest like a stack, and systems do not. Python gives
signals to the main thread only; elsewhere nothing is heard.
"""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import attrs
import trio

__all__ = ["heard"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@attrs.define(eq=False)
class _Post:
    """Who hears signals in this trio run, and the handlers that were there before."""

    hearers: list[Callable[[signal.Signals], None]] = attrs.field(factory=list)
    before: dict[signal.Signals, Any] = attrs.field(factory=dict)

    def take(self) -> None:
        token = trio.lowlevel.current_trio_token()

        def handle(number: int, _frame: object) -> None:
            token.run_sync_soon(self._deliver, signal.Signals(number))

        for number in _SIGNALS:
            # None is a handler that was not set from Python; it cannot be put back.
            self.before[number] = signal.signal(number, handle) or signal.SIG_DFL

    def leave(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _deliver(self, number: signal.Signals) -> None:
        if not self.hearers:
            # The last one left while it was under way: it is the program's, then.
            signal.raise_signal(number)
        for hear in list(self.hearers):
            hear(number)


_post: trio.lowlevel.RunVar[_Post] = trio.lowlevel.RunVar("trouper.runtime.signals")


@contextmanager
def heard(hear: Callable[[signal.Signals], None]) -> Generator[None]:
    """Call `hear` in trio's thread, between two steps of its tasks, for every signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        post = _post.get()
    except LookupError:
        post = _Post()
        _post.set(post)
    if not post.hearers:
        post.take()
    post.hearers.append(hear)
    try:
        yield
    finally:
        post.hearers.remove(hear)
        if not post.hearers:
            post.leave()
