"""Who opens sessions, finds them, and ends those that nobody needs any more.

Where there is a journal, a session that has ended because nobody needed it is
stored, and opened again when somebody asks for it.
"""

import heapq
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing, suppress
from math import inf
from typing import NoReturn

import trio

from ...runtime import ChildExists, Children, MailboxFull, Ref, StartFailed, TooManyChildren
from ...runtime.registry import Registry
from ..errors import SessionError, SessionTaken, TooManySessions, UnknownSession
from ..store.journal import Journal, StoredSession
from .assistant import Assistant, Company
from .broadcast import Broadcast
from .messages import Retire, SessionMessage
from .session import Session
from .session_journal import SessionJournal

__all__ = ["Directory"]

# Seconds between two looks for idle sessions: a fraction of the shortest time
# that anybody sets.
_LOOK = 1.0

# Sessions that are asked between two checkpoints: some 0.2 ms.
_AT_ONCE = 100


class Directory:
    """The sessions of one application, by id and owner.

    A session belongs to the principal that opened it; for everybody else it
    does not exist. `children` and `assistant` are called when they are needed,
    since sessions and providers come and go; `assistant` raises
    UnknownAssistant. `idle` is in seconds. `journal` is called likewise, and
    None where nothing is kept; `node` is this run of this program. `company` is
    whom and what sessions may call upon. An owner has `most_per_owner` sessions
    open at most, not counting those that are `kept`.
    """

    def __init__(
        self,
        children: Callable[[], Children[SessionMessage]],
        registry: Registry,
        assistant: Callable[[str], Assistant],
        idle: float,
        *,
        journal: Callable[[], Journal] | None = None,
        node: str = "",
        company: Company | None = None,
        most_per_owner: int | None = None,
    ) -> None:
        self._company = company or Company(assistant=assistant)
        self._journal = journal
        self._node = node
        self._most_per_owner = most_per_owner
        self._starting: Counter[str] = Counter()
        # Sessions that are being opened, and whoever else wants them waits.
        self._opening: dict[str, trio.Event] = {}
        self._children = children
        self._registry = registry
        self._assistant = assistant
        self._idle = idle

    async def open(
        self, *, assistant: str = "", owner: str, id: str = "", kept: bool = False
    ) -> tuple[str, Ref[SessionMessage]]:
        """Open a session with `assistant`; "" is the default one.

        Without an `id` it gets one that cannot be guessed; `kept` until `end`,
        it is not retired when it is idle. Where a session of that id is stored,
        it goes on, with the assistant that it has. Raises UnknownAssistant,
        TooManySessions, SessionTaken for an id in use, and NotKept and
        SessionUnreadable.
        """
        stored = await self._stored(id) if id else None
        if stored is not None:
            if stored.owner != owner:
                raise SessionTaken(id)
            assistant = stored.assistant
        # 128 bits: who knows the id of a session has it from us.
        id = id or f"sess_{secrets.token_hex(16)}"
        return id, await self._start(id, assistant, owner, kept=kept)

    async def reach(self, session_id: str, *, owner: str) -> Ref[SessionMessage]:
        """The session of that id; a stored one is opened again.

        Raises UnknownSession where `owner` has none of it, and what `open` does.
        """
        while True:
            with suppress(UnknownSession):
                return self.find(session_id, owner=owner)
            other = self._opening.get(session_id)
            if other is None:
                break
            await other.wait()
        done = self._opening[session_id] = trio.Event()
        try:
            stored = await self._stored(session_id)
            if stored is None or stored.owner != owner:
                raise UnknownSession(session_id)
            return await self._start(session_id, stored.assistant, owner)
        finally:
            del self._opening[session_id]
            done.set()

    async def page(
        self, *, owner: str, limit: int, after: tuple[float, str] | None = None
    ) -> list[StoredSession]:
        """The sessions of `owner`, the last used first: at most `limit`.

        Only those behind the session that was last used at `after[0]` (seconds
        since 1970) and has the id `after[1]`. Without a journal they are those
        that are open, by id, and nobody knows when they were used.
        """
        if self._journal is None:
            return self._open_page(owner, limit, after)
        until, last = after or (inf, "")
        found: list[StoredSession] = []
        async with aclosing(self._journal().sessions(owner, until=until)) as sessions:
            async for session in sessions:
                if session.touched == until and session.sid == last:
                    found.clear()
                else:
                    found.append(session)
                # Those that were used in the same moment may be before the last one.
                if len(found) >= limit and session.touched < until:
                    break
        return found[:limit]

    def _open_page(
        self, owner: str, limit: int, after: tuple[float, str] | None
    ) -> list[StoredSession]:
        last = "" if after is None else after[1]
        mine = (id for id in self._children() if id > last and self._is_open(id, owner))
        return [
            StoredSession(
                sid=id,
                owner=owner,
                assistant="",
                title="",
                node=self._node,
                fence=0,
                head=0,
                created=0.0,
                touched=0.0,
            )
            for id in heapq.nsmallest(limit, mine)
        ]

    def _is_open(self, id: str, owner: str) -> bool:
        return self._registry.named((Session, owner, id)) is not None

    async def _start(
        self, id: str, assistant: str, owner: str, *, kept: bool = False
    ) -> Ref[SessionMessage]:
        if kept:
            return await self._start_child(id, assistant, owner, kept=True)
        most = self._most_per_owner
        open_now = len(self._registry.members((Session, owner))) + self._starting[owner]
        if most is not None and open_now >= most:
            raise TooManySessions(most, "max_sessions_per_client")
        self._starting[owner] += 1
        try:
            ref = await self._start_child(id, assistant, owner)
            self._registry.join((Session, owner), ref)
        finally:
            self._starting[owner] -= 1
            if not self._starting[owner]:
                del self._starting[owner]
        return ref

    async def _start_child(
        self, id: str, assistant: str, owner: str, *, kept: bool = False
    ) -> Ref[SessionMessage]:
        who, journal = self._assistant(assistant), None
        if self._journal is not None:
            journal = SessionJournal(
                self._journal(), self._node, id, owner=owner, assistant=who.name
            )
        try:
            ref = await self._children().start(
                id,
                id,
                who,
                owner=owner,
                kept=kept,
                broadcast=Broadcast(id),
                journal=journal,
                company=self._company,
            )
        except TooManyChildren as error:
            raise TooManySessions(error.limit) from error
        except ChildExists:
            # The owner's own is looked for before one is opened.
            raise SessionTaken(id) from None
        except StartFailed as error:
            # Why a stored one cannot be opened is to be told as it is.
            if isinstance(error.__cause__, SessionError):
                raise error.__cause__ from None
            raise
        self._registry.register((Session, owner, id), ref)
        return ref

    async def _stored(self, id: str) -> StoredSession | None:
        return None if self._journal is None else await self._journal().find(id)

    async def end(self, session_id: str, *, owner: str) -> None:
        """End a session, and with it its history, also a stored one.

        Raises UnknownSession as `find` does.
        """
        stored = await self._stored(session_id)
        if stored is None or stored.owner != owner:
            self.find(session_id, owner=owner)
        await self._children().stop(session_id)
        if self._journal is not None:
            await self._journal().delete(session_id, self._node)

    def find(self, session_id: str, *, owner: str) -> Ref[SessionMessage]:
        """The session of that id. Raises UnknownSession where `owner` has none of it."""
        ref = self._registry.named((Session, owner, session_id))
        if ref is None:
            raise UnknownSession(session_id)
        return ref

    async def retire_idle(self) -> NoReturn:
        """End sessions that nobody has listened to for long, for ever."""
        while True:
            await trio.sleep(max(_LOOK, self._idle / 10))
            children = self._children()
            for number, id in enumerate(children):
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
                ref = children.get(id)
                if ref is not None:
                    # One whose mailbox is full is not idle.
                    with suppress(MailboxFull):
                        ref.tell(Retire(self._idle))
