"""A turn of a session on a server, as its events."""

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from ..errors import SessionError
from ..session.events import (
    AnswerReset,
    PermissionAsked,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
)
from ..wire.session_client import (
    Answered,
    Asked,
    News,
    Refused,
    ToolNews,
    Update,
    UserSaid,
    cancel_notice,
)
from .calls import Calls, PendingCall, result_of

__all__ = ["RemoteTurn"]

# Characters that wait for who reads a turn: as many as a conversation may have.
_MOST_WAITING = 4_000_000
# What a word of a tool takes beside its text, in characters.
_OVERHEAD = 500

Event = (
    TextAdded
    | ThoughtAdded
    | AnswerReset
    | ToolCalled
    | PermissionAsked
    | ToolProgressed
    | ToolEnded
)


class RemoteTurn:
    """One turn: iterate over its events. `stop` says why it ended, once it has.

    Raises TurnFailed where the turn ends with an error, another SessionError
    where the server does not take the prompt, ConnectionLost where it goes away.
    """

    def __init__(
        self,
        session_id: str,
        calls: Calls,
        asked: dict[str, Asked],
        begin: "Callable[[RemoteTurn], Awaitable[PendingCall]]",
    ) -> None:
        self.stop: StopReason | None = None
        self._session_id = session_id
        self._calls = calls
        self._asked = asked
        self._begin = begin
        self._reply = PendingCall()
        self._news: deque[News] = deque()
        self._names: dict[str, str] = {}
        self._waiting = 0
        self._seq = 0

    def take(self, news: News) -> None:
        """Take what the server sent."""
        if isinstance(news, UserSaid):
            return
        if isinstance(news, Asked):
            self._asked[news.call_id] = news
        self._waiting += _size(news)
        if self._waiting <= _MOST_WAITING:
            self._news.append(news)
        self._reply.lot.unpark_all()

    async def __aenter__(self) -> Self:
        self._reply = await self._begin(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reply.answer is None and self._calls.alive:
            self._calls.send(cancel_notice(self._session_id))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._waiting > _MOST_WAITING:
                raise SessionError("the reader of this turn is too far behind; read faster")
            if self._news:
                event = self._next(self._news.popleft())
                if event is not None:
                    return event
                continue
            if self._reply.answer is not None:
                self._end(self._reply.answer)
                raise StopAsyncIteration
            self._calls.check()
            await self._reply.lot.park()

    def _next(self, news: News) -> Event | None:
        """The event that this is, with all that may be merged into it; None where it is none."""
        self._waiting -= _size(news)
        if isinstance(news, UserSaid):
            return None
        if isinstance(news, Update):
            return self._text(news)
        first, self._seq = self._seq + 1, max(self._seq + 1, news.seq)
        if isinstance(news, Asked):
            return PermissionAsked(
                first=first,
                seq=self._seq,
                turn=0,
                call_id=news.call_id,
                name=news.name,
                arguments=news.arguments,
            )
        return self._tool(news, first)

    def _text(self, update: Update) -> Event:
        texts = [update.text]
        while not update.reset and self._news and _goes_on(update, self._news[0]):
            later = self._news.popleft()
            assert isinstance(later, Update), "it goes on"
            self._waiting -= _size(later)
            update = later
            texts.append(update.text)
        first, self._seq = self._seq + 1, max(self._seq, update.seq)
        if update.reset:
            return AnswerReset(
                first=first, seq=self._seq, turn=0, reason="the answer broke off on the server"
            )
        event = ThoughtAdded if update.thought else TextAdded
        return event(first=first, seq=self._seq, turn=0, text="".join(texts))

    def _tool(self, news: ToolNews, first: int) -> Event | None:
        call_id, seq = news.call_id, self._seq
        if news.is_new:
            self._names[call_id] = news.name
            return ToolCalled(
                first=first,
                seq=seq,
                turn=0,
                call_id=call_id,
                name=news.name,
                arguments=news.arguments,
            )
        if news.status in ("completed", "failed"):
            return ToolEnded(
                first=first,
                seq=seq,
                turn=0,
                call_id=call_id,
                name=self._names.get(call_id, news.name),
                result=news.text,
                is_error=news.status == "failed",
            )
        if news.text:
            return ToolProgressed(first=first, seq=seq, turn=0, call_id=call_id, note=news.text)
        return None

    def _end(self, answer: Answered | Refused) -> None:
        said = result_of(answer).result.get("stopReason")
        known = (reason for reason in StopReason if reason.value == said)
        # A reason that we do not know is an end, too.
        self.stop = next(known, StopReason.END_TURN)


def _size(news: News) -> int:
    if isinstance(news, Asked):
        return _OVERHEAD + len(news.arguments)
    if isinstance(news, ToolNews):
        return _OVERHEAD + len(news.arguments) + len(news.text)
    return len(news.text)


def _goes_on(earlier: Update, later: News) -> bool:
    return isinstance(later, Update) and not later.reset and later.thought is earlier.thought
