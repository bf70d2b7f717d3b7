"""Writes one session into the journal, and knows what the journal's records come to.

It outlives the lives of the session's actor. Where a write fails, nobody knows
whether it was written after all; so the next one begins by claiming the session
anew and reading what is there. The journal is always right.
"""

import time
from collections.abc import Sequence
from math import inf
from typing import Final

import attrs
import structlog
import trio

from ...runtime.errors import ActorError
from ..errors import NotKept, SessionError
from ..store.errors import JournalError, StoreUnusable
from ..store.journal import Claim, Journal, NewSession, Snapshot
from ..store.threads import aside
from .event_replay import events_of, in_order
from .events import SessionEvent
from .record import MOST_IN_A_TURN, Interrupted, Opened, Record, TurnAccepted
from .record_codec import read_record, read_state, write_record, write_state
from .state import State, applied

__all__ = ["Reopened", "SessionJournal"]

_log = structlog.get_logger("trouper.session")

# Events read at a time: a millisecond of work.
_PAGE: Final = 500

# Records after which a snapshot takes their place, if they are as many bytes as
# the last one: so no byte is written more than twice. 500 are read back in 20 ms.
_SNAPSHOT_EVERY: Final = 500

# Seconds between two tries to write, from the first to the last. So late it is seen
# that who writes is cancelled.
_FIRST_WAIT: Final = 0.05
_LONGEST_WAIT: Final = 0.25

# Seconds for which one that is cancelled tries on: with the wait before, it is less than
# the two that a session has for its end where the program is being stopped.
_TO_STOP: Final = 1.5


@attrs.frozen
class Reopened:
    """What a session learns when it is opened: `told` is what clients were told of late, up to
    number `seq`, and `news` what they are to be told now."""

    told: tuple[SessionEvent, ...]
    seq: int
    news: tuple[SessionEvent, ...]


class SessionJournal:
    """The journal of session `sid`, for the one actor that writes it; `node` is this program."""

    def __init__(
        self, journal: Journal, node: str, sid: str, *, owner: str = "", assistant: str = ""
    ) -> None:
        self._journal = journal
        self._node = node
        self._sid = sid
        self._opened = Opened(owner=owner, assistant=assistant)
        self._claim: Claim | None = None
        self._head = 0
        # What a snapshot may be of: the state before the last turn, which
        # clients may still ask for event by event.
        self._before: tuple[int, State] = (0, State())
        self._bytes_since = 0
        self._snapshot = Snapshot(0, 0, b"")
        self.state = State()
        """What is in the journal, while it is open."""

    @property
    def is_open(self) -> bool:
        """Whether `state` is what is in the journal; if not, `open` it before writing."""
        return self._claim is not None

    async def open(self) -> Reopened:
        """Claim the session, make it where there is none, and mark a turn that was interrupted.

        Raises NotKept and SessionUnreadable.
        """
        self._claim = None
        try:
            return await self._open()
        except BaseException as error:
            self._claim = None
            if isinstance(error, ActorError) and not isinstance(error, SessionError):
                raise NotKept(self._sid, str(error)) from error
            raise

    async def _open(self) -> Reopened:
        new = NewSession(owner=self._opened.owner, assistant=self._opened.assistant, at=time.time())
        claim = await self._journal.open(self._sid, self._node, create=new)
        self._snapshot = claim.snapshot or Snapshot(0, 0, b"")
        self.state = await aside(len(self._snapshot.body), read_state, self._sid, claim.snapshot)
        base = self.state.seq
        self._head, self._bytes_since = self._snapshot.seq, 0
        self._before = (self._head, self.state)
        told: list[SessionEvent] = []
        while self._head < claim.head:
            events = await self._journal.read(self._sid, self._head + 1, _PAGE)
            if not events:
                raise NotKept(self._sid, f"its events behind {self._head} are not there")
            for event in events:
                record, before = read_record(self._sid, event), self.state
                self._take(record, event.at)
                told += events_of(record, before, self.state)
                self._bytes_since += len(event.body)
        news: list[Record] = []
        if not claim.head:
            news.append(self._opened)
        turn, seq = self.state.turn, self.state.seq
        ended: list[SessionEvent] = []
        if turn is not None:
            mark = Interrupted(turn=turn.number, seq=seq + MOST_IN_A_TURN)
            _log.warning("turn was interrupted", session=self._sid, turn=turn.number)
            news.append(mark)
            ended = in_order(events_of(mark, self.state, self.state), seq)
        if news:
            await self._append(claim, news)
        self._claim = claim
        return Reopened(tuple(in_order(told, base)), seq, tuple(ended))

    async def write(self, *records: Record, patience: float, title: str | None = None) -> None:
        """Write records, all or none; returns when they are durable.

        While the store is down it is tried again, for `patience` seconds. Raises
        NotKept; then the session is to be opened anew. It goes on where it is
        cancelled, but not for long.
        """
        claim, self._claim = self._claim, None
        assert claim is not None, "it is open"
        reason = f"no answer within {patience:g} s"
        until, hurried, wait = trio.current_time() + patience, False, _FIRST_WAIT
        while trio.current_time() < until:
            # Out of the shield it is seen whether this is cancelled.
            if not hurried and trio.current_effective_deadline() == -inf:
                until, hurried = min(until, trio.current_time() + _TO_STOP), True
            with trio.CancelScope(shield=True, deadline=until):
                try:
                    await self._append(claim, records, title)
                except (JournalError, StoreUnusable) as error:
                    reason = str(error)
                    break
                except ActorError as error:
                    reason = str(error)
                else:
                    self._claim = claim
                    return
                await trio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        _log.error("session could not be written down", session=self._sid, error=reason)
        raise NotKept(self._sid, reason)

    async def _append(
        self, claim: Claim, records: Sequence[Record], title: str | None = None
    ) -> None:
        now = time.time()
        events = [write_record(record, now) for record in records]
        first = self._head + 1
        await self._journal.append(self._sid, claim.fence, first, events, title=title)
        for record, event in zip(records, events, strict=True):
            self._take(record, now)
            self._bytes_since += len(event.body)

    def _take(self, record: Record, at: float) -> None:
        if isinstance(record, TurnAccepted):
            self._before = (self._head, self.state)
        self.state = applied(self.state, record, at)
        self._head += 1

    async def tidy(self) -> None:
        """Put a snapshot in the place of old records, if there are many. Raises nothing of the
        store's: it is tried again behind the next turn."""
        (seq, state), claim = self._before, self._claim
        if (
            claim is None
            or seq - self._snapshot.seq < _SNAPSHOT_EVERY
            or self._bytes_since < len(self._snapshot.body)
        ):
            return
        # It is about as large as what has come since.
        snapshot = await aside(self._bytes_since, write_state, state, seq)
        try:
            await self._journal.snapshot(self._sid, claim.fence, snapshot)
        except ActorError as error:
            _log.warning("no snapshot was written", session=self._sid, error=str(error))
            return
        self._snapshot = snapshot
        self._bytes_since = 0

    async def close(self) -> None:
        """Give the session back, if it is open; raises nothing of the store's."""
        claim, self._claim = self._claim, None
        if claim is not None:
            try:
                await self._journal.release(self._sid, claim.fence)
            except ActorError as error:
                _log.info("session was not given back", session=self._sid, error=str(error))
