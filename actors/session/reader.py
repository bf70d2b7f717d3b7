"""A turn as an embedding program reads it: the events of one session, one turn, in order."""

from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

import trio

from ...runtime import ActorError, MailboxFull, Ref
from ..chat import Part
from ..errors import SessionError, TurnFailed
from .answer import Answer, Answering, TurnEvent
from .events import (
    AnswerReset,
    AssistantChanged,
    ModelChanged,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TitleChanged,
    ToolEvent,
    TurnEnded,
    TurnStarted,
    UsageChanged,
    weight,
)
from .messages import (
    Attach,
    CancelTurn,
    Detach,
    GetTranscript,
    Permit,
    Prompt,
    Retitle,
    SessionMessage,
    SwitchAssistant,
    SwitchModel,
    Transcript,
)
from .prompt_parts import prompt_parts
from .text_run import TextRun
from .whole_text import whole_text

__all__ = ["SessionHandle", "Turn"]

# What may wait for a slow reader: the bounds of a websocket's outbox. The longest event
# does not count: it alone may be longer, and a model's word is read however long it is.
_MOST_CHARACTERS = 256 * 1024
_MOST_EVENTS = 1000

# Seconds that leaving a block waits for the end of its turn. That takes some milliseconds; a
# disk that takes longer to write the turn down is not waited for.
_ENDS_WITHIN = 2.0


class SessionHandle:
    """A session, for the program that embeds it; safe to keep until the session is ended.

    `id` is what it is called. Whatever is asked of one that has been ended raises
    ActorDown. One that is not `kept` is let go while it is idle, and
    so is this: ask `App.session` anew before each prompt.
    """

    def __init__(self, id: str, ref: Ref[SessionMessage]) -> None:
        self.id = id
        self._ref = ref

    def prompt(self, prompt: str | tuple[Part, ...]) -> "Turn":
        """A turn, to be read in an `async with` block; leaving the block cancels it.

        `prompt` is a text, or the parts of a message: a TextPart with an ImagePart.
        It has ended when the block is left, also by a cancellation, so the next prompt
        may follow at once; at most two seconds are waited for that.
        Entering raises TurnInProgress where one is running, HistoryFull where the
        conversation would be longer than 4,000,000 characters and nothing of it may
        be left out, and NotKept; this raises SessionError for what is no prompt.
        """
        return Turn(self._ref, prompt_parts(prompt))

    async def permit(self, call_id: str, *, granted: bool) -> bool:
        """Say whether call `call_id`, which waits for it (PermissionAsked), may be run: `granted`.

        The answer is whether it still did: the first to say so decides.
        """
        return await self._ref.ask(Permit(call_id, granted))

    async def use_model(self, model: str) -> None:
        """Ask another of the configured models from the next turn on; "" is the assistant's own.

        Raises UnknownModel, and NotKept.
        """
        await self._ref.ask(SwitchModel(model))

    async def use_assistant(self, assistant: str) -> None:
        """Let another assistant answer from the next turn on. Raises UnknownAssistant, NotKept."""
        await self._ref.ask(SwitchAssistant(assistant))

    async def rename(self, title: str) -> None:
        """Call the conversation `title`, in lists of conversations. Raises NotKept."""
        await self._ref.ask(Retitle(whole_text(title)))

    async def transcript(self) -> Transcript:
        """All of the conversation: its turns, its title, what it has taken."""
        return await self._ref.ask(GetTranscript())

    async def ask(self, prompt: str | tuple[Part, ...]) -> Answer:
        """The answer to `prompt`, whole: its text, with its usage, its cost and the tools that it took.

        A call that needs somebody's yes waits for `permit` meanwhile, and is not run
        where nobody says so in time. Raises TurnFailed, TurnInProgress, HistoryFull,
        NotKept, and SessionError for what is no prompt.
        """
        async with self.prompt(prompt) as turn:
            async for _ in turn:
                pass
        return turn.answer


