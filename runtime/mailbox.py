"""What waits for an actor: envelopes in a bounded trio memory channel.

The mailbox belongs to the cell and not to the life that reads it, so it
survives a restart. Who takes an envelope out owns its reply and must settle it.
"""

from contextvars import Context, ContextVar
from enum import Enum
from typing import Any, Literal, Protocol

import attrs
from attrs.validators import ge, in_

from .replies import Reply

__all__ = ["HAND", "DeadReason", "Envelope", "Mailbox", "Overflow", "Place"]

Overflow = Literal["reject", "drop_oldest", "drop_newest"]


@attrs.frozen
class Mailbox:
    """How many messages wait at most, and what becomes of one more.

    reject raises MailboxFull at the sender; drop_oldest and drop_newest make
    the message a dead letter, and an ask among them fails with MailboxFull.
    1,024 messages are some hundred KiB and a second of work of a busy actor.
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


class Place(Protocol):
    """Where an envelope goes: a cell, as its envelopes see it."""

    path: str
    current: "Envelope | None"


class Envelope:
    """A message under way: what it is, who waits for it, since when.

    While it is handled it is also the hand that holds it: `waiting` is the
    request that this handler waits for, which is how cycles of asks are found.
    """

    __slots__ = (
        "cell",
        "context",
        "enqueued",
        "message",
        "moved",
        "reply",
        "sender",
        "task",
        "waiting",
    )

    def __init__(
        self,
        cell: Place,
        message: Any,
        reply: Reply | None,
        sender: "Envelope | None",
        context: Context,
        enqueued: float,
    ) -> None:
        self.cell = cell
        self.message = message
        self.reply = reply
        self.sender = sender.cell if sender is not None else None
        self.context = context
        self.enqueued = enqueued
        self.waiting: Envelope | None = None
        # The envelope in which its request went on, if it was forwarded.
        self.moved: Envelope | None = None
        # Whether it is in a task of its own, so that its cell reads on.
        self.task = False


HAND: ContextVar[Envelope | None] = ContextVar("HAND", default=None)
"""The envelope that the running code handles; None outside of actors."""
