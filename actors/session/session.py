"""A conversation: its history, its one running turn, and who listens.

The turn runs beside the mailbox, so that a cancel is heard while a model talks.
What it says goes to the audience, synchronously and in order; a slow listener is
its attachment's own matter and never slows a turn.

Where there is a keeper, a turn is accepted when it is in the journal, and its
end is told when that is. What is told in between is not written down: a crash
leaves a turn that was interrupted, and the next life says so.
"""

from contextlib import aclosing
from math import inf

import attrs
import structlog
import trio

from ...runtime import Actor, on
from ...runtime.cell import Exit
from ..chat import (
    ChatRequest,
    Completion,
    Finish,
    Message,
    OpaquePart,
    Sampling,
    TextPart,
    ToolCallPart,
)
from ..errors import HistoryFull, NotKept, ProviderError, SessionError, TurnInProgress
from ..gate.limiter_messages import Priority
from ..policy.context import TooLong, drop_oldest
from ..policy.summary import Summary
from ..provider import request as provider_request
from ..provider.call import Call
from ..provider.route import Route
from .audience import Audience
from .context import Context, ContextPolicy
from .events import StopReason
from .keeper import Keeper
from .messages import (
    Attach,
    Attached,
    CancelTurn,
    Detach,
    GetHistory,
    GetTranscript,
    Permit,
    Prompt,
    Retire,
    Retitle,
    SessionMessage,
    SwitchAssistant,
    SwitchModel,
    Transcript,
)
from .narration import Narrator
from .prompts import SystemPrompt
from .record import Forgotten, Record, Summarised, TurnAccepted, TurnOver
from .state import State, conversation
from .written import answer_record, in_words, log_answer, size_of, title_of

__all__ = ["MAX_HISTORY", "Assistant", "Session"]

_log = structlog.get_logger("trouper.session")

MAX_HISTORY = 4_000_000
"""Characters of a conversation: a million tokens, the largest window there is. Then its oldest
turns are forgotten, or, where nothing may be left out of it, no more are taken."""

# Seconds that a turn waits for a store that is down: to begin (an ask waits for 5),
# to end, and to end where the program is being stopped.
_TO_BEGIN = 3.0
_TO_END = 30.0
_TO_STOP = 1.5

_STOP_REASONS = {
    Finish.LENGTH: StopReason.MAX_TOKENS,
    Finish.CONTEXT_WINDOW: StopReason.MAX_TOKENS,
    Finish.REFUSAL: StopReason.REFUSAL,
    Finish.CONTENT_FILTER: StopReason.REFUSAL,
}


def _prompt(prompt: str | SystemPrompt) -> SystemPrompt:
    return SystemPrompt.of(prompt)


@attrs.frozen(kw_only=True)
class Assistant:
    """Who answers: a system prompt, and the models that are asked, in their order.

    `context` says what becomes of a conversation that is longer than a model's window.
    """

    name: str
    prompt: SystemPrompt = attrs.field(converter=_prompt)
    route: Route
    sampling: Sampling = Sampling()
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    context: ContextPolicy = "drop_oldest"


@attrs.frozen
class _Ending:
    """How a turn ends, as TurnEnded tells it."""

    stop: StopReason
    error: str = ""
    retryable: bool = False


