"""One session as one connection sees it: events become frames, a prompt gets its answer."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import assert_never

from ...runtime.errors import ActorDown, ActorError, MailboxFull
from ..chat import TextPart, Usage
from ..errors import (
    SessionError,
    TooManySessions,
    TurnInProgress,
    UnknownAssistant,
    UnknownSession,
)
from ..session.events import (
    AnswerReset,
    AssistantChanged,
    ModelChanged,
    PermissionAsked,
    PermissionSettled,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TitleChanged,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from ..session.messages import Attach, CancelTurn, Detach, Prompt
from ..wire.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RequestId, RpcFault, encode_fault
from ..wire.session import BUSY, NOT_FOUND, TOO_MANY, TURN_FAILED, prompt_result, turn_failed
from .outbox import Lane
from .sessions import SessionRef

__all__ = ["Line", "refused"]

_CODES: tuple[tuple[type[ActorError], int], ...] = (
    (UnknownAssistant, INVALID_PARAMS),
    (UnknownSession, NOT_FOUND),
    (ActorDown, NOT_FOUND),
    (TurnInProgress, BUSY),
    (MailboxFull, TOO_MANY),
    (TooManySessions, TOO_MANY),
    (SessionError, TURN_FAILED),
)


def refused(id: RequestId, error: ActorError) -> RpcFault:
    """What to answer request `id` where a session or its house refused by `error`."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), INTERNAL_ERROR)
    return RpcFault(code, str(error), id=id)


class Line:
    """An attachment to the session at `ref`, for one connection.

    Where `ref` is None, the first prompt asks `reach` for it. At most one prompt is under way: first it is being asked (its turn has no
    number yet), then it runs. A turn may even end before the asking is over,
    since the session's events overtake its answer; that end is kept till then.
    A session tells its listeners the end of every turn, also when it crashes.
    """

    __slots__ = (
        "_attached",
        "_cancelled",
        "_early",
        "_lane",
        "_reach",
        "_ref",
        "_request",
        "_turn",
        "_usage",
        "busy",
        "ended",
    )

    def __init__(
        self,
        ref: SessionRef | None,
        lane: Lane,
        reach: Callable[[], Awaitable[SessionRef]] | None = None,
    ) -> None:
        self._ref = ref
        self._reach = reach
        self._lane = lane
        self.busy = False
        """Whether a prompt is under way."""
        self.ended = False
        """Whether there was found to be no such session, or it has ended for good."""
        self._request: RequestId = None
        self._turn: int | None = None
        self._cancelled = False
        self._early: dict[int, TurnEnded] = {}
        self._usage: Usage | None = None
        self._attached = False

    def deliver(self, event: SessionEvent) -> None:
        """Take the session's next event (see `Attachment`)."""
        match event:
            case TextAdded():
                self._lane.delta(event, thought=False)
            case ThoughtAdded():
                self._lane.delta(event, thought=True)
            case AnswerReset():
                self._lane.reset(event.seq)
            case UsageChanged():
                self._usage = event.usage
                # The context that the next turn begins with: all that was said.
                self._lane.usage(event.seq, event.usage.input + event.usage.output)
            case TurnStarted():
                self._usage = None
            case TurnEnded():
                self._ended(event)
            case ToolCalled() | PermissionAsked() | PermissionSettled():
                pass
            case ToolProgressed() | ToolEnded():
                pass
            case ModelChanged() | AssistantChanged() | TitleChanged():
                pass
            case _:
                assert_never(event)

    def _ended(self, event: TurnEnded) -> None:
        if not self.busy:
            return
        if self._turn is None:
            self._early[event.turn] = event
        elif event.turn == self._turn:
            self._answer(event)

    def _answer(self, event: TurnEnded) -> None:
        id = self._request
        if event.stop is StopReason.ERROR:
            frame = turn_failed(id, event.error, event.seq, retryable=event.retryable)
        else:
            frame = prompt_result(id, event.stop.value, event.seq, self._usage)
        self._finish(frame)

    def _finish(self, frame: str) -> None:
        self.busy = False
        self._early.clear()
        self._lane.frame(frame)

    def holds(self, id: RequestId) -> bool:
        """Whether request `id` is the prompt under way."""
        return self.busy and self._request == id

    async def attach(self) -> SessionRef:
        """Have the session's events delivered here. Raises ActorError as ask does."""
        ref = self._ref
        if ref is None:
            assert self._reach is not None, "there is one or the other"
            ref = self._ref = await self._reach()
        if not self._attached:
            await ref.ask(Attach(self))
            self._attached = True
        return ref

    def begin(self, id: RequestId) -> None:
        """Note that `prompt` is about to be called for request `id`."""
        self.busy, self._request, self._turn, self._cancelled = True, id, None, False

    async def prompt(self, parts: tuple[TextPart, ...]) -> None:
        """Begin a turn; its end will answer the request. A refusal answers it at once."""
        try:
            ref = await self.attach()
            turn = await ref.ask(Prompt(parts))
            self._turn = turn
            early = self._early.get(turn)
            if early is not None:
                self._answer(early)
            elif self._cancelled:
                ref.tell(CancelTurn(turn))
        except ActorError as error:
            self.ended = isinstance(error, ActorDown) or self._ref is None
            self._finish(encode_fault(refused(self._request, error)))

    def cancel(self) -> None:
        """End the turn, or the next one if it is still being asked for.

        A cancel that overtook its prompt would find no turn to cancel.
        """
        self._cancelled = True
        if self._ref is None:
            return
        if not self.busy:
            self._ref.tell(CancelTurn())
        elif self._turn is not None:
            self._ref.tell(CancelTurn(self._turn))

    def detach(self) -> None:
        """Want no more events. The session and its turn go on."""
        if self._ref is None:
            return
        # A full mailbox: the session then delivers into an outbox that is shut.
        with suppress(ActorError):
            self._ref.tell(Detach(self))
