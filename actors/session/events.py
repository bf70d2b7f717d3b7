"""What a session tells all who are attached to it: numbered events, in order.

Every event covers the numbers `first` to `seq`. Consecutive deltas of one turn
may be merged into one event that covers both; nothing else is ever merged,
dropped or repeated, so a reader that knows the last `seq` it saw can tell
whether it missed something.
"""

from enum import Enum
from typing import Protocol

import attrs

from ..chat import Usage

__all__ = [
    "AnswerReset",
    "AssistantChanged",
    "Attachment",
    "ModelChanged",
    "PermissionAsked",
    "PermissionSettled",
    "SessionEvent",
    "StopReason",
    "TextAdded",
    "ThoughtAdded",
    "TitleChanged",
    "ToolCalled",
    "ToolEnded",
    "ToolEvent",
    "ToolProgressed",
    "TurnEnded",
    "TurnStarted",
    "UsageChanged",
    "weight",
]


class StopReason(Enum):
    """Why a turn ended; the values are ACP's words where it has them."""

    END_TURN = "end_turn"
    """The model has answered."""
    MAX_TOKENS = "max_tokens"
    """The answer has the tokens that it may have, or the window is full."""
    MAX_TURN_REQUESTS = "max_turn_requests"
    """The model has called tools as often as the assistant lets it."""
    REFUSAL = "refusal"
    """The model, or a filter of its provider, refuses."""
    CANCELLED = "cancelled"
    """Somebody has ended it, or left its block."""
    ERROR = "error"
    """It failed; the event says why."""


@attrs.frozen(kw_only=True)
class TurnStarted:
    """Turn number `turn` of the session has been accepted."""

    first: int
    seq: int
    turn: int


@attrs.frozen(kw_only=True)
class TextAdded:
    """More of the answer's `text`."""

    first: int
    seq: int
    turn: int
    text: str


@attrs.frozen(kw_only=True)
class ThoughtAdded:
    """More of the `text` that the model thinks aloud."""

    first: int
    seq: int
    turn: int
    text: str


@attrs.frozen(kw_only=True)
class AnswerReset:
    """All text and all thoughts of this turn so far are void: the answer begins again.

    It happens only where the model is configured to (`on_midstream = "restart"`).
    `reason` says in a few words who broke off.
    """

    first: int
    seq: int
    turn: int
    reason: str

    @property
    def text(self) -> str:
        """Nothing: who only prints what comes needs no case for it."""
        return ""


@attrs.frozen(kw_only=True)
class UsageChanged:
    """What this turn has taken so far: `usage` are the tokens of all its answers.

    `cost` is in nano-dollars, None where nobody knows it. `context` is how many
    tokens of the model's window the conversation has now, and `window` its size.
    """

    first: int
    seq: int
    turn: int
    usage: Usage
    cost: int | None = None
    context: int | None = None
    window: int | None = None


@attrs.frozen(kw_only=True)
class ToolCalled:
    """The model wants tool `name` to be run; `arguments` is JSON as the model wrote it."""

    first: int
    seq: int
    turn: int
    call_id: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class PermissionAsked:
    """Call `call_id` waits for somebody who says whether it may be run (`SessionHandle.permit`).

    `name` is the tool's, `arguments` is JSON as the model wrote it.
    """

    first: int
    seq: int
    turn: int
    call_id: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class PermissionSettled:
    """Nobody needs to answer any more: the call may be run (`granted`), or may not."""

    first: int
    seq: int
    turn: int
    call_id: str
    granted: bool


@attrs.frozen(kw_only=True)
class ToolProgressed:
    """How far a call is: in words, in `note`, and in `done` as a share from 0 to 1, None where
    that is not known."""

    first: int
    seq: int
    turn: int
    call_id: str
    note: str
    done: float | None = None


@attrs.frozen(kw_only=True)
class ToolEnded:
    """A call of the tool `name` has its result, also where it was not run.

    `result` is what the model reads; `is_error` says that it is told of a failure.
    """

    first: int
    seq: int
    turn: int
    call_id: str
    name: str
    result: str
    is_error: bool


@attrs.frozen(kw_only=True)
class ModelChanged:
    """From the next turn on that `model` is asked; "" is the assistant's own."""

    first: int
    seq: int
    model: str
    turn: int | None = None


@attrs.frozen(kw_only=True)
class AssistantChanged:
    """From the next turn on that `assistant` answers."""

    first: int
    seq: int
    assistant: str
    turn: int | None = None


@attrs.frozen(kw_only=True)
class TitleChanged:
    """The conversation is called `title` now."""

    first: int
    seq: int
    title: str
    turn: int | None = None


@attrs.frozen(kw_only=True)
class TurnEnded:
    """The turn is over. `error` is a sentence for a person; empty unless `stop` is ERROR or
    MAX_TURN_REQUESTS. `retryable` says that the same prompt may do better later."""

    first: int
    seq: int
    turn: int
    stop: StopReason
    error: str = ""
    retryable: bool = False


ToolEvent = ToolCalled | PermissionAsked | PermissionSettled | ToolProgressed | ToolEnded
"""What happens to a call of a tool. `call_id` says which one, within its `turn`; `first` and `seq`
are those of every SessionEvent."""

SessionEvent = (
    TurnStarted
    | TextAdded
    | ThoughtAdded
    | AnswerReset
    | UsageChanged
    | ToolEvent
    | TurnEnded
    | ModelChanged
    | AssistantChanged
    | TitleChanged
)
"""What a session tells. Each event covers the numbers `first` to `seq`, which count the events of
the session from 1 without a gap: more than one where deltas were merged. `turn` is the number of
its turn, from 1; None for what belongs to none."""


def weight(event: SessionEvent) -> int:
    """How many characters an event holds that may be long."""
    match event:
        case TextAdded(text=text) | ThoughtAdded(text=text) | ToolProgressed(note=text):
            return len(text)
        case ToolCalled(arguments=text) | PermissionAsked(arguments=text) | ToolEnded(result=text):
            return len(text)
        case _:
            return 0


class Attachment(Protocol):
    """Who listens to a session: a websocket, an embedded consumer.

    `deliver` is called by the session itself, in order, and must neither block
    nor raise: a slow reader is the attachment's own matter. One that raises is
    told no more; that is logged, and nobody else notices.
    """

    def deliver(self, event: SessionEvent) -> None:
        """Take the next event."""
        ...