class Session(Actor[SessionMessage], background=True):
    """One conversation with one assistant. `owner` is the principal whose it is.

    `audience` and `keeper` outlive it: who listens, and the journal that it is
    written into. Without a keeper it ends with its actor.
    """

    def __init__(
        self,
        id: str,
        assistant: Assistant,
        *,
        owner: str = "",
        kept: bool = False,
        audience: Audience | None = None,
        keeper: Keeper | None = None,
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
        self._system = assistant.prompt.messages(session=id, user=owner)
        self._history: list[Message] = []
        self._size = 0
        self._audience = audience if audience is not None else Audience(id)
        self._narrator = Narrator(self._audience)
        self._keeper = keeper
        self._turns = 0
        self._turn: trio.CancelScope | None = None
        self._prompt: Prompt | None = None
        self._idle_since = 0.0

    async def init(self) -> None:
        self._idle_since = trio.current_time()
        if self._keeper is not None:
            await self._reopen(self._keeper)

    async def terminate(self, reason: Exit) -> None:
        """Give the session back."""
        if self._keeper is not None:
            await self._keeper.close()

    # What is asked of it.

    @on(Prompt)
    async def prompt(self, message: Prompt) -> int:
        """Begin a turn."""
        if self._turn is not None:
            raise TurnInProgress(self._id)
        if self._keeper is not None and not self._keeper.is_open:
            await self._reopen(self._keeper)
        user = Message("user", message.parts)
        forgotten = 0
        if self._size + size_of(user) > MAX_HISTORY:
            forgotten = self._forget(user)
        if self._keeper is not None:
            await self._accept(self._keeper, user, forgotten)
        self._turns += 1
        self._turn, self._prompt = trio.CancelScope(), message
        self._narrator.begin(self._turns)
        # It runs at least as far as its `finally`, so this turn will be told ended.
        self.start_soon(self._run_turn, self._turns, user, self._turn)
        return self._turns

    @on(CancelTurn)
    async def cancel(self, message: CancelTurn) -> None:
        """End the running turn."""
        if self._turn is None or message.prompt not in (None, self._prompt):
            return
        if message.turn in (None, self._turns):
            self._turn.cancel(reason="the turn was cancelled")

    @on(Attach)
    async def attach(self, message: Attach) -> Attached:
        """Tell one more."""
        self._audience.join(message.attachment, message.after)
        return Attached(self._audience.seq, self._turns if self._turn is not None else None)

    @on(Detach)
    async def detach(self, message: Detach) -> None:
        """Tell one less."""
        self._audience.leave(message.attachment)
        self._idle_since = trio.current_time()

    @on(GetHistory)
    async def history(self, message: GetHistory) -> tuple[Message, ...]:
        """The conversation so far."""
        return tuple(self._history)

    @on(GetTranscript)
    async def transcript(self, message: GetTranscript) -> Transcript:
        """The conversation as its records have it."""
        state = State() if self._keeper is None else self._keeper.state
        running = self._turns if self._turn is not None else None
        return Transcript(seq=self._audience.seq, running=running, state=state)

    @on(Permit)
    async def permit(self, message: Permit) -> bool:
        """Nothing waits for it."""
        return False

    @on(SwitchModel)
    async def switch_model(self, message: SwitchModel) -> None:
        """It has one."""
        raise SessionError("this session keeps its model")

    @on(SwitchAssistant)
    async def switch_assistant(self, message: SwitchAssistant) -> None:
        """It has one."""
        raise SessionError("this session keeps its assistant")

    @on(Retitle)
    async def retitle(self, message: Retitle) -> None:
        """It has one."""
        raise SessionError("this session keeps its title")

    @on(Retire)
    async def retire(self, message: Retire) -> None:
        """End, if nobody needs it."""
        idle = trio.current_time() - self._idle_since
        if self._kept or len(self._audience) or self._turn is not None:
            return
        if idle >= message.idle:
            self.stop()

    # A turn.

    async def _run_turn(self, turn: int, user: Message, scope: trio.CancelScope) -> None:
        answer: provider_request.Answer | None = None
        ending = _Ending(StopReason.CANCELLED)
        try:
            answer = provider_request.stream(
                self._assistant.route, self._request(user), self._call, pinned=self._pinned
            )
            with scope:
                ending = _Ending(await self._read(turn, answer))
        except ProviderError as failure:
            ending = _Ending(StopReason.ERROR, in_words(failure), failure.retryable)
            _log.warning("turn failed", session=self._id, turn=turn, error=str(failure))
        except Exception:
            ending = _Ending(StopReason.ERROR, "a fault in the session; the server's log has it")
            raise
        finally:
            # Also when the session itself is being stopped: whoever listens
            # learns that no more will come.
            said = Message("assistant", ())
            try:
                if answer is not None:
                    self._pinned = "" if ending.error else answer.target or self._pinned
                    said = self._remember(user, answer.completion())
                if self._keeper is not None:
                    ending = await self._keep(self._keeper, turn, answer, said, ending)
            finally:
                self._turn = self._prompt = None
                self._idle_since = trio.current_time()
                self._narrator.end(turn, ending.stop, ending.error, retryable=ending.retryable)
        if self._keeper is not None:
            await self._keeper.tidy()

    async def _read(self, turn: int, answer: provider_request.Answer) -> StopReason:
        async with aclosing(answer):
            async for batch in answer:
                self._narrator.hand_on(turn, batch)
        completion = answer.completion()
        self._fitter.answered(answer.target, completion.usage)
        if completion.usage is not None:
            self._narrator.tell_usage(turn, completion.usage)
        log_answer(self._id, turn, completion)
        return _STOP_REASONS.get(completion.finish, StopReason.END_TURN)

    def _request(self, user: Message) -> ChatRequest:
        assistant = self._assistant
        # A conversation may go on for days, and a prompt may say which day it is.
        self._system = assistant.prompt.messages(session=self._id, user=self._call.user)
        return ChatRequest(
            # Each target has a name of its own for it.
            model="",
            messages=(*self._system, *self._history, user),
            sampling=assistant.sampling,
            max_output_tokens=assistant.max_output_tokens,
            reasoning_effort=assistant.reasoning_effort,
        )

    def _forget(self, user: Message) -> int:
        """Forget the oldest turns, so that there is room for one more; how many messages."""
        sizes = [size_of(message) for message in (*self._history, user)]
        cut = drop_oldest((*self._history, user), sizes, MAX_HISTORY)
        if isinstance(cut, TooLong) or not self._fitter.shortens:
            raise HistoryFull(self._id, MAX_HISTORY)
        del self._history[: cut.start]
        self._size = cut.tokens - sizes[-1]
        self._fitter.forgotten(len(self._system), cut.start)
        _log.info("oldest turns are forgotten", session=self._id, messages=cut.start)
        return cut.start

    def _remember(self, user: Message, completion: Completion) -> Message:
        """What was said belongs to the conversation, also where it was broken off.

        It is returned, without any parts where there is nothing to remember.

        A turn of which nobody has seen an answer leaves no trace, so that it
        can be asked again.
        """
        said = completion.message.parts
        # Nobody here runs tools, and a call without its result would make
        # providers refuse the rest of the conversation.
        parts = tuple(part for part in said if not isinstance(part, ToolCallPart))
        # Thinking alone is no answer, and an empty one is refused by some providers.
        if not any(isinstance(part, TextPart | OpaquePart) for part in parts):
            return Message("assistant", ())
        answer = Message("assistant", parts)
        self._history += [user, answer]
        self._size += size_of(user) + size_of(answer)
        return answer

    # The journal.

    async def _reopen(self, keeper: Keeper) -> None:
        """Take up the conversation as the journal has it."""
        reopened = await keeper.open()
        self._audience.remember(reopened.told, reopened.seq)
        for event in reopened.news:
            self._audience.tell(attrs.evolve(event, first=self._audience.seq + 1))
        state = keeper.state
        self._turns = state.number
        self._history = conversation(state)
        self._size = sum(map(size_of, self._history))
        summary = state.summary
        if summary is not None:
            summary = Summary(summary.text, summary.until + len(self._system))
        self._fitter.take_up(summary)

    async def _accept(self, keeper: Keeper, user: Message, forgotten: int) -> None:
        """Write down what was said, before anything comes of it. Raises NotKept."""
        turn, seq = self._turns + 1, self._audience.seq + 1
        records: list[Record] = [Forgotten(until=forgotten)] if forgotten else []
        records.append(TurnAccepted(turn=turn, seq=seq, parts=user.parts))
        title = title_of(user) if turn == 1 else None
        await keeper.write(*records, patience=_TO_BEGIN, title=title)

    async def _keep(
        self,
        keeper: Keeper,
        turn: int,
        answer: provider_request.Answer | None,
        said: Message,
        ending: _Ending,
    ) -> _Ending:
        """Write down how the turn has ended, before anybody is told; what to tell them."""
        records: list[Record] = []
        if answer is not None and answer.target:
            records.append(answer_record(turn, self._narrator, answer, said))
        summary = self._fitter.summary
        if summary is not None:
            told = Summarised(until=summary.until - len(self._system), text=summary.text)
            if keeper.state.summary != Summary(told.text, told.until):
                records.append(told)
        records.append(
            TurnOver(
                turn=turn,
                seq=self._audience.seq + 1,
                stop=ending.stop.value,
                error=ending.error,
                retryable=ending.retryable,
            )
        )
        stopping = trio.current_effective_deadline() == -inf
        try:
            with trio.CancelScope(shield=True):
                await keeper.write(*records, patience=_TO_STOP if stopping else _TO_END)
        except NotKept as error:
            return _Ending(StopReason.ERROR, f"the answer is not kept: {error}", retryable=True)
        return ending
