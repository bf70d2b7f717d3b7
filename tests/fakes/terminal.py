"""A command on a pseudo-terminal, and a person who types and reads."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import attrs

__all__ = ["CTRL_C", "CTRL_D", "Terminal", "terminal"]

CTRL_C, CTRL_D = "\x03", "\x04"

_PATIENCE = 20.0  # seconds: what has not come by then will not come
# Colours, and readline's switching of bracketed paste.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

# Makes the terminal the one whose Ctrl-C the command gets.
_OWN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@attrs.define(eq=False)
class Terminal:
    """What has been shown so far is in `shown`, without colours."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""
    _read: int = 0
    _raw: bytes = b""

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self.descriptor, keys.encode())

    def wait_for(self, words: str) -> str:
        """Wait until `words` are shown, behind those waited for before; what came up to them."""
        deadline = time.monotonic() + _PATIENCE
        while (at := self.shown.find(words, self._read)) < 0:
            rest = deadline - time.monotonic()
            assert self._more(rest), f"{words!r} was not shown, but {self.shown[self._read :]!r}"
        before, self._read = self.shown[self._read : at], at + len(words)
        return before

    def leave(self) -> tuple[str, int]:
        """Wait until the command has ended; what it showed last, and its exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self._more(deadline - time.monotonic()):
            pass
        return self.shown[self._read :], self.process.wait(_PATIENCE)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        modes: int = termios.tcgetattr(self.descriptor)[3]
        return bool(modes & termios.ECHO)

    def _more(self, seconds: float) -> bool:
        if not select.select([self.descriptor], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # Linux says so when the other end has closed
            return False
        self._raw += data
        text = self._raw.decode("utf-8", "replace").replace("\r\n", "\n")
        self.shown = _CONTROL.sub("", text)
        return bool(data)


@contextmanager
def terminal(
    command: Sequence[str], environ: Mapping[str, str] | None = None, columns: int = 100
) -> Generator[Terminal]:
    """Run `command` with a terminal as all its standard streams."""
    # A terminal's size is asked of itself, not of who runs the tests.
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _OWN_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm-256color", **(environ or {})},
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                os.close(ours)
