"""The ledger in SQLite, over the one writer of its file.

A reservation is answered when its row and the sums are durable; many share a
commit. What closes an attempt is put into the writer's backlog, which takes it
without a wait and keeps it while the writer is between two lives.
"""

from collections.abc import AsyncIterator, Sequence
from math import inf
from typing import Final

import structlog

from ...runtime import MailboxFull, Ref
from .backlog import Backlog
from .database import Database
from .ledger import Closing, Denied, Limit, Opening, Row, Selection, Totals, bounds, check_scope
from .ledger_operations import Expire, Page, Reserve, Settle, Spent, Trim, Withdraw
from .operations import Operation
from .reading import read_page
from .threads import in_thread
from .writer import GATHERED, Look, WriterMessage, write

__all__ = ["LOST_AFTER", "SqliteLedger"]

_log = structlog.get_logger("trouper.store")

LOST_AFTER: Final = 48 * 3600.0
"""Seconds after which an attempt that is open counts as lost. The longest that a provider
promises is a batch within a day."""

# Rows that are kept where there is no file: some 60 MB, and days of a busy bot.
_KEPT_IN_MEMORY = 100_000
# So few are forgotten at a time that nobody notices.
_TRIM_EVERY = 256

# So many that lie in the backlog are told to the writer: the first, and when it
# is time for it to hurry.
_LOOK_AT = (1, GATHERED)

# Seconds between two looks for such attempts.
_LOOK_EVERY = 3600.0

# Rows read at a time: some milliseconds of work and some hundred kilobytes.
_PAGE = 500

# Sums that are known to be there: a limit's first call reads many rows, later ones a single one.
_MOST_SUMS = 10_000


class SqliteLedger:
    """The ledger of one store. Made by `Store.ledger`.

    In a file all rows stay. In memory the last 100,000 do, and those that are
    open; the sums of limits count all, from their first call on.
    """

    def __init__(self, writer: Ref[WriterMessage], backlog: Backlog, database: Database) -> None:
        self._writer = writer
        self._backlog = backlog
        self._database = database
        self._sums: set[tuple[str, str]] = set()
        self._looked = -inf
        self._opened = 0
        self._dropped = 0

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        """Open a row and take its amount out of all `limits`, or none."""
        opening.check(limits)
        sums = {(limit.scope, limit.window) for limit in limits}
        try:
            denied = await write(
                self._writer, Reserve(opening, tuple(limits), slow=not sums <= self._sums)
            )
        except BaseException:
            self._put(Withdraw(opening.op_id))  # it may be written, and nobody knows of it
            raise
        if len(self._sums) >= _MOST_SUMS:
            self._sums.clear()
        self._sums |= sums
        if opening.at - self._looked > _LOOK_EVERY:
            self._looked = opening.at
            self._put(Expire(before=opening.at - LOST_AFTER))
        self._opened += 1
        if not self._database.is_file and not self._opened % _TRIM_EVERY:
            self._put(Trim(keep=_KEPT_IN_MEMORY))
        return denied

    def settle(self, op_id: str, closing: Closing) -> None:
        """Close that row, once; never blocks or raises."""
        self._put(Settle(op_id, closing))

    async def spent(self, scope: str, window: str) -> Totals:
        """What was spent of a scope in a window, and what is reserved in it now."""
        check_scope(scope)
        bounds(window)
        known = (scope, window) in self._sums
        return await write(self._writer, Spent(scope, window, slow=not known))

    async def rows(self, selection: Selection) -> AsyncIterator[Row]:
        """The selected rows by their time, a page at a time."""
        # What was settled before is written then.
        found = await write(self._writer, Page(selection, (-inf, 0), 0))
        after = (-inf, 0)
        while True:
            page = Page(selection, after, _PAGE)
            if self._database.is_file:
                # On a connection of its own, so that nobody's reservation waits for it.
                found = await in_thread(read_page, self._database.path, page)
            else:
                found = await write(self._writer, page)
            for _, row in found:
                yield row
            if len(found) < _PAGE:
                return
            number, last = found[-1]
            after = (last.opening.at, number)

    def _put(self, operation: Operation[object]) -> None:
        if not self._backlog.put(operation):
            self._drop(operation)
        elif self._backlog.fresh in _LOOK_AT:
            try:
                # One look takes all of them in.
                self._writer.tell(Look())
            except MailboxFull:
                return  # the next write takes them in, and after a crash the next life

    def _drop(self, operation: Operation[object]) -> None:
        """There is no room, for the disk has refused for long: the row stays reserved.

        So it counts in full, until the program starts anew.
        """
        self._dropped += 1
        if self._dropped == 1:
            _log.error(
                "ledger could not note how attempts ended",
                file=str(self._database),
                operation=type(operation).__name__,
            )
