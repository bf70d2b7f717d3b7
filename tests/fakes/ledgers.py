"""Every ledger there is, each made anew, for tests that must hold on all of them."""

import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.fakes.ledger import FakeLedger
from tests.fakes.memory_ledger import MemoryLedger
from trouper.actors.store.ledger import Ledger
from trouper.actors.store.store import open_ledger

__all__ = ["LEDGERS"]


@asynccontextmanager
async def _slow() -> AsyncGenerator[Ledger]:
    yield FakeLedger(delay=0.01)


@asynccontextmanager
async def _memory() -> AsyncGenerator[Ledger]:
    yield MemoryLedger()


@asynccontextmanager
async def _file() -> AsyncGenerator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger(Path(folder, "store.db")) as ledger:
            yield ledger


LEDGERS: Final[dict[str, Callable[[], AbstractAsyncContextManager[Ledger]]]] = {
    "slow": _slow,
    "memory": _memory,
    "file": _file,
}
