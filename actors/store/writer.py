"""The one writer of a database: it commits together what has come meanwhile.

While one commit waits for the disk, the next one's operations gather; so many
callers share a commit and a lone one waits for nobody. What nobody waits for
(the backlog) goes with the next of these, or some milliseconds later.

    receipt = await writer.ask(Write(operation), timeout=inf)   # or the short form:
    answer = await write(writer, operation)                     # answered when it is durable

Before you edit: the statements run on the event loop and only COMMIT, which
waits for the disk, in a thread. A thread must take Python's lock anew after
each statement, and a loop that is busy is slow to let go of it; threads.py says
more. Where the disk is not waited for (`relaxed`), a COMMIT takes less than a
thread does, and stays on the loop. Nothing is applied out of order: what is in the backlog goes before what is
asked later.
"""

import sqlite3
from collections.abc import Callable
from math import inf
from typing import Any, Final, Generic, TypeVar

import attrs
import structlog
import trio

from ...runtime import Actor, Ref, Request, on
from ...runtime.cell import Exit
from .backlog import Backlog
from .commit import Entry, Receipt, apply_all
from .database import Database
from .errors import StoreBusy, StoreError, WriteAbandoned, is_busy, said_of_file
from .operations import Operation
from .threads import EVERY, give_way, in_thread

__all__ = ["GATHERED", "Look", "Write", "Writer", "WriterMessage", "write"]

R = TypeVar("R")

_log = structlog.get_logger("trouper.store")

# Operations that are applied before other tasks have their turn: half a millisecond.
_AT_ONCE = 32

# Seconds that what nobody waits for may lie in the backlog, and how much of it:
# the end of one attempt shares the commit of the next one's beginning, where
# otherwise the one would wait for the other. What a program that is killed
# has left there counts as what was reserved for it.
_GATHER = 0.01
GATHERED: Final = 64
"""How many operations in a backlog are to be written at once: say so by `Look`."""

# Rows changed after which a log that SQLite does not look after is taken over
# into the file: some megabytes, as SQLite's own thousand pages. After a failure it
# is tried again after as many.
_LOG = 2_000

# Seconds. SQLite keeps the -wal file as large as it ever was; after a pause
# as long as this nobody is kept waiting by making it small again.
_IDLE_AFTER = 10.0


@attrs.frozen
class Write(Request[Receipt[R]], Generic[R]):
    """Write this. Answered by a receipt at once, which is answered when it is durable.

    Raises StoreBusy where as many wait as may. Who leaves before the operation
    was applied has it left out.
    """

    operation: Operation[R]


@attrs.frozen
class Look:
    """There is something new in the backlog."""


WriterMessage = Write[Any] | Look


async def write(writer: Ref[WriterMessage], operation: Operation[R]) -> R:
    """Write it, and wait until it is durable. Raises StoreError, and what `ask` raises."""
    receipt: Receipt[R] = await writer.ask(Write(operation), timeout=inf)
    return await receipt.written()


