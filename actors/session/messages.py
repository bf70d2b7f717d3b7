"""What one says to a session."""

import attrs

from ...runtime.messages import Request
from ..chat import Message, Part
from .events import Attachment

__all__ = [
    "Attach",
    "Attached",
    "CancelTurn",
    "Detach",
    "GetHistory",
    "Prompt",
    "Retire",
    "SessionMessage",
]


@attrs.frozen
class Prompt(Request[int]):
    """Begin a turn. The answer is the turn's number, at once; what the model
    says comes as events to all who are attached. Where the session is kept in a
    journal, what was said is durable by then.

    Raises TurnInProgress where a turn is running, HistoryFull, and NotKept.
    """

    parts: tuple[Part, ...]


@attrs.frozen
class CancelTurn:
    """End the running turn, if there is one; its TurnEnded says CANCELLED.

    With a number, or the very prompt that it was begun by, only that turn: who
    leaves a turn that has ended must not end somebody else's.
    """

    turn: int | None = None
    prompt: Prompt | None = None


@attrs.frozen
class Attached:
    """What an attachment must know to begin: the number of the last event so
    far, and the turn that is running, if one is."""

    seq: int
    turn: int | None


@attrs.frozen(eq=False)
class Attach(Request[Attached]):
    """Deliver all events from now on to `attachment`, too; once, however often it is asked.

    With `after`, those behind that number first: who comes back gets the rest of
    what it has seen, without a gap or a repeat. Raises EventsGone where not all
    of them are at hand; then it is not attached.
    """

    attachment: Attachment
    after: int | None = None


@attrs.frozen(eq=False)
class Detach:
    """Deliver no more events to `attachment`. The session and its turn go on."""

    attachment: Attachment


@attrs.frozen
class GetHistory(Request[tuple[Message, ...]]):
    """The conversation so far, oldest message first."""


@attrs.frozen
class Retire:
    """End the session, if nobody has been attached and no turn has run for `idle` seconds."""

    idle: float


SessionMessage = Prompt | CancelTurn | Attach | Detach | GetHistory | Retire
