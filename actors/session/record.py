"""What is written down of a session: increments, each of which says what happened.

Never the conversation over again, and never the pieces in which an answer came.
`seq` is the number of the last event that clients were told of it (events.py):
after a restart the numbers go on behind it. `turn` is the turn's number.

Before you edit: these are in people's files. What is changed here needs a new
version and a step from the older one, in record_codec.py.
"""

from typing import Final

import attrs

from ..chat import Finish, Message, Part, ToolCallPart, ToolResultPart, Usage

__all__ = [
    "MOST_IN_A_TURN",
    "OTHER",
    "Answered",
    "AssistantSwitched",
    "Forgotten",
    "Interrupted",
    "ModelSwitched",
    "Opened",
    "Record",
    "Summarised",
    "Titled",
    "ToolIntended",
    "ToolReturned",
    "TurnAccepted",
    "TurnOver",
]

MOST_IN_A_TURN: Final = 2**20
"""The events that clients may be told between two records. Some three hours of a fast model.

Only so is it known after a crash which numbers nobody has seen."""

OTHER: Final = -(2**31)
"""What stands in the cuts of an answer for an event that is none of its own."""


@attrs.frozen(kw_only=True)
class Opened:
    """The session was opened by `owner`, to talk to `assistant`."""

    owner: str
    assistant: str


@attrs.frozen(kw_only=True)
class TurnAccepted:
    """A turn was accepted: this was said."""

    turn: int
    seq: int
    parts: tuple[Part, ...]


@attrs.frozen(kw_only=True)
class ToolIntended:
    """A tool is about to be run: `call`, in turn number `turn`. Where nothing follows, nobody knows
    whether it was; `idempotent` says that running it again does no harm."""

    turn: int
    call: ToolCallPart
    idempotent: bool = False


@attrs.frozen(kw_only=True)
class ToolReturned:
    """What came of a tool, also where that is an error. Event `seq` told it."""

    turn: int
    result: ToolResultPart
    seq: int = 0


@attrs.frozen(kw_only=True)
class Answered:
    """A model has answered: `message` is what belongs to the conversation (it may have no parts).

    `target` is who has answered ("provider/model"), and `model` what that one
    calls itself. `cost` is in nano-dollars, None where nobody knows it. Clients
    were told of it by the events `first` to `seq`: `cuts` has the length of the
    text in each, below zero where it was a thought, 0 where all so far was
    taken back, and OTHER where it was no event of the answer; it is empty where
    they do not make up the message. Behind them there is an event for each tool
    that the message calls, and if there is one more, it came first and told the
    usage. `window` is the size of the model's, None where nobody knows it.
    """

    turn: int
    first: int
    seq: int
    cuts: tuple[int, ...]
    message: Message
    finish: Finish
    target: str
    model: str = ""
    usage: Usage | None = None
    cost: int | None = None
    window: int | None = None


@attrs.frozen(kw_only=True)
class TurnOver:
    """The turn has ended: `stop` is the value of a StopReason, the rest as TurnEnded says it."""

    turn: int
    seq: int
    stop: str
    error: str = ""
    retryable: bool = False


@attrs.frozen(kw_only=True)
class Interrupted:
    """The turn was under way when its process ended; written by the next one."""

    turn: int
    seq: int


@attrs.frozen(kw_only=True)
class ModelSwitched:
    """From now on that model is asked: the name of a configured one, "" for the assistant's own.

    Event `seq` told it.
    """

    model: str
    seq: int = 0


@attrs.frozen(kw_only=True)
class AssistantSwitched:
    """From now on that assistant answers, with the model that is its own. Event `seq` told it."""

    assistant: str
    seq: int = 0


@attrs.frozen(kw_only=True)
class Summarised:
    """What the first `until` messages of the conversation come to, for models whose window is full.

    The conversation keeps them all the same.
    """

    until: int
    text: str


@attrs.frozen(kw_only=True)
class Forgotten:
    """The first `until` messages are no part of the conversation any more: it was too long."""

    until: int


@attrs.frozen(kw_only=True)
class Titled:
    """What the conversation is called. Event `seq` told it."""

    title: str
    seq: int = 0


Record = (
    Opened
    | TurnAccepted
    | ToolIntended
    | ToolReturned
    | Answered
    | TurnOver
    | Interrupted
    | ModelSwitched
    | AssistantSwitched
    | Summarised
    | Forgotten
    | Titled
)
