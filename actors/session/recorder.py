"""Writes records down and tells the events that they stand for, in one order.

What is told is in the journal before, with its number. Records that come while
others are being written share the next write: the tools of one answer begin
together, and are written down together.

Before you edit: a write that is cancelled would leave it open what is in the
journal, so `SessionJournal` shields each. It sees for itself whether it is cancelled, and
then does not try for long: so no shield may be around it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs
import trio

from ..errors import NotKept
from .event_emitter import EventEmitter
from .record import Opened, Record
from .session_journal import SessionJournal
from .state import State, applied

__all__ = ["Make", "Recorder", "nothing"]

Make = Callable[[int], Sequence[Record]]
"""The records, when the number that the next event will have is known."""

_REOPEN: Final = "its journal has to be read again; the next prompt does that"


def nothing() -> None:
    """What is told of a record that stands for no event."""


@attrs.define(eq=False)
class _Waiting:
    make: Make
    tell: Callable[[], None]
    events: int
    patience: float
    title: str | None
    written: bool = False
    why: str = _REOPEN


class Recorder:
    """Writes for one session. Without a journal what is written is only kept in `state`."""

    # A server has thousands of sessions, of which most do nothing: each of these counts.
    __slots__ = ("_emitter", "_id", "_journal", "_state", "_waiting", "_write_lock")

    def __init__(
        self, id: str, emitter: EventEmitter, journal: SessionJournal | None, opened: Opened
    ) -> None:
        self._id = id
        self._emitter = emitter
        self._journal = journal
        self._state = applied(State(), opened, time.time())
        self._waiting: list[_Waiting] = []
        self._write_lock: trio.Lock | None = None

    @property
    def state(self) -> State:
        """What all that was written comes to."""
        return self._state if self._journal is None else self._journal.state

    @property
    def is_open(self) -> bool:
        """Whether `state` is what is there, and more can be written."""
        return self._journal is None or self._journal.is_open

    async def ready(self, reopen: Callable[[SessionJournal], Awaitable[None]]) -> None:
        """Be able to write: where a write has failed, `reopen` reads the journal again.

        Not while one is under way, when nobody knows yet whether it fails.
        """
        if self._journal is None:
            return
        async with self._lock():
            if not self._journal.is_open:
                await reopen(self._journal)

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
        write = _Waiting(make, tell, events, patience, title)
        if self._journal is None:
            for record in make(self._emitter.seq + 1):
                self._state = applied(self._state, record, time.time())
            tell()
            return
        self._waiting.append(write)
        lock = self._lock()
        with trio.CancelScope(shield=True):
            await lock.acquire()
        try:
            if write in self._waiting:
                await self._write_all(self._journal)
        finally:
            lock.release()
        if not write.written:
            raise NotKept(self._id, write.why)

    def _lock(self) -> trio.Lock:
        if self._write_lock is None:
            self._write_lock = trio.Lock()
        return self._write_lock

    async def _write_all(self, journal: SessionJournal) -> None:
        writes, self._waiting = self._waiting, []
        told: list[Callable[[], None]] = []
        self._emitter.hold()
        try:
            if not journal.is_open:
                return
            records: list[Record] = []
            seq = self._emitter.seq + 1
            for write in writes:
                records += write.make(seq)
                seq += write.events
            titles = [write.title for write in writes if write.title is not None]
            await journal.write(
                *records,
                patience=max(write.patience for write in writes),
                title=titles[-1] if titles else None,
            )
            for write in writes:
                write.written = True
                told.append(write.tell)
        except NotKept as error:
            for write in writes:
                write.why = error.why
        finally:
            self._emitter.release(told)
