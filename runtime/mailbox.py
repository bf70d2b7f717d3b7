"""What waits for an actor: envelopes in a bounded trio memory channel.

The mailbox belongs to the cell and not to the life that reads it, so it
survives a restart. Who takes an envelope out owns its reply and must settle it.
"""

from contextvars import Context
from enum import Enum
from typing import Any, Literal, Protocol

import attrs
from attrs.validators import ge, in_

from .replies import Reply

__all__ = ["DeadReason", "Envelope", "Mailbox", "Overflow", "Place"]

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
    request that this handler waits for, or has been forwarded as, which is how
    cycles of asks are found. `task` says that it does not hold up its cell.
    """

    # Made once a message: each slot costs 15 ns.
    __slots__ = ("cell", "context", "enqueued", "message", "reply", "task", "waiting")

    def __init__(
        self,
        cell: Place,
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
        self.waiting: Envelope | None = None
        self.task = False
