"""A turn as an embedding program reads it: the events of one session, one turn, in order."""

from collections import deque
from types import TracebackType
from typing import Self

import trio

from ...runtime import ActorDown, Ref
from ..chat import Part, TextPart
from ..errors import SessionError, TurnFailed
from .events import SessionEvent, StopReason, TextAdded, ThoughtAdded, TurnEnded, UsageChanged
from .messages import Attach, CancelTurn, Detach, Prompt, SessionMessage

__all__ = ["SessionHandle", "Turn"]

# What may wait for a slow reader: the bounds of a websocket's outbox.
_MOST_CHARACTERS = 256 * 1024
_MOST_EVENTS = 1000

Event = TextAdded | ThoughtAdded | UsageChanged


class SessionHandle:
    """A session, for the program that embeds it; safe to keep."""

    def __init__(self, id: str, ref: Ref[SessionMessage]) -> None:
        self.id = id
        self._ref = ref

    def prompt(self, prompt: str | tuple[Part, ...]) -> "Turn":
        """A turn, to be read in an `async with` block; leaving the block cancels it.

        Entering raises TurnInProgress where one is running, and HistoryFull.
        """
        parts = (TextPart(prompt),) if isinstance(prompt, str) else prompt
        return Turn(self._ref, parts)

    async def ask(self, prompt: str | tuple[Part, ...]) -> str:
        """The text of the answer, whole. Raises TurnFailed, TurnInProgress, HistoryFull."""
        async with self.prompt(prompt) as turn:
            return "".join([event.text async for event in turn if isinstance(event, TextAdded)])


class Turn:
    """One turn: iterate over its events. `stop` says why it ended, once it has.

    Text comes as TextAdded, of which each holds all that had come by then.
    Raises TurnFailed where the turn ends with an error, and SessionError where
    the reader is 256 KiB or 1,000 events behind.
    """

    def __init__(self, ref: Ref[SessionMessage], parts: tuple[Part, ...]) -> None:
        self._ref = ref
        self._parts = parts
        self._number = 0
        self._events: deque[SessionEvent] = deque()
        self._characters = 0
        self._overrun = False
        self._wake = trio.Event()
        self.stop: StopReason | None = None

    # The session's side (events.Attachment).

    def deliver(self, event: SessionEvent) -> None:
        if isinstance(event, TextAdded | ThoughtAdded):
            self._characters += len(event.text)
        if len(self._events) >= _MOST_EVENTS or self._characters > _MOST_CHARACTERS:
            self._overrun = True
            self._events.clear()
        else:
            self._events.append(event)
        self._wake.set()

    # The reader's side.

    async def __aenter__(self) -> Self:
        await self._ref.ask(Attach(self))
        try:
            self._number = await self._ref.ask(Prompt(self._parts))
        except BaseException:
            self._ref.tell(Detach(self))
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.stop is None:
            self._ref.tell(CancelTurn())
        self._ref.tell(Detach(self))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._overrun:
                raise SessionError("the reader of this turn is too far behind; read faster")
            if self.stop is not None:
                raise StopAsyncIteration
            if not self._events:
                await self._wait()
                continue
            event = self._next()
            if isinstance(event, TurnEnded) and event.turn == self._number:
                self.stop = event.stop
                if event.stop is StopReason.ERROR:
                    raise TurnFailed(event.error, retryable=event.retryable)
            elif isinstance(event, Event) and event.turn == self._number:
                return event

    async def _wait(self) -> None:
        self._wake = trio.Event()
        with trio.move_on_after(1):
            await self._wake.wait()
            return
        # A session that is gone says nothing: ask whether it is there.
        if self._ref.is_down:
            raise ActorDown(self._ref.path, "the session has ended")

    def _next(self) -> SessionEvent:
        """The next event, with all that may be merged into it."""
        event = self._events.popleft()
        if not isinstance(event, TextAdded | ThoughtAdded):
            return event
        self._characters -= len(event.text)
        kind, texts, last = type(event), [event.text], event
        while self._events and type(self._events[0]) is kind:
            later = self._events[0]
            assert isinstance(later, TextAdded | ThoughtAdded)
            if later.turn != event.turn:
                break
            self._events.popleft()
            self._characters -= len(later.text)
            texts.append(later.text)
            last = later
        return kind(first=event.first, seq=last.seq, turn=event.turn, text="".join(texts))
