"""What a person sees of a conversation, and how questions come in: by a terminal or by pipes.

On a terminal there are prompts, line editing, colours unless NO_COLOR says
otherwise, and what is typed while an answer comes does not get between its
words. Else a line of standard input is a question, and standard output has the
answers and nothing more.

Text of models and servers passes `spoken`, so it cannot move the cursor,
rewrite what stands there, or hide anything.
"""

import importlib
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

from ..redaction import printable
from .wrapping import Wrapping

__all__ = ["Screen", "spoken"]

# Zero-width joiners are invisible by themselves, and hold together emoji and the
# letters of Persian and Hindi.
_HARMLESS = re.compile("([\t\u200c\u200d]+)")

# Characters that are shown of what a tool is asked, or gives.
_LONGEST_LINE = 300

_BOLD, _DIM, _CYAN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1;36m", "\x1b[0m"


def spoken(text: str) -> str:
    """`text` as it may be shown: what a terminal would obey comes as escapes, without `\\r`."""
    parts = _HARMLESS.split(text.replace("\r", ""))
    return "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))


class Screen:
    """The standard streams of this process, for one conversation."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        """Whether a person sits there, rather than a script."""
        dumb = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        self._styled = self.interactive and not dumb
        self._readline = _line_editing() if self.interactive else None
        self._keys: list[Any] | None = None
        self._wrapping: Wrapping | None = None
        self._line_start = True
        self._empty = True
        self._thinking = False
        # A byte that is no text must not end the conversation, coming or going.
        for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=errors)

    def greet(self, *lines: str) -> None:
        """Say who is there; nothing if there is no person."""
        if self.interactive:
            print(*(self._style(line, _DIM) for line in lines), "", sep="\n", flush=True)

    def ask(self) -> str | None:
        """The next question; None when there will be none.

        Ctrl-C throws away what has been typed; where that is nothing, it raises
        KeyboardInterrupt.
        """
        while True:
            try:
                line = self._typed() if self.interactive else sys.stdin.readline()
            except EOFError:
                print(flush=True)
                return None
            except KeyboardInterrupt:
                if not self.interactive:
                    raise
                print(flush=True)
                if self._readline is None or not self._readline.get_line_buffer():
                    raise
                continue
            if not line and not self.interactive:
                return None
            if line.strip():
                return line.removesuffix("\n")

    def _typed(self) -> str:
        with _heeding_signals():
            return input(self._prompt())

    def begin(self, name: str) -> None:
        """An answer of `name` is about to come."""
        self._line_start = self._empty = True
        self._thinking = False
        if self.interactive:
            self._echo(False)
            self._wrapping = Wrapping(shutil.get_terminal_size().columns, len(name) + 2)
            self._write(self._style(f"{name}> ", _CYAN))

    def add(self, text: str, *, thought: bool = False) -> None:
        """More of the answer. What the model thinks is shown to persons only."""
        if thought and not self.interactive:
            return
        if thought is not self._thinking:
            self._flush()
            self._thinking = thought
            # The answer begins behind the thoughts, on a line of its own.
            text = text if self._empty else "\n" + text.lstrip()
        text = spoken(text)
        if self._empty:
            # Some models begin with an empty line.
            text = text.lstrip()
        if text:
            self._empty = False
            self._say(text if self._wrapping is None else self._wrapping.feed(text))

    def end(self) -> None:
        """The answer has ended."""
        self._flush()
        if self.interactive:
            self._echo(True)
            self._write("\n" if self._line_start and not self._empty else "\n\n")
        elif not self._line_start:
            self._write("\n")

    def _flush(self) -> None:
        if self._wrapping is not None:
            self._say(self._wrapping.flush())

    def _say(self, text: str) -> None:
        if text:
            self._line_start = text.endswith("\n")
            self._write(self._style(text, _DIM) if self._thinking else text)

    def note(self, text: str) -> None:
        """Say something about an answer that has ended."""
        if self.interactive:
            print(self._style(f"[{text}]", _DIM), end="\n\n", flush=True)
        else:
            print(f"trouper: {text}", file=sys.stderr)

    def tool(self, text: str) -> None:
        """Say what a tool is asked or gives, on one line; to persons only."""
        if not self.interactive:
            return
        self._flush()
        # Between the words of an answer it stands on a line of its own.
        before = "" if self._line_start and not self._empty else "\n"
        line = " ".join(spoken(text).split())
        line = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."
        self._write(f"{before}{self._style(f'[{line}]', _DIM)}\n")
        self._line_start, self._empty = True, False

    def confirm(self, question: str) -> bool:
        """Whether a person says yes. Where there is none, nobody does, and that is said."""
        if not self.interactive:
            print(f"trouper: {spoken(question)} Nobody is here to say so.", file=sys.stderr)
            return False
        try:
            with _heeding_signals():
                said = input(f"{spoken(question)} [y/N] ")
        except EOFError:
            print(flush=True)
            return False
        return said.strip().lower() in ("y", "yes")

    def recall(self, name: str, said: Iterable[tuple[str, str]]) -> None:
        """Show what was said before, as (role, text); to persons only."""
        if not self.interactive:
            return
        for role, text in said:
            who = "you" if role == "user" else name
            print(f"{self._style(f'{who}>', _DIM)} {spoken(text)}", end="\n\n", flush=True)

    def fault(self, text: str) -> None:
        """Say what went wrong."""
        print(f"trouper: {spoken(text)}", file=sys.stderr, flush=True)
        if self.interactive:
            print(flush=True)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _style(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._styled else text

    def _prompt(self) -> str:
        if not self._styled or self._readline is None:
            return "you> "
        # readline must know what takes no room: \001 and \002 stand around it.
        return f"\001{_BOLD}\002you> \001{_PLAIN}\002"

    def _echo(self, on: bool) -> None:
        """Whether the terminal shows what is typed. While an answer comes, it would be in it."""
        # Imported here, as it is POSIX's only.
        termios: Any = importlib.import_module("termios")
        descriptor = sys.stdin.fileno()
        if not on:
            keys: list[Any] = termios.tcgetattr(descriptor)
            silent = [*keys[:3], keys[3] & ~termios.ECHO, *keys[4:]]
            termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
            self._keys = keys
        elif self._keys is not None:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, self._keys)
            self._keys = None


def _hear(_: int, __: FrameType | None) -> None:
    """It has interrupted the wait; that is all that it is for."""


@contextmanager
def _heeding_signals() -> Generator[None]:
    """Have `input` hear every signal within a quarter of a second.

    Python's readline looks for signals when one interrupts its wait for a key.
    One that comes right before the wait would be heard with the next key, so
    the wait is interrupted again and again.
    """
    before = signal.signal(signal.SIGALRM, _hear)
    signal.setitimer(signal.ITIMER_REAL, 0.25, 0.25)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _line_editing() -> ModuleType | None:
    """readline, whose import alone makes `input` use it; None where Python was built without.

    Imported here: it looks at the terminal, and writes to some of them.
    """
    try:
        readline: Any = importlib.import_module("readline")
    except ImportError:
        return None
    # Else Tab completes names of files.
    readline.parse_and_bind("tab: tab-insert")
    return readline  # type: ignore[no-any-return]
