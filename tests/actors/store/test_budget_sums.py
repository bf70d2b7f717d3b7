"""The sums in the writer's memory say what the file says, whatever becomes of a transaction."""

from collections.abc import Iterator

import pytest

from trouper.actors.chat import Usage
from trouper.actors.store import budget_sums
from trouper.actors.store.database import MEMORY, Database
from trouper.actors.store.ledger import Closing, Limit, Opening, Totals
from trouper.actors.store.ledger_operations import Reserve, Settle, Spent

_LIMIT = Limit("all", "total", 1_000)


@pytest.fixture
def database() -> Iterator[Database]:
    opened = Database(MEMORY)
    opened.open()
    opened.connection.execute("BEGIN IMMEDIATE")
    yield opened
    opened.close()


def commit(database: Database) -> None:
    database.connection.sums.flush(database.connection)
    database.connection.execute("COMMIT")
    database.connection.execute("BEGIN IMMEDIATE")


def reserve(database: Database, op_id: str, amount: int, user: str = "alice") -> None:
    opening = Opening(
        op_id=op_id,
        request_id="r",
        attempt=1,
        at=1_000.0,
        provider="p",
        model="m",
        reserved=amount,
        user=user,
    )
    assert Reserve(opening, (_LIMIT,)).apply(database.connection) is None


def spent(database: Database) -> Totals:
    return Spent(_LIMIT.scope, _LIMIT.window).apply(database.connection)


def written(database: Database) -> list[tuple[int, int]]:
    return database.connection.execute("SELECT spent_nano, reserved_nano FROM budget").fetchall()


def test_what_is_asked_for_within_a_transaction_is_in_it(database: Database) -> None:
    reserve(database, "a", 100)

    assert spent(database) == Totals(spent=0, reserved=100)
    closing = Closing(state="settled", outcome="ok", usage=Usage(input=1, output=1), cost=70)
    assert Settle("a", closing).apply(database.connection)
    assert spent(database) == Totals(spent=70, reserved=0)


def test_a_sum_is_written_once_a_transaction(database: Database) -> None:
    reserve(database, "a", 100)
    commit(database)
    changes = database.connection.total_changes

    for number in range(5):
        reserve(database, f"more {number}", 10)
    commit(database)

    assert database.connection.total_changes - changes == 5 + 1
    assert written(database) == [(0, 150)]


def test_what_is_rolled_back_is_in_no_sum(database: Database) -> None:
    reserve(database, "a", 100)
    commit(database)
    reserve(database, "b", 200)

    database.roll_back()
    database.connection.execute("BEGIN IMMEDIATE")

    reserve(database, "c", 1)
    assert spent(database) == Totals(spent=0, reserved=101)


def test_names_that_nobody_uses_any_more_do_not_pile_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_sums, "_MOST", 3)

    for number in range(10):
        reserve(database, f"op {number}", 10, user=f"user {number}")
        commit(database)

    assert len(database.connection.sums) <= 4
    assert written(database) == [(0, 100)]
