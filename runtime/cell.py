"""A cell: what stays of a child while its lives come and go.

It holds the identity, the mailbox, the counters and the exits. Refs point at
cells, so they survive restarts; a life (life.py) borrows its cell.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from contextvars import copy_context
from enum import Enum
from math import inf
from typing import Any, Protocol

import attrs
import trio
from trio.lowlevel import Task, current_task, reschedule

from .deadlines import Deadlines
from .errors import ActorDown, ActorError, ActorUnavailable, MailboxFull, SpecError
from .events import ActorStopped, Reports
from .mailbox import DeadReason, Destination, Envelope, Idle, LimitedHandler, Mailbox
from .replies import Reply
from .tallies import Tally
from .wording import Wording

__all__ = [
    "Cell",
    "Door",
    "Environment",
    "Exit",
    "ExitKind",
    "Occupant",
    "State",
    "Waiting",
]

# Asks that are answered in their askers' turns before others have theirs: at 3 us
# each a tenth of a millisecond.
_AT_ONCE = 32

# Crashes kept a cell: enough to see a pattern, little enough for 10,000 cells.
_KEEP_EXITS = 5


class State(Enum):
    """What a child is doing."""

    STARTING = "starting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    DRAINING = "draining"
    DOWN = "down"
    BACKOFF = "backoff"
    STOPPED = "stopped"


class Door(Enum):
    """Who may put a message into the mailbox."""

    OPEN = "open"
    DRAINING = "draining"
    """Only the actor itself: it is finishing its queue."""
    UNAVAILABLE = "unavailable"
    """Nobody, for now: the child is between two lives and does not queue."""
    CLOSED = "closed"


class ExitKind(Enum):
    """How a life ended."""

    NORMAL = "normal"
    """By itself: the actor said `stop`, or its function returned."""
    SHUTDOWN = "shutdown"
    """It was asked to end, and did in time."""
    KILLED = "killed"
    """It was cancelled, as it did not end in time."""
    CRASHED = "crashed"
    """By an exception."""
    START_FAILED = "start_failed"
    """It did not become ready."""


@attrs.frozen
class Exit:
    """The end of one life: which one (`life`, from 1), of which `kind`, and `at` what time, in
    seconds on the system's clock.

    `error` is what it crashed by, None where it did not. `message` is the type of the
    message in hand at a crash, and `words` what may be told of the error.
    """

    kind: ExitKind
    at: float
    life: int
    error: BaseException | None = attrs.field(default=None, repr=False)
    message: str | None = None
    words: str = ""

    @property
    def crashed(self) -> bool:
        """Whether the life ended by a fault."""
        return self.kind in (ExitKind.CRASHED, ExitKind.START_FAILED)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.words}" if self.words else self.kind.value


@attrs.frozen
class Waiting:
    """How many messages wait, and since when the oldest does."""

    depth: int
    since: float


class Occupant(Protocol):
    """The life in a cell, as its cell sees it."""

    began: float

    def stack(self) -> tuple[str, ...]:
        """Where its code waits, outermost first, as `file:line function`."""
        ...


@attrs.define(eq=False)
class Environment:
    """What all cells of one system share. `now` is trio's clock, in seconds."""

    now: Callable[[], float]
    deadlines: Deadlines
    reports: Reports
    cells: "dict[str, Cell]"
    chance: Callable[[], float]
    wording: Wording = attrs.field(factory=Wording)
    hands: "dict[Task, Cell | Envelope]" = attrs.field(factory=dict)
    taps: "dict[Cell, Any]" = attrs.field(factory=dict)
    """Who looks on at an actor (tapping.py); `dress` gives it handlers that crash (testing)."""
    dress: "Callable[[Cell, Mapping[type, Any]], Mapping[type, Any]] | None" = None
    tallies: dict[str, Tally] = attrs.field(factory=dict)
    at_once: int = 0

    def is_enough_at_once(self) -> bool:
        """Count an ask that was answered in its asker's turn; whether others are to have theirs."""
        self.at_once += 1
        return not self.at_once % _AT_ONCE

    def hand(self) -> Envelope | None:
        """The message that the running code handles; None outside of handlers.

        Found by task, so that it costs nothing until somebody asks. A task
        that a handler has started acts for the handler.
        """
        holder = self._holder()
        return holder.current if isinstance(holder, Cell) else holder

    def acting(self) -> "Destination | None":
        """The cell whose code is running; None outside of actors."""
        holder = self._holder()
        return holder.cell if isinstance(holder, Envelope) else holder

    def _holder(self) -> "Cell | Envelope | None":
        task = current_task()
        hands = self.hands
        # By the attributes under trio's `parent_nursery` and `parent_task`: those are
        # properties, and every ask comes here from as deep as its task is nested.
        while task not in hands:
            nursery = task._parent_nursery
            if nursery is None:
                return None
            task = nursery._parent_task
        return hands[task]

    def cell(self, path: str) -> "Cell":
        """The cell at `path`. Raises SpecError, which names what is there."""
        found = self.cells.get(path)
        if found is None:
            parent = path.rpartition("/")[0]
            near = sorted(p for p in self.cells if p.rpartition("/")[0] == parent)[:20]
            raise SpecError(f"no actor at {path!r}; beside it are: {', '.join(near) or 'none'}")
        return found