class Writer(Actor[WriterMessage], background=True):
    """Applies operations to `database`, many in a transaction.

    At most `most_waiting` that are asked for wait at a time. Where the disk
    refuses a commit, all in it fail, as do those that wait, and the actor
    crashes: its next life opens the file anew. What is in `backlog` is kept.
    """

    def __init__(
        self,
        database: Database,
        backlog: Backlog | None = None,
        *,
        # As many as a mailbox takes by default: some milliseconds of work.
        most_waiting: int = 1024,
        idle_after: float = _IDLE_AFTER,
    ) -> None:
        self._database = database
        self._backlog = backlog if backlog is not None else Backlog()
        self._most_waiting = most_waiting
        self._idle_after = idle_after
        self._waiting: list[Entry] = []
        self._asked = 0
        self._writing: list[Entry] = []
        self._thread = trio.CapacityLimiter(1)
        self._stirred = trio.Event()
        self._hurried = trio.Event()
        # Rows that were changed since the log was last taken over.
        self._logged = 0
        # The number of the commit that is in its thread.
        self._in_thread = 0
        self._commits = 0
        self._begun = trio.Event()

    async def init(self) -> None:
        self._backlog.take_again()
        await self._alone(self._database.open)

    async def on_start(self) -> None:
        self._take_backlog()
        self.start_soon(self._run)
        if self._database.is_file:
            self.start_soon(self._give_way)

    @on(Write)
    def write(self, message: Write[Any]) -> Receipt[Any]:
        """Take an operation in."""
        if self._asked >= self._most_waiting:
            raise StoreBusy(
                str(self._database),
                f"{self._asked} writes wait already; its disk is too slow for so many",
            )
        self._take_backlog()
        receipt: Receipt[Any] = Receipt()
        self._waiting.append(Entry(message.operation, receipt.promise))
        self._asked += 1
        self._hurry()
        return receipt

    @on(Look)
    def look(self, message: Look) -> None:
        """See to what is in the backlog, soon or where it is much at once."""
        if self._backlog.fresh >= GATHERED:
            self._hurry()
        else:
            self._stirred.set()

    def _hurry(self) -> None:
        self._stirred.set()
        self._hurried.set()

    async def terminate(self, reason: Exit) -> None:
        """Write what is left, if it can be written, and close the file."""
        if not reason.crashed:
            self._take_backlog()
            if self._waiting:
                await self._commit()
            await self._alone(self._database.close)
            return
        gone = WriteAbandoned(
            str(self._database), "the writer crashed before it came to this; try again"
        )
        for entry in (*self._writing, *self._waiting):
            entry.fail(gone)
        await self._alone(self._database.give_up)

    # The commits.

    def _take_backlog(self) -> None:
        fresh = self._backlog.take()
        if fresh:
            self._waiting.extend(Entry(operation, None) for operation in fresh)
            self._stirred.set()

    async def _run(self) -> None:
        while True:
            await self._stirred.wait()
            if not self._hurried.is_set():
                with trio.move_on_after(_GATHER):
                    await self._hurried.wait()
            with trio.CancelScope(shield=True):
                await self._commit()
            if self._database.is_file:
                with trio.move_on_after(self._idle_after) as pause:
                    await self._stirred.wait()
                if pause.cancelled_caught:
                    await self._take_over(self._database.checkpoint)

    async def _commit(self) -> None:
        self._take_backlog()
        self._writing, self._waiting = self._waiting, []
        self._asked = 0
        self._stirred = trio.Event()
        if self._hurried.is_set():
            self._hurried = trio.Event()
        entries = self._writing
        try:
            connection = self._database.connection
            changes = connection.total_changes
            while not await self._apply(entries):
                self._database.roll_back()
                changes = connection.total_changes
            connection.sums.flush(connection)
            changed = connection.total_changes - changes
            if changed and self._database.waits_for_disk:
                # Not `execute`: that lets go of Python's lock twice, and in a thread each time
                # has to wait for it anew.
                await self._to_disk(connection.commit)
            else:
                connection.commit()
        except sqlite3.Error as error:
            failure = said_of_file(error, str(self._database))
            for entry in entries:
                entry.fail(failure)
            raise failure from error
        self._writing = []
        self._backlog.done(sum(entry.promise is None for entry in entries))
        for entry in entries:
            entry.end()
        # After all have been told: what is committed stays so, whatever becomes of the log.
        if not self._database.waits_for_disk:
            await self._look_after_log(changed)

    async def _look_after_log(self, changed: int) -> None:
        self._logged += changed
        if self._logged > _LOG and self._database.is_file:
            self._logged = 0
            await self._take_over(self._database.take_over_log)

    async def _take_over(self, function: Callable[[], None]) -> None:
        """Take the log over into the file. Where that fails, the log is read as before."""
        try:
            await self._to_disk(function)
        except (sqlite3.Error, StoreError) as error:
            # No crash: that would fail those who wait, and their commits may well succeed.
            _log.warning("log not taken over", file=str(self._database), error=str(error))

    async def _apply(self, entries: list[Entry]) -> bool:
        """Begin a transaction and apply all to it; False where one was at fault."""
        await self._begin()
        connection, file = self._database.connection, str(self._database)
        if any(entry.operation.slow for entry in entries):
            return await self._to_disk(apply_all, connection, entries, file)
        for start in range(0, len(entries), _AT_ONCE):
            if start:
                await trio.lowlevel.checkpoint()
            if not apply_all(connection, entries[start : start + _AT_ONCE], file):
                return False
        return True

    async def _begin(self) -> None:
        try:
            self._database.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            await self._to_disk(self._database.begin_waiting)

    async def _to_disk(self, function: Callable[..., R], *args: Any) -> R:
        """Call what may wait for the disk: in a thread, or here where there is no disk."""
        if not self._database.is_file:
            return function(*args)
        self._commits += 1
        self._in_thread = self._commits
        self._begun.set()
        try:
            return await trio.to_thread.run_sync(function, *args, limiter=self._thread)
        finally:
            self._in_thread = 0

    async def _alone(self, function: Callable[[], None]) -> None:
        """Call a function before the first message, or after the last, when no commit can be under way."""
        if self._database.is_file:
            await in_thread(function)
        else:
            function()

    async def _give_way(self) -> None:
        """While a commit is in its thread: what `in_thread` does, without a task each."""
        while True:
            await self._begun.wait()
            self._begun = trio.Event()
            while self._in_thread:
                number = self._in_thread
                await trio.sleep(EVERY)
                if self._in_thread == number:
                    give_way()
