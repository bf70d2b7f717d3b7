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
    "Attachment",
    "SessionEvent",
    "StopReason",
    "TextAdded",
    "ThoughtAdded",
    "TurnEnded",
    "TurnStarted",
    "UsageChanged",
    "merged",
]


class StopReason(Enum):
    """Why a turn ended; the values are ACP's words where it has them."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    REFUSAL = "refusal"
    CANCELLED = "cancelled"
    ERROR = "error"


@attrs.frozen(kw_only=True)
class TurnStarted:
    """Turn number `turn` of the session has been accepted."""

    first: int
    seq: int
    turn: int


@attrs.frozen(kw_only=True)
class TextAdded:
    """More of the answer's text."""

    first: int
    seq: int
    turn: int
    text: str


@attrs.frozen(kw_only=True)
class ThoughtAdded:
    """More of what the model thinks aloud."""

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
    """Tokens of this turn's answer so far."""

    first: int
    seq: int
    turn: int
    usage: Usage


@attrs.frozen(kw_only=True)
class TurnEnded:
    """The turn is over. `error` is a sentence for a person; empty unless `stop` is ERROR."""

    first: int
    seq: int
    turn: int
    stop: StopReason
    error: str = ""
    retryable: bool = False


SessionEvent = TurnStarted | TextAdded | ThoughtAdded | AnswerReset | UsageChanged | TurnEnded


def merged(earlier: SessionEvent, later: SessionEvent) -> SessionEvent | None:
    """One event in place of both, or None where they must stay two."""
    match earlier, later:
        case (TextAdded() as a, TextAdded() as b) if a.turn == b.turn:
            return TextAdded(first=a.first, seq=b.seq, turn=a.turn, text=a.text + b.text)
        case (ThoughtAdded() as a, ThoughtAdded() as b) if a.turn == b.turn:
            return ThoughtAdded(first=a.first, seq=b.seq, turn=a.turn, text=a.text + b.text)
        case _:
            return None


class Attachment(Protocol):
    """Who listens to a session: a websocket, an embedded consumer.

    `deliver` is called by the session itself, in order, and must neither block
    nor raise: a slow reader is the attachment's own matter.
    """

    def deliver(self, event: SessionEvent) -> None:
        """Take the next event."""
        ...
