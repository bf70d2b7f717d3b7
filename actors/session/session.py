"""A conversation: its history, its one running turn, and who listens.

The turn runs beside the mailbox, so that a cancel is heard while a model talks.
Events are numbered here and handed to all who are attached, synchronously and
in order; a slow listener is its attachment's own matter and never slows a turn.
"""

from collections.abc import Iterable
from contextlib import aclosing

import attrs
import structlog
import trio

from ...runtime import Actor, on
from ..chat import (
    ChatRequest,
    Chunk,
    Completion,
    Finish,
    Message,
    OpaquePart,
    Part,
    RefusalDelta,
    Reset,
    Sampling,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ToolCallPart,
    Usage,
)
from ..errors import ErrorKind, HistoryFull, ProviderError, TurnInProgress
from ..gate.limiter_messages import Priority
from ..policy.context import TooLong, drop_oldest
from ..provider import request as provider_request
from ..provider.call import Call
from ..provider.route import Route
from .context import Context, ContextPolicy
from .events import (
    AnswerReset,
    Attachment,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from .messages import (
    Attach,
    Attached,
    CancelTurn,
    Detach,
    GetHistory,
    Prompt,
    Retire,
    SessionMessage,
)

__all__ = ["MAX_HISTORY", "Assistant", "Session"]

_log = structlog.get_logger("trouper.session")

MAX_HISTORY = 4_000_000
"""Characters of a conversation: a million tokens, the largest window there is. Then its oldest
turns are forgotten, or, where nothing may be left out of it, no more are taken."""

_STOP_REASONS = {
    Finish.LENGTH: StopReason.MAX_TOKENS,
    Finish.CONTEXT_WINDOW: StopReason.MAX_TOKENS,
    Finish.REFUSAL: StopReason.REFUSAL,
    Finish.CONTENT_FILTER: StopReason.REFUSAL,
}


@attrs.frozen(kw_only=True)
class Assistant:
    """Who answers: a system prompt, and the models that are asked, in their order.

    `context` says what becomes of a conversation that is longer than a model's window.
    """

    name: str
    prompt: str
    route: Route
    sampling: Sampling = Sampling()
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    context: ContextPolicy = "drop_oldest"


class Session(Actor[SessionMessage], background=True):
    """One conversation with one assistant. `owner` is the principal whose it is."""

    def __init__(
        self, id: str, assistant: Assistant, *, owner: str = "", kept: bool = False
    ) -> None:
        self._id = id
        # A person waits for each turn, or a bot that talks with persons.
        call = Call(session=id, user=owner, priority=Priority.INTERACTIVE)
        self._fitter = Context(assistant.context, assistant.route, call)
        self._call = attrs.evolve(call, fitter=self._fitter)
        # Who has answered last: its cache knows the conversation.
        self._pinned = ""
        # By a program that embeds us, and ends it itself.
        self._kept = kept
        self._assistant = assistant
        prompt = assistant.prompt
        self._system = (Message("system", (TextPart(prompt),)),) if prompt else ()
        self._history: list[Message] = []
        self._size = 0
        self._attachments: list[Attachment] = []
        self._seq = 0
        self._turns = 0
        self._turn: trio.CancelScope | None = None
        self._idle_since = 0.0

    async def init(self) -> None:
        self._idle_since = trio.current_time()

    # What is asked of it.

    @on(Prompt)
    async def prompt(self, message: Prompt) -> int:
        """Begin a turn."""
        if self._turn is not None:
            raise TurnInProgress(self._id)
        user = Message("user", message.parts)
        if self._size + _size(user) > MAX_HISTORY:
            self._forget(user)
        self._turns += 1
        self._turn = trio.CancelScope()
        self._seq += 1
        self._tell(TurnStarted(first=self._seq, seq=self._seq, turn=self._turns))
        # It runs at least as far as its `finally`, so this turn will be told ended.
        self.start_soon(self._run_turn, self._turns, user, self._turn)
        return self._turns

    @on(CancelTurn)
    async def cancel(self, message: CancelTurn) -> None:
        """End the running turn."""
        if self._turn is not None and message.turn in (None, self._turns):
            self._turn.cancel(reason="the turn was cancelled")

    @on(Attach)
    async def attach(self, message: Attach) -> Attached:
        """Tell one more."""
        if not any(one is message.attachment for one in self._attachments):
            self._attachments.append(message.attachment)
        return Attached(self._seq, self._turns if self._turn is not None else None)

    @on(Detach)
    async def detach(self, message: Detach) -> None:
        """Tell one less."""
        self._attachments = [one for one in self._attachments if one is not message.attachment]
        self._idle_since = trio.current_time()

    @on(GetHistory)
    async def history(self, message: GetHistory) -> tuple[Message, ...]:
        """The conversation so far."""
        return tuple(self._history)

    @on(Retire)
    async def retire(self, message: Retire) -> None:
        """End, if nobody needs it."""
        idle = trio.current_time() - self._idle_since
        if self._kept or self._attachments or self._turn is not None:
            return
        if idle >= message.idle:
            self.stop()

    # A turn.

    async def _run_turn(self, turn: int, user: Message, scope: trio.CancelScope) -> None:
        answer: provider_request.Answer | None = None
        stop, error, retryable = StopReason.CANCELLED, "", False
        try:
            answer = provider_request.stream(
                self._assistant.route, self._request(user), self._call, pinned=self._pinned
            )
            with scope:
                stop = await self._read(turn, answer)
        except ProviderError as failure:
            stop, error, retryable = StopReason.ERROR, _in_words(failure), failure.retryable
            _log.warning("turn failed", session=self._id, turn=turn, error=str(failure))
        except Exception:
            stop, error = StopReason.ERROR, "a fault in the session; the server's log has it"
            raise
        finally:
            # Also when the session itself is being stopped: whoever listens
            # learns that no more will come.
            try:
                if answer is not None:
                    self._pinned = "" if error else answer.target or self._pinned
                    self._remember(user, answer.completion())
            finally:
                self._end_turn(turn, stop, error, retryable=retryable)

    def _end_turn(self, turn: int, stop: StopReason, error: str, *, retryable: bool) -> None:
        self._turn = None
        self._idle_since = trio.current_time()
        seq = self._seq = self._seq + 1
        self._tell(
            TurnEnded(first=seq, seq=seq, turn=turn, stop=stop, error=error, retryable=retryable)
        )

    async def _read(self, turn: int, answer: provider_request.Answer) -> StopReason:
        async with aclosing(answer):
            async for batch in answer:
                self._hand_on(turn, batch)
        completion = answer.completion()
        self._fitter.answered(answer.target, completion.usage)
        if completion.usage is not None:
            self._say_usage(turn, completion.usage)
        _log_answer(self._id, turn, completion)
        return _STOP_REASONS.get(completion.finish, StopReason.END_TURN)

    def _request(self, user: Message) -> ChatRequest:
        assistant = self._assistant
        return ChatRequest(
            # Each target has a name of its own for it.
            model="",
            messages=(*self._system, *self._history, user),
            sampling=assistant.sampling,
            max_output_tokens=assistant.max_output_tokens,
            reasoning_effort=assistant.reasoning_effort,
        )

    def _forget(self, user: Message) -> None:
        """Forget the oldest turns, so that there is room for one more."""
        sizes = [_size(message) for message in (*self._history, user)]
        cut = drop_oldest((*self._history, user), sizes, MAX_HISTORY)
        if isinstance(cut, TooLong) or not self._fitter.shortens:
            raise HistoryFull(self._id, MAX_HISTORY)
        del self._history[: cut.start]
        self._size = cut.tokens - sizes[-1]
        self._fitter.forgotten(len(self._system), cut.start)
        _log.info("oldest turns are forgotten", session=self._id, messages=cut.start)

    def _hand_on(self, turn: int, batch: Iterable[Chunk]) -> None:
        """The text of a batch, as few events as its order allows: mostly one."""
        texts: list[str] = []
        thinking = False
        for chunk in batch:
            if isinstance(chunk, TextDelta | ThinkingDelta | RefusalDelta):
                thinks = isinstance(chunk, ThinkingDelta)
                if thinks is not thinking and texts:
                    self._say(turn, texts, thinking=thinking)
                    texts = []
                thinking = thinks
                texts.append(chunk.text)
            elif isinstance(chunk, Reset):
                # It comes alone, behind all that it takes back.
                self._say_reset(turn, chunk.reason)
        if texts:
            self._say(turn, texts, thinking=thinking)

    def _say(self, turn: int, texts: list[str], *, thinking: bool) -> None:
        self._seq += 1
        kind = ThoughtAdded if thinking else TextAdded
        self._tell(kind(first=self._seq, seq=self._seq, turn=turn, text="".join(texts)))

    def _say_reset(self, turn: int, reason: str) -> None:
        self._seq += 1
        self._tell(AnswerReset(first=self._seq, seq=self._seq, turn=turn, reason=reason))

    def _say_usage(self, turn: int, usage: Usage) -> None:
        self._seq += 1
        self._tell(UsageChanged(first=self._seq, seq=self._seq, turn=turn, usage=usage))

    def _tell(self, event: SessionEvent) -> None:
        for attachment in self._attachments:
            attachment.deliver(event)

    def _remember(self, user: Message, completion: Completion) -> None:
        """What was said belongs to the conversation, also where it was broken off.

        A turn of which nobody has seen an answer leaves no trace, so that it
        can be asked again.
        """
        said = completion.message.parts
        # Nobody here runs tools, and a call without its result would make
        # providers refuse the rest of the conversation.
        parts = tuple(part for part in said if not isinstance(part, ToolCallPart))
        # Thinking alone is no answer, and an empty one is refused by some providers.
        if not any(isinstance(part, TextPart | OpaquePart) for part in parts):
            return
        answer = Message("assistant", parts)
        self._history += [user, answer]
        self._size += _size(user) + _size(answer)


def _size(message: Message) -> int:
    return sum(_part_size(part) for part in message.parts)


def _part_size(part: Part) -> int:
    return sum(len(value) for value in attrs.astuple(part, recurse=False) if isinstance(value, str))


def _in_words(failure: ProviderError) -> str:
    """For a person who chats: what happened and what to do, without the provider's details."""
    if failure.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED and failure.status is None:
        # Our own figures.
        return f"{failure.message}; say less at once, or start a new conversation"
    lost = "; what you have seen of the answer is kept" if failure.committed else ""
    return f"{failure.hint}{lost} ({failure.provider}: {failure.kind.value})"


def _log_answer(id: str, turn: int, completion: Completion) -> None:
    usage = completion.usage or Usage()
    _log.info(
        "turn answered",
        session=id,
        turn=turn,
        model=completion.model,
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        tokens=usage.input + usage.output,
        finish=completion.finish.value,
    )
