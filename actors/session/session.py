"""A conversation: its history, its one running turn, and who listens.

The turn (turn.py) runs beside the mailbox, so that a cancel is heard while a
model talks or a tool works. What it says goes to the broadcast, synchronously and
in order; a slow listener is its attachment's own matter and never slows a turn.

Where there is a journal, what the session is asked to do is done when it is in
the journal: a turn is accepted, a title or a model is another one.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs
import structlog
import trio

from ...runtime import Actor, on
from ...runtime.actor import Inspected
from ...runtime.cell import Exit
from ..chat import Message
from ..errors import HistoryFull, NotKept, TurnInProgress
from ..gate.limiter_messages import Priority
from ..policy.context import Cut, TooLong, drop_oldest
from ..policy.summary import Summary
from ..provider.call import Call
from .assistant import Assistant, Company
from .broadcast import Broadcast
from .chosen_assistant import ChosenAssistant
from .context import WindowFitter
from .event_emitter import EventEmitter
from .events import AssistantChanged, ModelChanged, TitleChanged
from .messages import (
    Attach,
    Attached,
    CancelTurn,
    Detach,
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
from .overview import Overview
from .owners import user_of
from .record import (
    AssistantSwitched,
    Forgotten,
    ModelSwitched,
    Opened,
    Record,
    Titled,
    TurnAccepted,
)
from .recorder import Recorder
from .session_journal import SessionJournal
from .size import size_of
from .state import conversation, first_words, messages_of
from .titles import ask_title
from .turn import MAX_HISTORY, RunningTurn

__all__ = ["Session"]

_log = structlog.get_logger("trouper.session")

# Seconds that a request waits for a store that is down: an ask waits for 5.
_TO_BEGIN = 3.0

# Characters of a title that somebody gives: a long line.
_LONGEST_TITLE = 200


class Session(Actor[SessionMessage], background=True):
    """One conversation with one assistant at a time. `owner` is the principal whose it is.

    `broadcast` and `journal` outlive it: who listens, and the journal that it is
    written into. Without a journal it ends with its actor.
    """

    inspected: ClassVar[Mapping[str, Inspected]] = {
        "_id": "value",
        "overview": "value",
        "_history": "len",
        "_size": "value",
        "_pinned": "value",
        "_kept": "value",
    }

    def __init__(
        self,
        id: str,
        assistant: Assistant,
        *,
        owner: str = "",
        kept: bool = False,
        broadcast: Broadcast | None = None,
        journal: SessionJournal | None = None,
        company: Company | None = None,
    ) -> None:
        self._id = id
        # A person waits for each turn, or a bot that talks with persons.
        self._call = Call(session=id, user=user_of(owner), priority=Priority.INTERACTIVE)
        # Who has answered last: its cache knows the conversation.
        self._pinned = ""
        # By a program that embeds us, and ends it itself.
        self._kept = kept
        self._company = company or Company()
        self._history: list[Message] = []
        self._size = 0
        self._broadcast = broadcast if broadcast is not None else Broadcast(id)
        self._emitter = EventEmitter(self._broadcast)
        self._journal = journal
        opened = Opened(owner=owner, assistant=assistant.name)
        self._recorder = Recorder(id, self._emitter, journal, opened)
        self._turn: RunningTurn | None = None
        self._prompt: Prompt | None = None
        self._idle_since = 0.0
        self._chosen = ChosenAssistant(assistant, self._company)
        self._enter(assistant)

    def _enter(self, assistant: Assistant) -> None:
        """From now on that assistant answers."""
        self._assistant = assistant
        self._system = self._told()
        self._fitter = WindowFitter(assistant.context, assistant.route, self._call, assistant.small)
        summary = self._recorder.state.summary
        if summary is not None:
            self._fitter.take_up(Summary(summary.text, summary.until + len(self._system)))

    def _told(self) -> tuple[Message, ...]:
        """What goes before the conversation; it may say which day it is."""
        assistant = self._assistant
        return assistant.prompt.messages(
            session=self._id,
            user=self._call.user,
            model=assistant.model,
            tools=self._company.tools.view(*assistant.tools).specs(),
        )

    async def init(self) -> None:
        self._idle_since = trio.current_time()
        if self._journal is not None:
            await self._reopen(self._journal)

    async def terminate(self, reason: Exit) -> None:
        """Give the session back."""
        if self._journal is not None:
            await self._journal.close()

    # What is asked of it.

    @on(Prompt)
    async def prompt(self, message: Prompt) -> int:
        """Begin a turn, and say its number once the prompt is written down."""
        if self._turn is not None:
            raise TurnInProgress(self._id)
        await self._ready()
        if self._chosen.next is not self._assistant:
            self._enter(self._chosen.next)
        self._system = self._told()
        user, number = Message("user", message.parts), self._recorder.state.number + 1
        cut = self._cut_for(user) if self._size + size_of(user) > MAX_HISTORY else None
        await self._recorder.write(
            lambda seq: _accepted(number, seq, message, 0 if cut is None else cut.start),
            lambda: self._emitter.begin(number),
            events=1,
            patience=_TO_BEGIN,
            title=None if self._recorder.state.title else first_words(user),
        )
        if cut is not None:
            self._forget(cut.start, cut.tokens - size_of(user))
        self._prompt = message
        self._turn = RunningTurn(
            number,
            self._id,
            self._assistant.asked(user.text),
            before=(*self._system, *self._history),
            hidden=len(self._system),
            call=self._call,
            fitter=self._fitter,
            recorder=self._recorder,
            emitter=self._emitter,
            tools=self._company.tools,
            steps=self._company.steps,
            over=self._over,
            crashing=lambda: self.crashing,
            pinned=self._pinned,
        )
        # It runs at least as far as its `finally`, so this turn will be told ended.
        self.start_soon(self._run_turn, self._turn)
        return number

    @on(CancelTurn)
    async def cancel(self, message: CancelTurn) -> None:
        """End the running turn."""
        if self._turn is None or message.prompt not in (None, self._prompt):
            return
        if message.turn in (None, self._turn.number):
            self._turn.scope.cancel(reason="the turn was cancelled")

    @on(Permit)
    async def permit(self, message: Permit) -> bool:
        """Let a call of the running turn be run, or not."""
        return self._turn is not None and self._turn.permit(
            message.call_id, granted=message.granted
        )

    @on(Attach)
    async def attach(self, message: Attach) -> Attached:
        """Tell a listener what it has missed, and from now on all that happens."""
        self._broadcast.join(message.attachment, message.after)
        return Attached(self._broadcast.seq, self._running)

    @on(Detach)
    async def detach(self, message: Detach) -> None:
        """Tell a listener nothing more. How long the session is idle counts from here."""
        self._broadcast.leave(message.attachment)
        self._idle_since = trio.current_time()

    @on(GetTranscript)
    async def transcript(self, message: GetTranscript) -> Transcript:
        """All that was written down of it."""
        return self.now

    @on(SwitchModel)
    async def switch_model(self, message: SwitchModel) -> None:
        """Ask another model from the next turn on."""
        chosen = self._chosen.other_model(message.model)
        await self._put_down(
            lambda seq: ModelSwitched(model=message.model, seq=seq),
            lambda: self._emitter.tell(ModelChanged, model=message.model),
        )
        self._chosen.take(chosen, own_model=not message.model)

    @on(SwitchAssistant)
    async def switch_assistant(self, message: SwitchAssistant) -> None:
        """Let another assistant answer from the next turn on."""
        chosen = self._chosen.other(message.assistant)
        await self._put_down(
            lambda seq: AssistantSwitched(assistant=chosen.name, seq=seq),
            lambda: self._emitter.tell(AssistantChanged, assistant=chosen.name),
        )
        self._chosen.take(chosen, own_model=True)

    @on(Retitle)
    async def retitle(self, message: Retitle) -> None:
        """Take a title that somebody gives, on one line and cut to 200 characters."""
        await self._entitle(" ".join(message.title.split())[:_LONGEST_TITLE])

    @on(Retire)
    async def retire(self, message: Retire) -> None:
        """End, if nobody needs it."""
        idle = trio.current_time() - self._idle_since
        if self._kept or len(self._broadcast) or self._turn is not None:
            return
        if idle >= message.idle:
            self.stop()

    @property
    def now(self) -> Transcript:
        """What GetTranscript is answered, also where the mailbox is full or is not read."""
        turn = self._turn
        if turn is None:
            return Transcript(seq=self._broadcast.seq, running=None, state=self._recorder.state)
        return Transcript(
            seq=self._broadcast.seq,
            running=turn.number,
            state=self._recorder.state,
            streamed=turn.streamed,
            asked=turn.asked,
        )

    @property
    def overview(self) -> Overview:
        """What an operator sees of it."""
        state, turn = self._recorder.state, self._turn
        return Overview(
            owner=state.owner,
            assistant=self._assistant.name,
            model=self._assistant.model,
            turns=state.number,
            running=self._running,
            asked=len(turn.asked) if turn is not None else 0,
            messages=len(self._history),
            listeners=len(self._broadcast),
            usage=state.usage,
            cost=state.cost,
            unpriced=state.unpriced,
        )

    # A turn.

    @property
    def _running(self) -> int | None:
        return None if self._turn is None else self._turn.number

    async def _run_turn(self, turn: RunningTurn) -> None:
        try:
            await turn.run()
        finally:
            self._over(turn)
        if self._journal is not None:
            await self._journal.tidy()
        small = self._assistant.small
        if small is not None and turn.number == 1 and self._history:
            title = await ask_title(small, self._call, self._history)
            if title:
                await self._propose(title)

    def _over(self, turn: RunningTurn) -> None:
        """A turn has ended, once: the next one may begin.

        What was said belongs to the conversation, also where it was broken off.
        A turn of which nobody has seen an answer leaves no trace, so that it
        can be asked again.
        """
        if self._turn is not turn:
            return
        self._turn = self._prompt = None
        self._pinned = turn.pinned
        self._idle_since = trio.current_time()
        # What could not be written down is read again, before the next turn.
        if self._recorder.is_open:
            said = list(messages_of(self._recorder.state.turns[-1]))
            self._history += said
            self._size += sum(map(size_of, said))

    def _cut_for(self, user: Message) -> Cut:
        """Where the conversation is cut off, so that there is room for one more turn."""
        messages = (*self._history, user)
        cut = drop_oldest(messages, [size_of(message) for message in messages], MAX_HISTORY)
        if isinstance(cut, TooLong) or not self._fitter.shortens:
            raise HistoryFull(self._id, MAX_HISTORY)
        return cut

    def _forget(self, messages: int, size: int) -> None:
        """Forget so many of the oldest messages, once that is written down; `size` is what stays."""
        del self._history[:messages]
        self._size = size
        self._fitter.forgotten(len(self._system), messages)
        _log.info("oldest turns are forgotten", session=self._id, messages=messages)

    # What is written down of it.

    async def _ready(self) -> None:
        """Be able to write. Raises NotKept."""
        await self._recorder.ready(self._reopen_between_turns)

    async def _reopen_between_turns(self, journal: SessionJournal) -> None:
        # Who opens the journal ends the turn that is under way in it.
        if self._turn is None:
            await self._reopen(journal)

    async def _reopen(self, journal: SessionJournal) -> None:
        """Take up the conversation as the journal has it."""
        reopened = await journal.open()
        self._broadcast.remember(reopened.told, reopened.seq)
        for event in reopened.news:
            self._broadcast.tell(attrs.evolve(event, first=self._broadcast.seq + 1))
        self._history = conversation(journal.state)
        self._size = sum(map(size_of, self._history))
        self._chosen.restore(self._id, journal.state.assistant, journal.state.model)
        self._enter(self._chosen.next)

    async def _put_down(
        self, make: Callable[[int], Record], tell: Callable[[], None], title: str | None = None
    ) -> None:
        """Write down a record with one event, and tell it. Raises NotKept."""
        await self._ready()
        await self._recorder.write(
            lambda seq: [make(seq)], tell, events=1, patience=_TO_BEGIN, title=title
        )

    async def _entitle(self, title: str) -> None:
        await self._put_down(
            lambda seq: Titled(title=title, seq=seq),
            lambda: self._emitter.tell(TitleChanged, title=title),
            title,
        )

    async def _propose(self, title: str) -> None:
        """A title that nobody has asked for."""
        state = self._recorder.state
        if state.turns and state.title != first_words(state.turns[0].asked):
            return
        try:
            await self._entitle(title)
        except NotKept as error:
            _log.info("title was not kept", session=self._id, error=str(error))


def _accepted(turn: int, seq: int, message: Prompt, forgotten: int) -> list[Record]:
    records: list[Record] = [Forgotten(until=forgotten)] if forgotten else []
    return [*records, TurnAccepted(turn=turn, seq=seq, parts=message.parts)]