class Turn:
    """One turn: iterate over its events. `stop` says why it ended, once it has.

    Text comes as TextAdded, of which each holds all that had come by then;
    AnswerReset takes all of it back, where the model is configured to begin an
    answer again that breaks off.
    Raises TurnFailed where the turn ends with an error, and SessionError where
    the reader is 256 Ki characters (beside the longest event that waits) or 1,000 events
    behind, reads outside of the block,
    or enters it a second time: a turn is read once.
    """

    def __init__(self, ref: Ref[SessionMessage], parts: tuple[Part, ...]) -> None:
        self._ref = ref
        self._parts = parts
        self._number = 0
        self._waiting: deque[TextRun | AnswerReset | UsageChanged | ToolEvent | TurnEnded] = deque()
        self._characters = 0
        self._longest = 0
        self._overrun = False
        self._over = False
        self._ended = 0
        self._left = False
        # What the session is still to hear, the oldest first: its mailbox was full.
        self._untold: deque[CancelTurn | Detach] = deque()
        self._wake = trio.Event()
        self._answering = Answering()
        self.stop: StopReason | None = None

    @property
    def answer(self) -> Answer:
        """The answer as far as it has been read: its text, usage, cost and tools."""
        return self._answering.answer(self.stop)

    # The session's side (events.Attachment).

    def deliver(self, event: SessionEvent) -> None:
        """Take the next event from the session, which calls this."""
        if self._left:
            # It has not heard that, or not yet; where it crashed it never may.
            self._tell(*[Detach(self)] if isinstance(event, TurnEnded) else ())
        if isinstance(event, TurnEnded):
            self._ended = event.turn
            self._wake.set()
        if self._over or self._overrun:
            return
        if isinstance(event, TurnStarted | ModelChanged | AssistantChanged | TitleChanged):
            return
        self._count(weight(event))
        if isinstance(event, TextAdded | ThoughtAdded):
            self._take(event)
        else:
            self._waiting.append(event)
            self._over = isinstance(event, TurnEnded) and event.turn == self._number
        behind = self._characters - self._longest
        if len(self._waiting) > _MOST_EVENTS or behind > _MOST_CHARACTERS:
            self._overrun = True
            self._waiting.clear()
        self._wake.set()

    def _count(self, characters: int) -> None:
        self._characters += characters
        self._longest = max(self._longest if self._waiting else 0, characters)

    def _take(self, event: TextAdded | ThoughtAdded) -> None:
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, TextRun) or not last.takes(event):
            self._waiting.append(TextRun(event))

    # The reader's side.

    async def __aenter__(self) -> Self:
        if self._number or self._over:
            raise SessionError("a turn is read once; prompt again for another one")
        # An ask that is cancelled or expires was not handled, or is still being
        # written down: then its turn is to end as soon as it has begun.
        prompt = Prompt(self._parts)
        await self._ref.ask(Attach(self))
        try:
            self._number = await self._ref.ask(prompt)
        except BaseException:
            self._tell(CancelTurn(prompt=prompt))
            self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.stop is None:
                self._tell(CancelTurn(self._number))
                with trio.move_on_after(_ENDS_WITHIN, shield=True):
                    await self._until_told()
                    await self._until_ended()
        finally:
            self._leave()

    async def _until_told(self) -> None:
        with suppress(ActorError):  # it has ended, and its turn with it
            while self._untold:
                await self._ref.send(self._untold[0])
                self._untold.popleft()

    async def _until_ended(self) -> None:
        while self._ended < self._number:
            self._wake = trio.Event()
            await self._wake.wait()

    def _leave(self) -> None:
        self._over = self._left = True
        self._wake.set()
        self._tell(Detach(self))

    def _tell(self, *messages: CancelTurn | Detach) -> None:
        """Tell the session, now or with its next event. Who leaves because of an error, or is
        cancelled, leaves with that, and not with a full mailbox."""
        self._untold += messages
        with suppress(MailboxFull):
            while self._untold:
                self._ref.tell(self._untold[0])
                self._untold.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TurnEvent:
        while self.stop is None:
            if self._overrun:
                raise SessionError("the reader of this turn is too far behind; read faster")
            if not self._waiting and (self._over or not self._number):
                # Nothing will come any more, or ever.
                raise SessionError("this turn is not under way: read it inside its `with` block")
            if not self._waiting:
                # A session that ends, in whichever way, ends its turn before: this
                # needs no time limit.
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            event = self._next()
            if event.turn != self._number:
                continue
            if not isinstance(event, TurnEnded):
                self._answering.take(event)
                return event
            self.stop = event.stop
            if event.stop is StopReason.ERROR:
                raise TurnFailed(event.error, retryable=event.retryable)
        raise StopAsyncIteration

    def _next(self) -> TurnEvent | TurnEnded:
        event = self._waiting.popleft()
        whole = event.event() if isinstance(event, TextRun) else event
        self._characters -= weight(whole)
        return whole
