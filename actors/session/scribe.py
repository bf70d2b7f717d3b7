"""Writes records down and tells the events that they stand for, in one order.

What is told is in the journal before, with its number. Records that come while
others are being written share the next write: the tools of one answer begin
together, and are written down together.

Before you edit: a write that is cancelled would leave it open what is in the
journal, so the keeper shields each. It sees for itself whether it is cancelled, and
then does not try for long: so no shield may be around it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs
import trio

from ..errors import NotKept
from .keeper import Keeper
from .narration import Narrator
from .record import Opened, Record
from .state import State, applied

__all__ = ["Make", "Scribe", "nothing"]

Make = Callable[[int], Sequence[Record]]
"""The records, when the number that the next event will have is known."""

_REOPEN: Final = "its journal has to be read again; the next prompt does that"


def nothing() -> None:
    """What is told of a record that stands for no event."""


@attrs.define(eq=False)
class _Note:
    make: Make
    tell: Callable[[], None]
    events: int
    patience: float
    title: str | None
    written: bool = False
    why: str = _REOPEN


class Scribe:
    """The pen of one session. Without a keeper what is written is only kept in `state`."""

    # A server has thousands of sessions, of which most do nothing: each of these counts.
    __slots__ = ("_id", "_keeper", "_narrator", "_pen", "_state", "_waiting")

    def __init__(self, id: str, narrator: Narrator, keeper: Keeper | None, opened: Opened) -> None:
        self._id = id
        self._narrator = narrator
        self._keeper = keeper
        self._state = applied(State(), opened, time.time())
        self._waiting: list[_Note] = []
        self._pen: trio.Lock | None = None

    @property
    def state(self) -> State:
        """What all that was written comes to."""
        return self._state if self._keeper is None else self._keeper.state

    @property
    def is_open(self) -> bool:
        """Whether `state` is what is there, and more can be written."""
        return self._keeper is None or self._keeper.is_open

    async def ready(self, reopen: Callable[[Keeper], Awaitable[None]]) -> None:
        """Be able to write: where a write has failed, `reopen` reads the journal again.

        Not while one is under way, when nobody knows yet whether it fails.
        """
        if self._keeper is None:
            return
        async with self._lock():
            if not self._keeper.is_open:
                await reopen(self._keeper)

    async def write(
        self,
        make: Make,
        tell: Callable[[], None] = nothing,
        *,
        events: int = 0,
        patience: float,
        title: str | None = None,
    ) -> None:
        """Write records, and then tell so many `events` of them, which nothing comes between.

        Waits `patience` seconds for a store that is down. Raises NotKept; then
        nothing was told.
        """
        note = _Note(make, tell, events, patience, title)
        if self._keeper is None:
            for record in make(self._narrator.seq + 1):
                self._state = applied(self._state, record, time.time())
            tell()
            return
        self._waiting.append(note)
        pen = self._lock()
        with trio.CancelScope(shield=True):
            await pen.acquire()
        try:
            if note in self._waiting:
                await self._write_all(self._keeper)
        finally:
            pen.release()
        if not note.written:
            raise NotKept(self._id, note.why)

    def _lock(self) -> trio.Lock:
        if self._pen is None:
            self._pen = trio.Lock()
        return self._pen

    async def _write_all(self, keeper: Keeper) -> None:
        notes, self._waiting = self._waiting, []
        told: list[Callable[[], None]] = []
        self._narrator.hold()
        try:
            if not keeper.is_open:
                return
            records: list[Record] = []
            seq = self._narrator.seq + 1
            for note in notes:
                records += note.make(seq)
                seq += note.events
            titles = [note.title for note in notes if note.title is not None]
            await keeper.write(
                *records,
                patience=max(note.patience for note in notes),
                title=titles[-1] if titles else None,
            )
            for note in notes:
                note.written = True
                told.append(note.tell)
        except NotKept as error:
            for note in notes:
                note.why = error.why
        finally:
            self._narrator.release(told)
