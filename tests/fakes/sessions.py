"""Sessions without a runtime: a test says what happens in them, or gives them a behaviour."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio

from trouper.actors.chat import Finish, Message, Part, TextPart, ToolCallPart, Usage
from trouper.actors.errors import TurnInProgress, UnknownAssistant, UnknownModel, UnknownSession
from trouper.actors.gateway.sessions import Sessions
from trouper.actors.session.broadcast import Broadcast
from trouper.actors.session.events import (
    AnswerReset,
    AssistantChanged,
    Attachment,
    ModelChanged,
    PermissionAsked,
    PermissionSettled,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from trouper.actors.session.messages import (
    Attach,
    Attached,
    CancelTurn,
    Detach,
    GetTranscript,
    Permit,
    Prompt,
    SwitchAssistant,
    SwitchModel,
    Transcript,
)
from trouper.actors.session.record import Answered, Record, TurnAccepted, TurnOver
from trouper.actors.session.state import State, replayed
from trouper.actors.store.journal import StoredSession

Behaviour = Callable[["FakeSession"], Awaitable[None]]


class FakeSession:
    """Stands for the ref of a session, and for the session behind it."""

    def __init__(self, id: str, nursery: trio.Nursery, behaviour: Behaviour | None) -> None:
        self.id = id
        self.attachments: list[Attachment] = []
        self.broadcast = Broadcast(id)
        self.state = State()
        self.permits: list[tuple[str, bool]] = []
        self.streamed = ""
        self.asked: list[ToolCallPart] = []
        self.prompts: list[tuple[Part, ...]] = []
        self.cancels = 0
        self.seq = 0
        self.turn: int | None = None
        self.down: Exception | None = None
        self.refuses: Exception | None = None
        self.hold: trio.Event | None = None
        self.hold_attach: trio.Event | None = None
        self.hold_transcript: trio.Event | None = None
        self._nursery = nursery
        self._behaviour = behaviour

    async def ask(self, message: Any, /) -> Any:
        await trio.lowlevel.checkpoint()
        if self.down is not None:
            raise self.down
        if isinstance(message, Attach):
            self.broadcast.join(message.attachment, message.after)
            self.attachments.append(message.attachment)
            if self.hold_attach is not None:
                await self.hold_attach.wait()
            return Attached(self.seq, self.turn)
        if isinstance(message, GetTranscript):
            transcript = Transcript(
                seq=self.broadcast.seq,
                running=self.turn,
                state=self.state,
                streamed=Message("assistant", (TextPart(self.streamed),)),
                asked=tuple(self.asked),
            )
            if self.hold_transcript is not None:
                await self.hold_transcript.wait()
            return transcript
        if isinstance(message, Permit):
            self.permits.append((message.call_id, message.granted))
            return self.settle(message.call_id, granted=message.granted)
        if isinstance(message, SwitchModel):
            if message.model not in ("large", "small"):
                raise UnknownModel(message.model, ["large", "small"])
            seq = self.seq + 1
            self.emit(ModelChanged(first=seq, seq=seq, model=message.model))
            return None
        if isinstance(message, SwitchAssistant):
            if message.assistant != "tutor":
                raise UnknownAssistant(message.assistant, ["default", "tutor"])
            seq = self.seq + 1
            self.emit(AssistantChanged(first=seq, seq=seq, assistant=message.assistant))
            return None
        assert isinstance(message, Prompt)
        if self.turn is not None:
            raise TurnInProgress(self.id)
        self.prompts.append(message.parts)
        turn = self.turn = len(self.prompts)
        self.streamed = ""
        self.emit(TurnStarted(first=self.seq + 1, seq=self.seq + 1, turn=turn))
        if self._behaviour is not None:
            self._nursery.start_soon(self._behaviour, self)
        if self.hold is not None:
            await self.hold.wait()
        return turn

    def tell(self, message: CancelTurn | Detach, /) -> None:
        if isinstance(message, Detach):
            self.broadcast.leave(message.attachment)
            self.attachments = [one for one in self.attachments if one is not message.attachment]
            return
        if self.refuses is not None:
            raise self.refuses
        self.cancels += 1
        if self.turn is not None:
            self.end(StopReason.CANCELLED)

    def emit(self, event: SessionEvent) -> None:
        """Tell all who are attached."""
        self.seq = event.seq
        self.broadcast.tell(event)

    def remember(self, asked: str, answered: str) -> None:
        """Have a past turn in which this was said."""
        seq = self.broadcast.seq
        records: list[Record] = [
            TurnAccepted(turn=1, seq=1, parts=(TextPart(asked),)),
            Answered(
                turn=1,
                first=2,
                seq=seq - 1,
                cuts=(),
                message=Message("assistant", (TextPart(answered),)),
                finish=Finish.STOP,
                target="a/b",
            ),
            TurnOver(turn=1, seq=seq, stop="end_turn"),
        ]
        self.state = replayed((record, 1.0) for record in records)

    def happens(self, kind: type[Any], **fields: Any) -> None:
        """Tell of an event of that kind, of the turn under way."""
        seq = self.seq + 1
        self.emit(kind(first=seq, seq=seq, turn=self.turn, **fields))

    def ask_leave(self, call: ToolCallPart) -> None:
        """Let a call wait for leave."""
        fields = {"call_id": call.id, "name": call.name, "arguments": call.args_json}
        self.happens(ToolCalled, **fields)
        self.asked.append(call)
        self.happens(PermissionAsked, **fields)

    def settle(self, call_id: str, *, granted: bool) -> bool:
        """Have it waited long enough; whether it still waited."""
        waiting = [call for call in self.asked if call.id != call_id]
        if len(waiting) == len(self.asked):
            return False
        self.asked = waiting
        self.happens(PermissionSettled, call_id=call_id, granted=granted)
        return True

    def say(self, text: str) -> None:
        assert self.turn is not None
        self.streamed += text
        self.emit(TextAdded(first=self.seq + 1, seq=self.seq + 1, turn=self.turn, text=text))

    def think(self, text: str) -> None:
        assert self.turn is not None
        self.emit(ThoughtAdded(first=self.seq + 1, seq=self.seq + 1, turn=self.turn, text=text))

    def begin_again(self) -> None:
        assert self.turn is not None
        seq = self.seq + 1
        self.emit(AnswerReset(first=seq, seq=seq, turn=self.turn, reason="it broke off"))

    def count(self, usage: Usage) -> None:
        assert self.turn is not None
        self.emit(UsageChanged(first=self.seq + 1, seq=self.seq + 1, turn=self.turn, usage=usage))

    def end(self, stop: StopReason, error: str = "", *, retryable: bool = False) -> None:
        turn, self.turn = self.turn, None
        assert turn is not None
        seq = self.seq + 1
        self.emit(
            TurnEnded(first=seq, seq=seq, turn=turn, stop=stop, error=error, retryable=retryable)
        )


class FakeSessions:
    """Opens fake sessions, which all behave alike."""

    def __init__(self, nursery: trio.Nursery, behaviour: Behaviour | None = None) -> None:
        self.opened: dict[str, FakeSession] = {}
        self.owners: dict[str, str] = {}
        self.broken: Exception | None = None
        self.hold_attach: trio.Event | None = None
        self._nursery = nursery
        self._behaviour = behaviour

    @property
    def as_sessions(self) -> Sessions:
        """For the type checkers: a fake session is no Ref."""
        return cast(Sessions, self)

    @property
    def only(self) -> FakeSession:
        (session,) = self.opened.values()
        return session

    async def open(self, *, assistant: str, owner: str) -> tuple[str, FakeSession]:
        await trio.lowlevel.checkpoint()
        if self.broken is not None:
            raise self.broken
        if assistant not in ("", "default"):
            raise UnknownAssistant(assistant, ["default"])
        id = f"session-{len(self.opened) + 1}"
        self.opened[id] = FakeSession(id, self._nursery, self._behaviour)
        self.opened[id].hold_attach = self.hold_attach
        self.owners[id] = owner
        return id, self.opened[id]

    def find(self, session_id: str, *, owner: str) -> FakeSession:
        if self.owners.get(session_id) != owner:
            raise UnknownSession(session_id)
        return self.opened[session_id]

    async def reach(self, session_id: str, *, owner: str) -> FakeSession:
        await trio.lowlevel.checkpoint()
        return self.find(session_id, owner=owner)

    async def page(
        self, *, owner: str, limit: int, after: tuple[float, str] | None = None
    ) -> list[StoredSession]:
        await trio.lowlevel.checkpoint()
        last = "" if after is None else after[1]
        mine = sorted(id for id in self.opened if self.owners[id] == owner and id > last)
        return [
            StoredSession(
                sid=id,
                owner=owner,
                assistant="default",
                title=f"title of {id}",
                node="",
                fence=1,
                head=1,
                created=1.0,
                touched=1_795_262_400.0,
            )
            for id in mine[:limit]
        ]

    async def end(self, session_id: str, *, owner: str) -> None:
        await trio.lowlevel.checkpoint()
        self.find(session_id, owner=owner)
        del self.opened[session_id], self.owners[session_id]


def says(*words: str, usage: Usage | None = None) -> Behaviour:
    """Every turn says `words`, a chunk a word, and ends."""

    async def behaviour(session: FakeSession) -> None:
        for word in words:
            await trio.lowlevel.checkpoint()
            if session.turn is None:
                return
            session.say(word)
        if usage is not None:
            session.count(usage)
        session.end(StopReason.END_TURN)

    return behaviour
