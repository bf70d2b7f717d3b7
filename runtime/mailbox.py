"""What waits for an actor: envelopes in a bounded trio memory channel.

The mailbox belongs to the cell and not to the life that reads it, so it
survives a restart. Who takes an envelope out owns its reply and must settle it.
"""

from collections import deque
from contextvars import Context
from enum import Enum
from typing import Any, Literal, Protocol

import attrs
from attrs.validators import ge, in_

from .replies import Reply

__all__ = [
    "Aside",
    "DeadReason",
    "Destination",
    "Envelope",
    "Idle",
    "LimitedHandler",
    "Mailbox",
    "Overflow",
    "Starting",
    "Waits",
    "wait_for",
    "wait_no_more",
]

Overflow = Literal["reject", "drop_oldest", "drop_newest"]


@attrs.frozen
class Mailbox:
    """How many messages wait at most, and what becomes of one more.

    `capacity` is the number of messages, at least 1. By its `overflow`, "reject"
    raises MailboxFull at the sender; "drop_oldest" and "drop_newest" make the
    message a dead letter, and an ask among them fails with MailboxFull. 1,024
    messages are some hundred KiB and a second of work of a busy actor.
    """

    capacity: int = attrs.field(default=1024, validator=ge(1))
    overflow: Overflow = attrs.field(
        default="reject", validator=in_(("reject", "drop_oldest", "drop_newest"))
    )


class DeadReason(Enum):
    """Why a message was not handled to its end."""

    DOWN = "down"
    """The target had stopped, or stopped before its turn came."""
    UNAVAILABLE = "unavailable"
    """The target was between two lives and does not queue."""
    OVERFLOW = "overflow"
    """The mailbox was full."""
    CRASHED = "crashed"
    """The target crashed with it in hand."""
    STOPPED = "stopped"
    """The target was stopped with it in hand."""
    REFUSED = "refused"
    """Its handler raised an ActorError, and nobody had asked."""
    UNKNOWN = "unknown"
    """The target has no handler for it."""


class Destination(Protocol):
    """Where an envelope goes: a cell, as its envelopes see it."""

    path: str
    current: "Envelope | None"


class Envelope:
    """A message under way: what it is, who waits for it, since when.

    While it is handled it is also the hand that holds it: `waiting` is what
    its handler waits for, and `where` is where it has gone once it no longer
    takes its turn in its cell. By these two cycles of asks are found.
    """

    # Made once a message: each slot costs 15 ns.
    __slots__ = ("cell", "context", "enqueued", "message", "reply", "waiting", "where")

    def __init__(
        self,
        cell: Destination,
        message: Any,
        reply: Reply | None,
        context: Context,
        enqueued: float,
    ) -> None:
        self.cell = cell
        self.message = message
        self.reply = reply
        self.context = context
        self.enqueued = enqueued
        self.waiting: Waits = None
        self.where: Envelope | LimitedHandler | Aside | None = None


class Idle(Protocol):
    """An actor between two messages, as who asks it sees it.

    Its reader is parked, or has been woken and has not run yet; until it runs,
    whoever runs may read on in its place.
    """

    def takes_at_once(self, message: Any) -> bool:
        """Whether `serve` may be called: all that came before is handled, here and now.

        Plain handlers can be run so, and those in tasks of their own started.
        """
        ...

    def serve(self, envelope: Envelope) -> None:
        """Handle it here and now. Its reply is open afterwards where a task works on it, where
        it was handed on, and where its handler has crashed."""
        ...


# One request mostly; more where a handler asks from a nursery. (A dict is an
# ordered set.)
Waits = Envelope | dict[Envelope, None] | None


class Aside(Enum):
    """Where a message is handled that does not take its turn in its cell."""

    TASK = "task"
    """In a task of its own."""


class LimitedHandler:
    """The tasks of one limited handler, and the messages that wait for a place among them."""

    __slots__ = ("queue", "running")

    def __init__(self) -> None:
        self.queue: deque[Envelope] = deque()
        self.running: set[Envelope] = set()


class Starting:
    """What an actor has in hand before its first message: `init` and `on_start`."""


def wait_for(hand: Envelope, awaited: Envelope) -> None:
    """Note that the handler of `hand` waits for `awaited` from now on."""
    waits = hand.waiting
    if waits is None:
        hand.waiting = awaited
    elif isinstance(waits, Envelope):
        hand.waiting = {waits: None, awaited: None}
    else:
        waits[awaited] = None


def wait_no_more(hand: Envelope, awaited: Envelope) -> None:
    """Note that the handler of `hand` waits for `awaited` no longer."""
    waits = hand.waiting
    if waits is awaited:
        hand.waiting = None
    else:
        assert isinstance(waits, dict)
        del waits[awaited]
        if not waits:
            hand.waiting = None
