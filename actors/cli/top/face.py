"""The terminal of `trouper top`: urwid reads keys and draws, and nothing else is done here.

It is a process of its own that watches a socket and a keyboard, so it needs no
trio. What a key or a frame may raise is shown in its last line: no key can end it
but those that are meant to.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import urwid
from urwid.display import raw as raw_display

from .cells import Line, fit
from .console_socket import ConsoleSocket, Lost
from .desk import Desk
from .view import screen

__all__ = ["run_face"]

# Seconds between attempts to find the program again.
_AGAIN: Final = 1.0

_PALETTE: Final = [
    ("plain", "default", "default"),
    ("dim", "dark gray", "default"),
    ("head", "default,bold", "default"),
    ("good", "dark green", "default"),
    ("look", "brown", "default"),
    ("act", "light red,bold", "default"),
    ("lost", "dark gray", "default"),
    ("bar", "black", "light gray"),
    ("bar-lost", "white,bold", "dark red"),
    ("tab", "standout,bold", "default"),
    ("chosen", "standout", "default"),
    ("ask", "black", "yellow"),
]


class _Canvas(urwid.Widget):
    """All of the screen."""

    _sizing = frozenset({urwid.BOX})
    _selectable = True

    def __init__(self, face: "_Face") -> None:
        super().__init__()
        self._face = face

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:  # type: ignore[override]
        """The screen as it is now."""
        columns, rows = size
        drawn = [
            urwid.Text(line or "", wrap="clip").render((columns,))
            for line in self._face.lines(columns, rows)
        ]
        return urwid.CanvasCombine([(each, None, False) for each in drawn])

    def keypress(self, size: tuple[int, int], key: str) -> str | None:  # type: ignore[override]
        """Give it to the desk."""
        self._face.press(key)
        return None

    def show(self) -> None:
        """Draw anew, soon."""
        self._invalidate()


def _keys(told: list[Any], _: list[int]) -> list[Any]:
    """The keys of what a terminal sends. It may report other things, which would end the loop."""
    return [each for each in told if isinstance(each, str)]


class _Face:
    """The loop: keys, frames, seconds."""

    def __init__(self, find: Callable[[], Path]) -> None:
        self._link = ConsoleSocket(find, self._unwatch)
        self._desk = Desk(self._link.send, time.monotonic)
        self._canvas = _Canvas(self)
        self._watched: Any = None
        self.ended_by = 0
        """The signal that has ended it, if one did."""
        self._screen = raw_display.Screen()
        self._loop = urwid.MainLoop(
            self._canvas, _PALETTE, screen=self._screen, handle_mouse=False, input_filter=_keys
        )

    def run(self) -> None:
        """Until its operator leaves."""
        # Ctrl-S would freeze the screen, and Ctrl-\\ leave the terminal as it is.
        # Ctrl-C comes as a key: what a signal raises is lost in some places.
        self._screen.tty_signal_keys(
            intr="undefined", quit="undefined", start="undefined", stop="undefined"
        )
        signal.signal(signal.SIGTERM, self._told_to_leave)
        self._loop.set_alarm_in(0, self._second)
        try:
            self._loop.run()
        finally:
            self._link.close()

    def lines(self, columns: int, rows: int) -> list[Line]:
        """What is to be seen."""
        try:
            return screen(self._desk, columns, rows, time.time())
        except Exception as error:  # noqa: BLE001 - what cannot be drawn must not end it
            said = fit(f"this page cannot be drawn: {error!r}; press 1", columns)
            return [[("act", said)], *([("plain", "")] for _ in range(rows - 1))]

    def press(self, key: str) -> None:
        """Do what the key stands for, and draw; or leave the loop, if that is what it says."""
        self._guarded(self._desk.press, key)
        self._canvas.show()
        if self._desk.leaving:
            raise urwid.ExitMainLoop

    def _told_to_leave(self, number: int, _: FrameType | None) -> None:
        self.ended_by = number

    def _second(self, *_: object) -> None:
        if self.ended_by:
            raise urwid.ExitMainLoop
        if self._link.is_open:
            self._guarded(self._desk.tick)
        else:
            self._guarded(self._connect)
        self._canvas.show()
        self._loop.set_alarm_in(_AGAIN, self._second)

    def _connect(self) -> None:
        try:
            self._link.open()
            self._watched = self._loop.watch_file(self._link.fileno(), self._read)
            self._desk.greet()
        except Lost as lost:
            self._desk.lose(str(lost))

    def _unwatch(self) -> None:
        # Before it is closed, or the loop would wait for a file that is none.
        if self._watched is not None:
            self._loop.remove_watch_file(self._watched)
            self._watched = None

    def _read(self) -> None:
        try:
            frames = self._link.receive()
        except Lost as lost:
            self._desk.lose(str(lost))
            frames = []
        for frame in frames:
            self._guarded(self._desk.hear, frame, time.time())
        self._canvas.show()

    def _guarded(self, function: Callable[..., None], *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - it is said, and the operator goes on
            self._desk.said = f"that went wrong: {error!r}"


def run_face(find: Callable[[], Path]) -> int:
    """Show the program whose socket `find` finds, until its operator leaves; the exit code."""
    face = _Face(find)
    face.run()
    return 128 + face.ended_by if face.ended_by else 0
