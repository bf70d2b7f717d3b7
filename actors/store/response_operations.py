"""What is written and read of responses, each as one operation of the writer.

`number` counts the responses of an owner and `upto` their bytes, from the first
that there was: so what the rows behind the oldest one come to is a subtraction,
and room is made by looking at the oldest rows only. A row that was deleted by its
owner counts on until all before it are gone; the bounds are then met a little early.
"""

import sqlite3
from typing import Any, Final

import attrs

from .responses import MOST_LINKS, Chain, Retention, StoredResponse

__all__ = ["DeleteResponse", "FindResponse", "PutResponse", "ReadChain"]

_COLUMNS: Final = "id, owner, previous, at, input, body"
_FIND: Final = f"SELECT {_COLUMNS} FROM response WHERE id = ? AND owner = ? AND at >= ?"
_OLDEST: Final = (
    "SELECT n, number, upto - length(input) - length(body) FROM response "
    "WHERE owner = ? ORDER BY n LIMIT 1"
)

# Rows that one write makes room by. Each brings one, so more than one is enough to
# come back within the bounds, and a large one among small ones is soon made up for.
_AT_ONCE: Final = 32


@attrs.frozen
class PutResponse:
    """Keep a response, and forget what there is no room for any more."""

    response: StoredResponse
    retention: Retention
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> None:
        new, keep = self.response, self.retention
        last = connection.execute(
            "SELECT number, upto FROM response WHERE owner = ? ORDER BY n DESC LIMIT 1",
            (new.owner,),
        ).fetchone()
        number, upto = (last or (0, 0))[0] + 1, (last or (0, 0))[1] + new.size
        connection.execute(
            f"INSERT INTO response ({_COLUMNS}, number, upto) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (new.id, new.owner, new.previous, new.at, new.input, new.body, number, upto),
        )
        for _ in range(_AT_ONCE):
            n, count, before = connection.execute(_OLDEST, (new.owner,)).fetchone()
            fits = number - count < keep.most and upto - before <= keep.most_bytes
            if fits or count == number:
                break
            connection.execute("DELETE FROM response WHERE n = ?", (n,))
        connection.execute(
            "DELETE FROM response WHERE n IN "
            "(SELECT n FROM response WHERE at < ? ORDER BY at LIMIT ?)",
            (new.at - keep.seconds, _AT_ONCE),
        )


@attrs.frozen
class FindResponse:
    """Read one, if it was not given before `since`."""

    id: str
    owner: str
    since: float
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> StoredResponse | None:
        row = connection.execute(_FIND, (self.id, self.owner, self.since)).fetchone()
        return None if row is None else _response_of(row)


@attrs.frozen
class ReadChain:
    """Read one and those before it."""

    id: str
    owner: str
    since: float
    most_bytes: int
    slow: bool = True

    def apply(self, connection: sqlite3.Connection) -> Chain | None:
        found: list[StoredResponse] = []
        wanted, left = self.id, self.most_bytes
        while wanted:
            response = FindResponse(wanted, self.owner, self.since).apply(connection)
            if response is None:
                return None
            left -= response.size
            if left < 0 or len(found) == MOST_LINKS:
                return Chain(tuple(reversed(found)), whole=False)
            found.append(response)
            wanted = response.previous
        return Chain(tuple(reversed(found)))


@attrs.frozen
class DeleteResponse:
    """Forget one; whether there was one."""

    id: str
    owner: str
    since: float
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> bool:
        done = connection.execute(
            "DELETE FROM response WHERE id = ? AND owner = ? AND at >= ?",
            (self.id, self.owner, self.since),
        )
        return done.rowcount > 0


def _response_of(row: tuple[Any, ...]) -> StoredResponse:
    id, owner, previous, at, input, body = row
    return StoredResponse(id=id, owner=owner, previous=previous, at=at, input=input, body=body)
