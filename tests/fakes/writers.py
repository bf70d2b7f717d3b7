"""A writer over a small database, and operations for it."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import trio

from trouper.actors.store.backlog import Backlog
from trouper.actors.store.database import Database, Durability
from trouper.actors.store.errors import StoreError
from trouper.actors.store.writer import Writer, WriterMessage, write
from trouper.runtime import Backoff, Ref, System, child

__all__ = ["READ", "Call", "House", "Note", "house"]

R = TypeVar("R")

SCHEMA = ("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT",)


@attrs.frozen
class Note:
    """Writes a line and answers its number."""

    text: str
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> int | None:
        return connection.execute("INSERT INTO note (text) VALUES (?)", (self.text,)).lastrowid


@attrs.frozen
class Call(Generic[R]):
    """Does what a test says."""

    function: Callable[[sqlite3.Connection], R]
    slow: bool = False

    def apply(self, connection: sqlite3.Connection) -> R:
        return self.function(connection)


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY id")]


READ = Call(notes)


class House:
    """A writer in a system, and what a test has to see of it."""

    def __init__(self, system: System, database: Database, backlog: Backlog) -> None:
        self.system = system
        self.database = database
        self.backlog = backlog
        self.ref: Ref[WriterMessage] = system.ref("writer", Writer)

    async def try_write(self, operation: Note | Call[Any]) -> object:
        try:
            return await write(self.ref, operation)
        except StoreError as error:
            return error

    async def write_at_once(self, *operations: Note | Call[Any]) -> list[object]:
        """All of them in one pass of the loop; what each was answered."""
        answers: dict[int, object] = {}

        async def one(index: int, operation: Note | Call[Any]) -> None:
            answers[index] = await self.try_write(operation)

        async with trio.open_nursery() as nursery:
            for index, operation in enumerate(operations):
                nursery.start_soon(one, index, operation)
        return [answers[index] for index in range(len(operations))]

    def lives(self) -> int:
        (writer,) = self.system.snapshot("writer")
        return writer.restarts + 1


@asynccontextmanager
async def house(
    path: Path | str,
    *,
    durability: Durability = "full",
    most_waiting: int = 1024,
    idle_after: float = 10.0,
) -> AsyncGenerator[House]:
    database, backlog = Database(path, migrations=SCHEMA, durability=durability), Backlog()
    spec = child(
        "writer",
        lambda: Writer(database, backlog, most_waiting=most_waiting, idle_after=idle_after),
        backoff=Backoff(initial=0, maximum=0, jitter=0),
        poison=0,
    )
    async with System(spec, signals=False, intensity=50) as system:
        yield House(system, database, backlog)
