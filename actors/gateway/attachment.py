"""One session as one connection sees it: events become frames, a prompt gets its answer."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
import trio

from ...runtime.errors import ActorError
from ..chat import Part, Usage
from ..session.events import SessionEvent, StopReason, TurnEnded, TurnStarted, UsageChanged
from ..session.messages import Attach, Attached, CancelTurn, Detach, GetTranscript, Prompt
from ..wire.jsonrpc import RequestId, encode_fault
from ..wire.session_results import prompt_result, turn_failed
from .outbox import Lane
from .refusal import refused
from .replay import Replay
from .sessions import SessionRef
from .telling import Telling
from .websocket import TurnHold

__all__ = ["SessionAttachment"]

_log = structlog.get_logger("trouper.gateway")

# Looks for turns that have ended while those before were told: a reader that is slower
# than a session speaks would be told of them for ever.
_MOST_ROUNDS = 3


class SessionAttachment:
    """An attachment to a session, for one connection.

    Where `ref` is None, `reach` finds the session when it is first needed.
    `tells_turns` says whether the client is to be told when turns begin and end.
    `failed` is called where an event cannot be told: it closes the connection.

    At most one prompt is under way: first it is being asked (its turn has no
    number yet), then it runs. A turn may even end before the asking is over,
    since the session's events overtake its answer; that end is kept till then.
    A session tells its listeners the end of every turn, also when it crashes, and
    one of us that fails harms no other: it leaves, and its client comes back.

    Once it is detached it stays so: what was asked of the session before may still
    make it a listener, which then takes its leave again.
    """

    __slots__ = (
        "_attached",
        "_attaching",
        "_cancelled",
        "_counted",
        "_early",
        "_failed",
        "_free",
        "_lane",
        "_left",
        "_reach",
        "_ref",
        "_request",
        "_tells_turns",
        "_turn",
        "_usage",
        "busy",
        "joining",
        "telling",
    )

    def __init__(
        self,
        lane: Lane,
        telling: Telling,
        reach: Callable[[], Awaitable[SessionRef]],
        ref: SessionRef | None = None,
        *,
        failed: Callable[[], None],
        tells_turns: bool = False,
    ) -> None:
        self._ref = ref
        self._reach = reach
        self._lane = lane
        self.telling = telling
        self._failed = failed
        self._tells_turns = tells_turns
        self.busy = False
        """Whether a prompt is under way."""
        self.joining = False
        """Whether what was before is still being told."""
        self._request: RequestId = None
        self._turn: int | None = None
        self._cancelled = False
        self._early: dict[int, TurnEnded] = {}
        self._usage: Usage | None = None
        self._attached = False
        self._attaching = trio.Lock()
        self._left = False
        self._counted: TurnHold | None = None
        self._free: trio.Event | None = None

    # The session's side (events.Attachment).

    def deliver(self, event: SessionEvent) -> None:
        """Take the session's next event."""
        if self._left:
            # The session has not heard of it: its mailbox was full.
            self._take_leave()
            return
        try:
            self._tell(event)
        except Exception:  # noqa: BLE001 - it would be the session's fault, and all others'
            _log.exception("an event could not be told", kind=type(event).__name__)
            self.detach()
            self._failed()

    def _tell(self, event: SessionEvent) -> None:
        self.telling.tell(event, self._ref)
        if isinstance(event, UsageChanged):
            self._usage = event.usage
        elif isinstance(event, TurnStarted):
            self._usage = None
            if self._tells_turns:
                self._lane.frame(self._lane.updates.turn_started(event.seq, event.turn))
        elif isinstance(event, TurnEnded):
            if self._tells_turns:
                self._lane.frame(self._end_of(event))
            if self.busy and self._turn is None:
                self._early[event.turn] = event
            elif self.busy and event.turn == self._turn:
                self._answer(event)

    def _end_of(self, event: TurnEnded) -> str:
        updates = self._lane.updates
        if event.stop is StopReason.ERROR:
            return updates.turn_failed(
                event.seq, event.turn, event.error, retryable=event.retryable
            )
        return updates.turn_ended(event.seq, event.turn, event.stop.value)

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
        self._let_close()
        self._uncount()

    def joined(self) -> None:
        """Note that what was before is told, or will not be."""
        self.joining = False
        self._let_close()

    def _let_close(self) -> None:
        if self._free is not None:
            self._free.set()
            self._free = None

    def _uncount(self) -> None:
        if self._counted is not None:
            self._counted.end()
            self._counted = None

    # The client's side.

    def holds(self, id: RequestId) -> bool:
        """Whether request `id` is the prompt under way."""
        return self.busy and self._request == id

    @property
    def found(self) -> bool:
        """Whether there was found to be such a session."""
        return self._ref is not None

    async def ref(self) -> SessionRef:
        """The session. Raises ActorError where there is none, or it cannot be opened."""
        if self._ref is None:
            self._ref = await self._reach()
        return self._ref

    async def attach(self, *, new: bool = False) -> SessionRef:
        """Have the session's events delivered here. Raises ActorError as ask does."""
        ref = await self.ref()
        if self._attached:
            return ref
        # Who comes second would have told again what came since the first has looked.
        async with self._attaching:
            if self._attached or self._left:
                pass
            elif new:
                await self._listen(ref, None)
            else:
                await self.resume(None)
        return ref

    async def _listen(self, ref: SessionRef, after: int | None) -> Attached:
        attached = await ref.ask(Attach(self, after))
        if self._left:
            # It was meanwhile, and what it said then may have overtaken this.
            self._take_leave()
        else:
            self._attached = True
        return attached

    async def resume(self, after: int | None) -> Attached:
        """Attach, and first have told what happened behind number `after`, if that is not None.

        Raises EventsGone where that is not all at hand, and ActorError as ask does.
        """
        ref = await self.ref()
        transcript = await ref.ask(GetTranscript())
        if not self._left:
            self.telling.begin(transcript, ref)
        return await self._listen(ref, transcript.seq if after is None else after)

    async def load(self) -> Attached:
        """Tell the whole history, and attach. Raises ActorError as ask does."""
        ref = await self.ref()
        replay = Replay(self._lane)
        transcript = await ref.ask(GetTranscript())
        for _ in range(_MOST_ROUNDS):
            if not await replay.show_past(transcript):
                break
            transcript = await ref.ask(GetTranscript())
        await replay.show_rest(transcript)
        self.telling.begin(transcript, ref)
        return await self._listen(ref, transcript.seq)

    def begin(self, id: RequestId, counted: TurnHold) -> None:
        """Note that `prompt` is about to be called for request `id`, which `counted` is for."""
        self.busy, self._request, self._turn, self._cancelled = True, id, None, False
        self._counted = counted

    async def prompt(self, parts: tuple[Part, ...]) -> ActorError | None:
        """Begin a turn; its end will answer the request. A refusal answers it at once, and is
        returned."""
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
            self._finish(encode_fault(refused(self._request, error)))
            return error
        return None

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

    async def close(self) -> None:
        """End the turn, have it answered, and want no more events: all that once it has joined."""
        while self.joining:
            await self._until_free()
        self.cancel()
        while self.busy:
            await self._until_free()
        self.detach()

    async def _until_free(self) -> None:
        if self._free is None:
            self._free = trio.Event()
        await self._free.wait()

    def detach(self) -> None:
        """Want no more events, from now on. The session and its turn go on."""
        self._left = True
        self._attached = False
        self._uncount()
        self._take_leave()

    def _take_leave(self) -> None:
        if self._ref is not None:
            # Where its mailbox is full, its next event comes here, and it is told again.
            with suppress(ActorError):
                self._ref.tell(Detach(self))
