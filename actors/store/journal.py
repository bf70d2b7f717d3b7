"""What was said in each session: numbered events that are only ever added to.

A session is written by one at a time, who claims it and gets a fence: a number
that grows with each claim, and that every write shows. Who was taken for dead
and comes back shows an old one, and is refused; so a conversation has one
history, whoever believes to own it.

What the events say is the business of the session package: here they are bytes.
"""

from collections.abc import AsyncGenerator, Sequence
from math import inf
from typing import Protocol

import attrs

__all__ = [
    "Claim",
    "Journal",
    "NewEvent",
    "NewSession",
    "Snapshot",
    "StoredEvent",
    "StoredSession",
    "conflict",
]


@attrs.frozen(kw_only=True)
class NewSession:
    """A session that is not there yet: whose it is, who answers, and since when (seconds since
    1970)."""

    owner: str
    assistant: str
    at: float


@attrs.frozen(kw_only=True)
class StoredSession:
    """A session as the journal has it.

    `owner` is the principal whose it is; `node` is who writes it now ("" is
    nobody), and `fence` counts the claims. `head` is the number of its last
    event. Times are in seconds since 1970.
    """

    sid: str
    owner: str
    assistant: str
    title: str
    node: str
    fence: int
    head: int
    created: float
    touched: float


@attrs.frozen
class NewEvent:
    """An event to be added: what kind, the version of its body, and when (seconds since 1970)."""

    kind: str
    v: int
    at: float
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class StoredEvent:
    """Event number `seq` of a session; the first one has the number 1."""

    seq: int
    kind: str
    v: int
    at: float
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Snapshot:
    """What the events up to `seq` come to. `v` is the version of `body`."""

    seq: int
    v: int
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Claim:
    """Leave to write a session, as it stood then; every write shows its `fence`."""

    session: StoredSession
    snapshot: Snapshot | None

    @property
    def fence(self) -> int:
        """What every write shows."""
        return self.session.fence

    @property
    def head(self) -> int:
        """The number of the last event."""
        return self.session.head


class Journal(Protocol):
    """The events of all sessions. Whatever was acknowledged is durable.

    All of it raises ActorUnavailable and StoreError where the store is down.
    """

    async def open(
        self,
        sid: str,
        node: str,
        *,
        create: NewSession | None = None,
        steal_from: int | None = None,
    ) -> Claim:
        """Claim a session for `node`; make it where there is none and `create` says how.

        A node may claim its own session again: the fence of its earlier claim
        is worth nothing then. Raises NoSuchSession, and NotOwner where another
        node has it, unless `steal_from` is the fence of that one's claim: then
        it is taken away, and no two can take away the same claim.
        """
        ...

    async def append(
        self,
        sid: str,
        fence: int,
        first_seq: int,
        events: Sequence[NewEvent],
        *,
        title: str | None = None,
    ) -> int:
        """Add events, of which the first has the number `first_seq`; the session's head.

        All of them or none. The same ones again change nothing, so whoever has
        had no answer asks again. A `title` takes the place of the session's.
        Raises Fenced, Gap where a number would be left out, and EventConflict where a
        number is taken by another event; and NoSuchSession.
        """
        ...

    async def read(self, sid: str, from_seq: int = 1, limit: int = 500) -> list[StoredEvent]:
        """Up to `limit` events from that number on, in order; those that are kept.

        Of a session that is not there, none.
        """
        ...

    async def snapshot(self, sid: str, fence: int, snapshot: Snapshot) -> None:
        """Keep what the events up to its `seq` come to, and forget those events.

        An earlier one than there is changes nothing. Raises Fenced, Gap for one
        of events that are not there yet, and NoSuchSession.
        """
        ...

    async def release(self, sid: str, fence: int) -> None:
        """Give a claim back; one that is no longer worth anything says nothing."""
        ...

    async def find(self, sid: str) -> StoredSession | None:
        """That session, or None."""
        ...

    def sessions(
        self, owner: str | None = None, *, until: float = inf
    ) -> AsyncGenerator[StoredSession]:
        """All sessions, or those of an owner, the one that was used last first.

        Only those that were last used at `until` (seconds since 1970) or before.
        A page is read at a time. One that is used meanwhile may be left out.
        """
        ...

    async def delete(self, sid: str, node: str = "") -> bool:
        """Forget a session and all its events; whether there was one.

        Raises NotOwner where another node than `node` has it.
        """
        ...


def conflict(kept: Sequence[StoredEvent], first_seq: int, events: Sequence[NewEvent]) -> int | None:
    """The first number at which what is sent again is not what is `kept`; None where it is.

    What is kept no more, since a snapshot took its place, is taken for the same.
    """
    for one in kept:
        again = events[one.seq - first_seq]
        if (one.kind, one.v, one.body) != (again.kind, again.v, again.body):
            return one.seq
    return None
