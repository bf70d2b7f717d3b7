"""The running sums of limits, as the writer's transaction has them.

Every attempt changes the same few sums twice, and reads them once. So the writer
keeps them in memory, as it alone writes them, and writes each at most once a
transaction: `flush` before the COMMIT, `forget` after a ROLLBACK. Before a SAVEPOINT
they are flushed, too, so that what is read after going back to it is true.
"""

import sqlite3
from typing import Any, Final

import attrs

__all__ = ["BudgetSum", "BudgetSums", "Names", "StoreConnection", "sums_of"]

_OF_ROW = (
    "SELECT scope, window, spent_nano, reserved_nano FROM budget "
    "WHERE scope IN (?, ?, ?, ?, ?) AND window IN (?, ?, ?)"
)
_WRITE = "UPDATE budget SET spent_nano = ?, reserved_nano = ? WHERE scope = ? AND window = ?"
_BEGIN = "INSERT INTO budget (scope, window, spent_nano, reserved_nano) VALUES (?, ?, ?, ?)"

# Kinds of rows whose sums are kept: some MB. Whoever has none has a key here, too.
_MOST: Final = 10_000

Names = tuple[str, str, str, str, str, str, str, str]
"""The five scopes and three windows that a row falls under."""


@attrs.define(eq=False)
class BudgetSum:
    """What is spent of a scope in a window, and reserved, in nano-dollars."""

    scope: str
    window: str
    spent: int
    reserved: int


class BudgetSums:
    """Those of one connection. All calls are made within its transactions."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], BudgetSum] = {}
        self._of_rows: dict[Names, list[BudgetSum]] = {}
        self._changed: set[BudgetSum] = set()

    def __len__(self) -> int:
        """For how many kinds of rows it is known which sums there are."""
        return len(self._of_rows)

    def of_row(self, connection: sqlite3.Connection, names: Names) -> list[BudgetSum]:
        """The sums that there are of those in which a row of these names weighs."""
        found = self._of_rows.get(names)
        if found is None:
            found = [
                self._known.setdefault((scope, window), BudgetSum(scope, window, spent, reserved))
                for scope, window, spent, reserved in connection.execute(_OF_ROW, names)
            ]
            self._of_rows[names] = found
        return found

    def find(self, scope: str, window: str) -> BudgetSum | None:
        """One of those that `of_row` has found."""
        return self._known.get((scope, window))

    def begin(self, connection: sqlite3.Connection, new: BudgetSum) -> None:
        """Keep a sum from now on."""
        connection.execute(_BEGIN, (new.scope, new.window, new.spent, new.reserved))
        self._known[new.scope, new.window] = new
        self._of_rows.clear()  # some lack it now

    def add(self, sums: list[BudgetSum], *, spent: int, reserved: int) -> None:
        """Change all of `sums` by so much, in nano-dollars; they are written with the next commit."""
        if spent or reserved:
            for one in sums:
                one.spent += spent
                one.reserved += reserved
            self._changed.update(sums)

    def flush(self, connection: sqlite3.Connection) -> None:
        """Write down those that have changed."""
        if self._changed:
            connection.executemany(
                _WRITE, [(one.spent, one.reserved, one.scope, one.window) for one in self._changed]
            )
            self._changed.clear()
        if len(self._of_rows) > _MOST:
            self.forget()

    def forget(self) -> None:
        """Read them anew: what was changed did not come to be."""
        self._known.clear()
        self._of_rows.clear()
        self._changed.clear()


class StoreConnection(sqlite3.Connection):
    """The connection of a writer, with the sums as it has them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sums = BudgetSums()


def sums_of(connection: sqlite3.Connection) -> BudgetSums:
    """Those of a writer's connection; no other changes any."""
    assert isinstance(connection, StoreConnection), "only the writer's connection has sums"
    return connection.sums
