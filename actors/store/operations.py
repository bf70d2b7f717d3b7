"""What a writer applies: a value that changes the database, within a transaction."""

import sqlite3
from typing import Protocol, TypeVar

__all__ = ["Operation"]

R_co = TypeVar("R_co", covariant=True)


class Operation(Protocol[R_co]):
    """One change, and what is known of it once it is durable.

    It is applied on the event loop, where a statement costs microseconds; one
    that reads many rows says that it is `slow`, and has its commit in a thread.
    """

    @property
    def slow(self) -> bool:
        """Whether it takes more than a few milliseconds."""
        ...

    def apply(self, connection: sqlite3.Connection) -> R_co:
        """Do it. There is a transaction, which it neither begins nor ends.

        It may be applied more than once, each time after a rollback, where
        another of the same commit fails: it keeps nothing of its own.
        """
        ...
