"""The journal in dicts, for tests: ends with its process.

It answers at once and never fails, so it is also what the one in SQLite is held
against: both must pass the same tests.
"""

from collections.abc import AsyncGenerator, Sequence
from math import inf

import attrs
import trio

from trouper.actors.store.database import MEMORY
from trouper.actors.store.errors import EventConflict, Fenced, Gap, NoSuchSession, NotOwner
from trouper.actors.store.journal import (
    Claim,
    NewEvent,
    NewSession,
    Snapshot,
    StoredEvent,
    StoredSession,
    conflict,
)

__all__ = ["MemoryJournal"]


@attrs.define(eq=False)
class _Kept:
    session: StoredSession
    # When it was made, among all: who was made last is first among equals.
    number: int
    events: list[StoredEvent] = attrs.field(factory=list[StoredEvent])
    snapshot: Snapshot | None = None


class MemoryJournal:
    """Keeps every event until it is deleted, or the program ends."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._made = 0

    async def open(
        self,
        sid: str,
        node: str,
        *,
        create: NewSession | None = None,
        steal_from: int | None = None,
    ) -> Claim:
        """Claim a session for `node`; make it where there is none and `create` says how."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.get(sid)
        if kept is None:
            if create is None:
                raise NoSuchSession(MEMORY, sid)
            kept = self._kept[sid] = self._made_of(sid, create)
        session = kept.session
        if session.node not in ("", node) and session.fence != steal_from:
            raise NotOwner(MEMORY, sid, session.node, session.fence)
        kept.session = attrs.evolve(session, node=node, fence=session.fence + 1)
        return Claim(kept.session, kept.snapshot)

    async def append(
        self,
        sid: str,
        fence: int,
        first_seq: int,
        events: Sequence[NewEvent],
        *,
        title: str | None = None,
    ) -> int:
        """Add events, of which the first has the number `first_seq`; the session's head."""
        await trio.lowlevel.checkpoint()
        kept = self._fenced(sid, fence)
        session = kept.session
        if first_seq > session.head + 1:
            raise Gap(MEMORY, sid, first_seq, session.head)
        known = session.head + 1 - first_seq
        last = first_seq + len(events) - 1
        same = [one for one in kept.events if first_seq <= one.seq <= last]
        taken = conflict(same, first_seq, events)
        if taken is not None:
            raise EventConflict(MEMORY, sid, taken)
        new = [
            StoredEvent(seq, one.kind, one.v, one.at, one.body)
            for seq, one in enumerate(events[known:], session.head + 1)
        ]
        kept.events += new
        kept.session = attrs.evolve(
            session,
            head=session.head + len(new),
            touched=max(session.touched, new[-1].at) if new else session.touched,
            title=session.title if title is None else title,
        )
        return kept.session.head

    async def read(self, sid: str, from_seq: int = 1, limit: int = 500) -> list[StoredEvent]:
        """Up to `limit` events from that number on, in order; those that are kept."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.get(sid)
        events = [] if kept is None else kept.events
        return [event for event in events if event.seq >= from_seq][:limit]

    async def snapshot(self, sid: str, fence: int, snapshot: Snapshot) -> None:
        """Keep what the events up to its `seq` come to, and forget those events."""
        await trio.lowlevel.checkpoint()
        kept = self._fenced(sid, fence)
        if snapshot.seq > kept.session.head:
            raise Gap(MEMORY, sid, snapshot.seq, kept.session.head)
        if kept.snapshot is None or kept.snapshot.seq < snapshot.seq:
            kept.snapshot = snapshot
            kept.events = [event for event in kept.events if event.seq > snapshot.seq]

    async def release(self, sid: str, fence: int) -> None:
        """Give a claim back; one that is no longer worth anything says nothing."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.get(sid)
        if kept is not None and kept.session.fence == fence:
            kept.session = attrs.evolve(kept.session, node="")

    async def find(self, sid: str) -> StoredSession | None:
        """That session, or None."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.get(sid)
        return None if kept is None else kept.session

    async def sessions(
        self, owner: str | None = None, *, until: float = inf
    ) -> AsyncGenerator[StoredSession]:
        """All sessions, or those of an owner, the one that was used last first."""
        await trio.lowlevel.checkpoint()
        found = sorted(
            self._kept.values(), key=lambda kept: (kept.session.touched, kept.number), reverse=True
        )
        for kept in found:
            if owner in (None, kept.session.owner) and kept.session.touched <= until:
                yield kept.session

    async def delete(self, sid: str, node: str = "") -> bool:
        """Forget a session and all its events; whether there was one."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.get(sid)
        if kept is None:
            return False
        session = kept.session
        if session.node not in ("", node):
            raise NotOwner(MEMORY, sid, session.node, session.fence)
        del self._kept[sid]
        return True

    def _fenced(self, sid: str, fence: int) -> _Kept:
        kept = self._kept.get(sid)
        if kept is None:
            raise NoSuchSession(MEMORY, sid)
        if kept.session.fence != fence:
            raise Fenced(MEMORY, sid, fence, kept.session.fence)
        return kept

    def _made_of(self, sid: str, new: NewSession) -> _Kept:
        self._made += 1
        session = StoredSession(
            sid=sid,
            owner=new.owner,
            assistant=new.assistant,
            title="",
            node="",
            fence=0,
            head=0,
            created=new.at,
            touched=new.at,
        )
        return _Kept(session, self._made)
