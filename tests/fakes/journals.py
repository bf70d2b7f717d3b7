"""Events to write into a journal, and what opens each kind of journal in a folder."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.memory_journal import MemoryJournal
from trouper.actors.store.journal import (
    Claim,
    Journal,
    NewEvent,
    NewSession,
    StoredSession,
)
from trouper.actors.store.store import open_journal

__all__ = ["JOURNALS", "NOON", "Failing", "all_sessions", "event", "new", "opened"]

NOON = 1_795_262_400.0


def event(body: str = "hello", *, kind: str = "said", v: int = 1, at: float = NOON) -> NewEvent:
    return NewEvent(kind, v, at, body.encode())


def new(owner: str = "alice", *, assistant: str = "default", at: float = NOON) -> NewSession:
    return NewSession(owner=owner, assistant=assistant, at=at)


async def opened(journal: Journal, sid: str = "s", *, node: str = "here", **more: Any) -> Claim:
    return await journal.open(sid, node, create=new(**more))


async def all_sessions(journal: Journal, owner: str | None = None) -> list[StoredSession]:
    return [session async for session in journal.sessions(owner)]


@asynccontextmanager
async def _in_dicts(_folder: Path) -> AsyncGenerator[Journal]:
    yield MemoryJournal()


JOURNALS: dict[str, Callable[[Path], AbstractAsyncContextManager[Journal]]] = {
    "dicts": _in_dicts,
    "sqlite in memory": lambda _folder: open_journal(":memory:"),
    "sqlite file": lambda folder: open_journal(folder / "journal.db"),
    "sqlite file, relaxed": lambda folder: open_journal(folder / "r.db", durability="relaxed"),
}


class Failing(MemoryJournal):
    """A journal whose appends raise these errors, in turn; `late` ones are written all the same."""

    def __init__(self, *errors: Exception | None, late: bool = False) -> None:
        super().__init__()
        self.errors = list(errors)
        self.late = late
        self.tries = 0

    async def append(
        self,
        sid: str,
        fence: int,
        first_seq: int,
        events: Sequence[NewEvent],
        *,
        title: str | None = None,
    ) -> int:
        self.tries += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None and not self.late:
            raise error
        head = await super().append(sid, fence, first_seq, events, title=title)
        if error is not None:
            raise error
        return head
