"""Responses to put into a store, and what opens each kind of store of them in a folder."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs

from trouper.actors.store.memory_responses import MemoryResponses
from trouper.actors.store.responses import ResponseStore, Retention, StoredResponse
from trouper.actors.store.sqlite_responses import SqliteResponses
from trouper.actors.store.store import Store
from trouper.actors.store.writer import Writer
from trouper.runtime import System

__all__ = ["NOON", "STORES", "Clock", "OpenStore", "response"]

NOON = 1_795_262_400.0


@attrs.define
class Clock:
    """Tells the time that a test says."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


def response(
    id: str = "resp_1",
    *,
    owner: str = "alice",
    previous: str = "",
    at: float = NOON,
    input: bytes = b"[]",
    body: bytes = b"{}",
) -> StoredResponse:
    return StoredResponse(id=id, owner=owner, previous=previous, at=at, input=input, body=body)


OpenStore = Callable[[Path, Retention, Clock], AbstractAsyncContextManager[ResponseStore]]


@asynccontextmanager
async def _in_dicts(
    _folder: Path, retention: Retention, clock: Clock
) -> AsyncGenerator[ResponseStore]:
    yield MemoryResponses(retention, clock)


@asynccontextmanager
async def _sqlite(
    path: Path | str, retention: Retention, clock: Clock
) -> AsyncGenerator[ResponseStore]:
    store = Store(path)
    async with System(store.spec(), signals=False) as system:
        writer = system.ref(Store.writer_path(), Writer)
        yield SqliteResponses(writer, store.database, retention, clock)


STORES: dict[str, OpenStore] = {
    "dicts": _in_dicts,
    "sqlite in memory": lambda _folder, keep, clock: _sqlite(":memory:", keep, clock),
    "sqlite file": lambda folder, keep, clock: _sqlite(folder / "r.db", keep, clock),
}
