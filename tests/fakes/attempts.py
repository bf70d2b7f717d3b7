"""Attempts to write into a ledger, and what opens each kind of ledger in a folder."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fakes.memory_ledger import MemoryLedger
from trouper.actors.chat import Usage
from trouper.actors.store.ledger import Closing, Ledger, Limit, Opening, Row, Selection
from trouper.actors.store.store import open_ledger

__all__ = ["DAY", "IMPLEMENTATIONS", "MONTH", "NOON", "all_rows", "attempt", "cost", "limit"]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
DAY = "2026-11-21"
MONTH = "2026-11"


def attempt(op_id: str, reserved: int = 100, **more: Any) -> Opening:
    fields: dict[str, Any] = {
        "request_id": f"request of {op_id}",
        "attempt": 1,
        "at": NOON,
        "provider": "openai",
        "model": "gpt-x",
        "user": "alice",
    }
    return Opening(op_id=op_id, reserved=reserved, **fields | more)


def cost(nano: int | None, **more: Any) -> Closing:
    fields: dict[str, Any] = {
        "state": "settled",
        "outcome": "ok",
        "usage": Usage(input=9, output=3, cache_read=2),
        "price_id": "openai:gpt-x",
        "duration_ms": 1_200,
    }
    return Closing(cost=nano, **fields | more)


def limit(most: int, scope: str = "all", window: str = DAY) -> Limit:
    return Limit(scope, window, most)


async def all_rows(ledger: Ledger, **selected: Any) -> list[Row]:
    return [row async for row in ledger.rows(Selection(**selected))]


@asynccontextmanager
async def _in_dicts(_folder: Path) -> AsyncGenerator[Ledger]:
    yield MemoryLedger()


IMPLEMENTATIONS: dict[str, Callable[[Path], AbstractAsyncContextManager[Ledger]]] = {
    "dicts": _in_dicts,
    "sqlite in memory": lambda _folder: open_ledger(":memory:"),
    "sqlite file": lambda folder: open_ledger(folder / "ledger.db"),
    "sqlite file, relaxed": lambda folder: open_ledger(folder / "r.db", durability="relaxed"),
}