@attrs.define(eq=False)
class Cell:
    """The lasting part of a child. Made by a supervisor, never by users."""

    path: str
    kind: str
    mailbox: Mailbox
    while_down_rejects: bool
    env: Environment
    takes_messages: bool = True
    actor_type: type | None = None
    tally: Tally | None = None
    state: State = State.DOWN
    door: Door = Door.CLOSED
    life: Occupant | None = None
    lives: int = 0
    restarts: int = 0
    handled: int = 0
    failed: int = 0
    busy: float = 0.0
    current: Envelope | None = None
    parked: Task | None = None
    idle: Idle | None = None
    since: float = inf
    in_flight: dict[Envelope, float] | None = None
    lines: dict[type, LimitedHandler] | None = None
    retry_at: float = inf
    down_reason: str = "it has not been started"
    exits: deque[Exit] | None = None
    watchers: dict[Hashable, Callable[[str], None]] | None = None
    sending: trio.MemorySendChannel[Envelope] = attrs.field(init=False)
    receiving: trio.MemoryReceiveChannel[Envelope] = attrs.field(init=False)

    def open(self) -> None:
        """Take messages, in a new mailbox; again, when a subtree that gave up is restarted."""
        self.sending, self.receiving = trio.open_memory_channel[Envelope](self.mailbox.capacity)
        self.door = Door.OPEN
        self.state = State.DOWN
        self.env.cells[self.path] = self

    def close(self, reason: str) -> None:
        """Stop for good: refuse what comes, fail what waits, tell the watchers."""
        if self.door is Door.CLOSED:
            return
        self.door = Door.CLOSED
        self.state = State.STOPPED
        self.down_reason = reason
        for queue in self.queues():
            for envelope in queue:
                self.lose(envelope, ActorDown(self.path, reason), DeadReason.DOWN)
            queue.clear()
        self.lines = None
        # Closing tells whoever waits in `send`.
        self.receiving.close()
        self.sending.close()
        self.fail_held(reason)
        watchers, self.watchers = self.watchers or {}, None
        for tell in watchers.values():
            tell(reason)
        self.env.reports.emit(ActorStopped(self.path, reason))

    def fail_held(self, reason: str) -> None:
        """Fail the asks in the hands of a life that was cancelled and does not end."""
        for envelope in (self.current, *(self.in_flight or ())):
            if envelope is not None and envelope.reply is not None:
                envelope.reply.fail(ActorDown(self.path, reason))

    def queues(self) -> list[deque[Envelope]]:
        """The lines of limited handlers, and the mailbox.

        The mailbox is looked into where trio keeps it (a test tells if trio
        moves it): taking messages out by `receive_nowait` would let in those
        who wait in `send`, as if they had been heard.
        """
        return [*(line.queue for line in (self.lines or {}).values()), self.receiving._state.data]

    def waiting(self) -> "Waiting":
        """What waits in the mailbox and in the lines of limited handlers."""
        if self.door is Door.CLOSED:
            return Waiting(0, inf)
        queue: deque[Envelope] = self.receiving._state.data
        if self.lines is None:
            return Waiting(len(queue), queue[0].enqueued if queue else inf)
        queues = self.queues()
        return Waiting(
            sum(map(len, queues)), min((q[0].enqueued for q in queues if q), default=inf)
        )

    def put(self, message: Any, reply: Reply | None) -> Envelope:
        """Put a message into the mailbox; never blocks.

        Raises MailboxFull; where somebody waits for the answer, also ActorDown
        and ActorUnavailable. Without a reply these two become dead letters.
        """
        envelope = Envelope(self, message, reply, copy_context(), self.env.now())
        if self.door is not Door.OPEN and not self._lets_in():
            self._refuse(envelope)
            return envelope
        try:
            self.sending.send_nowait(envelope)
        except trio.WouldBlock:
            self.overflow(envelope)
        if self.parked is not None:
            reschedule(self.parked)
            self.parked = None
        return envelope

    def expect(self, kind: type) -> None:
        """Raise SpecError where no actor of class `kind` lives here."""
        if not self.takes_messages:
            raise SpecError(f"{self.path} is a {self.kind}, which takes no messages")
        actual = self.actor_type
        if actual is not None and not issubclass(actual, kind):
            raise SpecError(f"{self.path} is a {actual.__qualname__}, not a {kind.__qualname__}")

    def wake(self) -> None:
        """Let the reader look up, if it is parked."""
        if self.parked is not None:
            reschedule(self.parked)
            self.parked = None

    def _lets_in(self) -> bool:
        return self.door is Door.DRAINING and self.env.acting() is self

    def refusal(self) -> ActorError:
        """The error for an asker at the shut door."""
        if self.door is Door.UNAVAILABLE:
            return ActorUnavailable(self.path, self.retry_at)
        detail = "it is stopping" if self.door is Door.DRAINING else self.down_reason
        return ActorDown(self.path, detail)

    def _refuse(self, envelope: Envelope) -> None:
        if envelope.reply is not None:
            raise self.refusal()
        unavailable = self.door is Door.UNAVAILABLE
        self.bury(envelope, DeadReason.UNAVAILABLE if unavailable else DeadReason.DOWN)

    def overflow(self, envelope: Envelope) -> None:
        """Do with one message too many as the mailbox's policy says."""
        full = MailboxFull(self.path, self.mailbox.capacity)
        if self.mailbox.overflow == "reject":
            raise full
        if self.mailbox.overflow == "drop_newest":
            self.lose(envelope, full, DeadReason.OVERFLOW)
            return
        # Again, where taking one out has let in who waited in `send`.
        while len(self.receiving._state.data) >= self.mailbox.capacity:
            self.lose(self.receiving.receive_nowait(), full, DeadReason.OVERFLOW)
        self.sending.send_nowait(envelope)

    def lose(self, envelope: Envelope, error: ActorError, reason: DeadReason) -> None:
        """End a message that will not be handled: fail its asker, or bury it."""
        if envelope.reply is not None:
            envelope.reply.fail(error)
        else:
            self.bury(envelope, reason)

    def bury(self, envelope: Envelope, reason: DeadReason) -> None:
        """Make a dead letter of a message that nobody waits for."""
        self.env.reports.dead_letter(self.path, envelope.message, reason, self.env.now())

    def shut_while_down(self, retry_at: float) -> None:
        """Between two lives: where the spec says so, refuse asks until the next one."""
        self.retry_at = retry_at
        if not self.while_down_rejects or self.door is not Door.OPEN:
            return
        self.door = Door.UNAVAILABLE
        for queue in self.queues():
            waiting = list(queue)
            queue.clear()
            for envelope in waiting:
                if envelope.reply is not None:
                    envelope.reply.fail(self.refusal())
                else:
                    queue.append(envelope)

    def reopen_door(self) -> None:
        """The next life is ready."""
        if self.door is Door.UNAVAILABLE:
            self.door = Door.OPEN

    def record(self, exit: Exit) -> None:
        """Keep the end of a life."""
        if exit.crashed:
            if self.exits is None:
                self.exits = deque(maxlen=_KEEP_EXITS)
            self.exits.append(exit)

    def when_closed(self, key: Hashable, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason when this cell closes; now, if it is closed.

        Once a `key`, so that a life may ask again for what an earlier one asked.
        """
        if self.door is Door.CLOSED:
            tell(self.down_reason)
            return
        if self.watchers is None:
            self.watchers = {}
        self.watchers[key] = tell

    def forget_watcher(self, key: Hashable) -> None:
        """Undo `when_closed`."""
        if self.watchers is not None:
            self.watchers.pop(key, None)

    def notify(self, message: object) -> None:
        """Put a notice of the runtime, over the capacity where need be.

        Nobody would send a lost one again. There is at most one for each actor
        that is watched.
        """
        envelope = Envelope(self, message, None, copy_context(), self.env.now())
        if self.door is Door.CLOSED:
            self.bury(envelope, DeadReason.DOWN)
            return
        self.receiving._state.data.append(envelope)
        self.wake()
