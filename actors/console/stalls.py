"""A thread that notices when the event loop stands still, and names the line that blocks it.

A console within the loop is deaf then. The thread asks the loop for a sign of
life ten times a second, by trio's own way in from other threads, and looks at the
loop's stack when there is none. On SIGUSR1 it writes the stacks of all threads
and the tree to the log, also while the loop stands still.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from types import FrameType
from typing import Any

import structlog
import trio

from ..redaction import printable, redact_text
from .survey import Stall

__all__ = ["LoopWatchdog"]

_log = structlog.get_logger("trouper.console")

# Seconds between two signs of life: a wake costs the loop 20 us.
_EVERY = 0.1
# Seconds without an answer until the line is named: with those before it less than the half
# second from which on everybody notices.
_STALLED = 0.35
# Lines of a dump; a log line has a bound of its own.
_ACTORS = 200


class LoopWatchdog:
    """Watches the loop that `watch` runs in.

    `noticed` is called in the loop when it goes on, with the stall. `tree` gives
    the lines of a dump; it is called from the thread, and must only read.
    """

    def __init__(
        self,
        noticed: Callable[[Stall], object],
        tree: Callable[[], Iterable[str]] = tuple,
        *,
        stalled: float = _STALLED,
    ) -> None:
        self._noticed = noticed
        self._tree = tree
        self._stalled = stalled
        self._loop_thread = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._alive = threading.Event()
        self._answered_at = time.monotonic()
        self._stop = False

    @contextlib.contextmanager
    def watch(self, *, signals: bool = False) -> Generator[None]:
        """Watch for the length of the block; `signals` also heeds SIGUSR1, in the main thread."""
        self._loop_thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        thread = threading.Thread(
            target=self._run, args=(reading,), name="trouper watchdog", daemon=True
        )
        before: Any = None
        heed = signals and threading.current_thread() is threading.main_thread()
        if heed:
            before = signal.signal(signal.SIGUSR1, _wakes(writing))
        thread.start()
        try:
            yield
        finally:
            self._stop = True
            with contextlib.suppress(OSError):
                os.write(writing, b".")
            if heed:
                signal.signal(signal.SIGUSR1, before)
            thread.join(2.0)
            if not thread.is_alive():  # else it needs them, and the process ends soon
                os.close(reading)
                os.close(writing)

    # In the thread.

    def _run(self, pipe: int) -> None:
        while not self._stop:
            if self._rung(pipe, _EVERY):
                continue
            # It may have stood still since the last sign of life, and not only since it is asked.
            last = self._answered_at
            if self._ask() and not self._alive.wait(self._stalled):
                self._stalled_since(last, pipe)

    def _rung(self, pipe: int, seconds: float) -> bool:
        """Wait, or dump because somebody has sent the signal; whether there was one."""
        # (`select` takes no descriptor above 1023, which a server has soon.)
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        if not poll.poll(seconds * 1e3):
            return False
        os.read(pipe, 512)
        if not self._stop:
            self.dump()
        return True

    def _ask(self) -> bool:
        assert self._token is not None
        self._alive.clear()
        try:
            self._token.run_sync_soon(self._sign)
        except trio.RunFinishedError:
            self._stop = True
            return False
        return True

    def _sign(self) -> None:
        self._answered_at = time.monotonic()
        self._alive.set()

    def _stalled_since(self, began: float, pipe: int) -> None:
        line, stack = self._where()
        _log.error(
            "event loop stalled",
            at=line,
            blocked_ms=round((time.monotonic() - began) * 1e3),
            stack=" < ".join(reversed(stack)),
        )
        while not self._alive.is_set() and not self._stop:
            self._rung(pipe, 0.05)
        seconds = self._answered_at - began
        if self._stop or self._token is None:
            return
        _log.warning("event loop goes on", at=line, blocked_ms=round(seconds * 1e3))
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._tell, seconds, line)

    def _tell(self, seconds: float, line: str) -> None:
        self._noticed(Stall(trio.current_time(), seconds, line))

    def _where(self) -> tuple[str, list[str]]:
        """The line that the loop is at, and the frames that led to it, outermost first."""
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - there is no other way
        if frame is None:
            return "unknown", []
        lines = [_line(each) for each in traceback.extract_stack(frame)[-12:]]
        return lines[-1], lines

    def dump(self) -> None:
        """Write all stacks and the tree to the log."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():  # noqa: SLF001
            stack = [_line(each) for each in traceback.extract_stack(frame)[-30:]]
            _log.warning("stack", thread=names.get(ident, str(ident)), stack=" > ".join(stack))
        for number, line in enumerate(self._tree()):
            if number >= _ACTORS:
                _log.warning("actor", tree="and more")
                break
            _log.warning("actor", tree=printable(redact_text(line)))


def _line(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} {frame.name}"


def _wakes(pipe: int) -> Callable[[int, FrameType | None], None]:
    def wake(_number: int, _frame: FrameType | None) -> None:
        # Only what may interrupt anything: a log line here might need a lock that is held.
        with contextlib.suppress(OSError):
            os.write(pipe, b"!")

    return wake
