"""What is written of batches, each as one operation of the store's writer.

An answer and what it cost are one operation, so the ledger and the answers
cannot contradict each other, whenever the program is killed.
"""

import sqlite3
from collections.abc import Sequence

import attrs
import orjson

from ..store.budget_sums import sums_of
from ..store.ledger import Closing, Denied, Limit, Opening
from ..store.ledger_operations import Reserve, Settled, settle
from .rows import BatchRow, PartRow, RequestRow, RequestState

__all__ = [
    "Begin",
    "Cancel",
    "ChangePart",
    "EndBatch",
    "Forget",
    "LetGo",
    "Load",
    "Loaded",
    "Note",
    "RecordResults",
    "RequestResult",
    "ReserveAll",
    "Sent",
]


@attrs.frozen
class Begin:
    """A new batch, whose requests follow. What a killed program has loaded of it is gone.

    Answers False where it is loaded already.
    """

    batch: BatchRow
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> bool:
        batch = self.batch
        connection.execute("DELETE FROM batch WHERE id = ? AND state = 'loading'", (batch.id,))
        inserted = connection.execute(
            "INSERT INTO batch (id, at, session, user, way, state, note) "
            "VALUES (?, ?, ?, ?, ?, 'loading', '') ON CONFLICT (id) DO NOTHING",
            (batch.id, batch.at, batch.session, batch.user, batch.way),
        )
        return bool(inserted.rowcount)


@attrs.frozen
class Load:
    """More of its requests."""

    batch: str
    rows: tuple[RequestRow, ...]
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO batch_request (batch, n, part, custom_id, state, model, request) "
            "VALUES (?, ?, ?, ?, 'waiting', ?, ?)",
            [
                (self.batch, row.n, row.part, row.custom_id, row.model, row.request)
                for row in self.rows
            ],
        )


@attrs.frozen
class Loaded:
    """All its requests are there, in these parts: it can begin."""

    batch: str
    parts: tuple[PartRow, ...]
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO batch_part (batch, part, target, state, key_id, remote_id, named_at, "
            "others) VALUES (?, ?, ?, 'planned', '', '', 0.0, '[]')",
            [(self.batch, part.part, part.target) for part in self.parts],
        )
        connection.execute(
            "UPDATE batch SET state = 'running', note = '' WHERE id = ?", (self.batch,)
        )


@attrs.frozen
class Forget:
    """It cannot be loaded: what there is of it is forgotten."""

    batch: str
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM batch WHERE id = ? AND state = 'loading'", (self.batch,))


@attrs.frozen
class ChangePart:
    """A part as it is from now on."""

    part: PartRow
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        part = self.part
        connection.execute(
            "UPDATE batch_part SET state = ?, key_id = ?, remote_id = ?, named_at = ?, others = ? "
            "WHERE batch = ? AND part = ?",
            (
                part.state,
                part.key_id,
                part.remote_id,
                part.named_at,
                orjson.dumps(part.others).decode(),
                part.batch,
                part.part,
            ),
        )


@attrs.frozen
class Sent:
    """A part as it is now that its provider has it, with all its requests."""

    part: PartRow
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> None:
        ChangePart(self.part).apply(connection)
        connection.execute(
            "UPDATE batch_request SET state = 'sent' "
            "WHERE batch = ? AND part = ? AND state = 'waiting'",
            (self.part.batch, self.part.part),
        )


@attrs.frozen
class LetGo:
    """A part as it is now that what its provider has is known to be another's."""

    part: PartRow
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> None:
        ChangePart(self.part).apply(connection)
        connection.execute(
            "UPDATE batch_request SET state = 'waiting' "
            "WHERE batch = ? AND part = ? AND state = 'sent'",
            (self.part.batch, self.part.part),
        )


@attrs.frozen
class ReserveAll:
    """Open rows in the ledger for these, or for none: then it answers which one was denied first,
    by its place, and by what."""

    openings: tuple[tuple[Opening, tuple[Limit, ...]], ...]
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> tuple[int, Denied] | None:
        # What goes back to the savepoint must have been written before it.
        sums = sums_of(connection)
        sums.flush(connection)
        connection.execute("SAVEPOINT reserve_all")
        for index, (opening, limits) in enumerate(self.openings):
            denied = Reserve(opening, limits).apply(connection)
            if denied is not None:
                connection.execute("ROLLBACK TO reserve_all")
                sums.forget()
                connection.execute("RELEASE reserve_all")
                return index, denied
        connection.execute("RELEASE reserve_all")
        return None


@attrs.frozen
class RequestResult:
    """What became of request `n`: its line but for the id, and how its row in the ledger closes."""

    n: int
    state: RequestState
    answer: bytes
    op_id: str = ""
    closing: Closing | None = None


@attrs.frozen
class RecordResults:
    """Answers. Those of requests that have one already are left out, and cost nothing.

    Answers which attempts that has closed, each with what it added to the sums.
    """

    batch: str
    answers: Sequence[RequestResult]
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> list[tuple[RequestResult, Settled]]:
        closed: list[tuple[RequestResult, Settled]] = []
        for answer in self.answers:
            changed = connection.execute(
                # What was asked is not needed any more, and may be long.
                "UPDATE batch_request SET state = ?, answer = ?, request = NULL "
                "WHERE batch = ? AND n = ? AND state IN ('waiting', 'sent')",
                (answer.state, answer.answer, self.batch, answer.n),
            )
            if changed.rowcount and answer.closing is not None:
                settled = settle(connection, answer.op_id, answer.closing)
                if settled is not None:
                    closed.append((answer, settled))
        return closed


@attrs.frozen
class EndBatch:
    """A batch is done, if each of its requests has its answer. Answers whether it is."""

    batch: str
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> bool:
        changed = connection.execute(
            "UPDATE batch SET state = 'done', note = '' WHERE id = ? AND NOT EXISTS "
            "(SELECT 1 FROM batch_request WHERE batch = ? AND state IN ('waiting', 'sent'))",
            (self.batch, self.batch),
        )
        return bool(changed.rowcount)


@attrs.frozen
class Cancel:
    """It was called off. Answers whether it was under way."""

    batch: str
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> bool:
        changed = connection.execute(
            "UPDATE batch SET state = 'cancelling' WHERE id = ? AND state = 'running'",
            (self.batch,),
        )
        return bool(changed.rowcount)


@attrs.frozen
class Note:
    """What hinders it now, in words; "" is nothing."""

    batch: str
    note: str
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE batch SET note = ? WHERE id = ?", (self.note, self.batch))
