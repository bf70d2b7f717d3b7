"""The events that clients were told, out of what was written down of them.

So that a client that comes back after a restart gets the rest of what it has
seen: the numbers are the same and so are the cuts of each answer. Only what an
answer has taken back, and what a crash cut off, is told in one event for all.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..chat import Message, TextPart, ThinkingPart
from .events import (
    AnswerReset,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from .record import Answered, Interrupted, Record, TurnAccepted, TurnOver

__all__ = ["WAS_INTERRUPTED", "cuts_of", "interruption", "retold"]

WAS_INTERRUPTED: Final = "the server was stopped during this turn; ask again"
"""What is said of a turn that was under way when its process ended."""

_RESET: Final = "it broke off"


def cuts_of(cuts: Sequence[int], message: Message) -> tuple[int, ...]:
    """The cuts of an answer, if they make up its message; else none."""
    since = _after_reset(cuts)
    standing = cuts[since:]
    text, thought = _texts(message)
    fits = sum(cut for cut in standing if cut > 0) == len(text) and -sum(
        cut for cut in standing if cut < 0
    ) == len(thought)
    return tuple(cuts) if fits else ()


def retold(records: Iterable[Record], seq: int = 0) -> Iterator[SessionEvent]:
    """The events of these records, of which the first follows number `seq`."""
    for record in records:
        match record:
            case TurnAccepted():
                yield TurnStarted(first=seq + 1, seq=record.seq, turn=record.turn)
                seq = record.seq
            case Answered():
                for event in _answer(record, seq):
                    yield event
                    seq = event.seq
            case TurnOver():
                yield TurnEnded(
                    first=seq + 1,
                    seq=record.seq,
                    turn=record.turn,
                    stop=StopReason(record.stop),
                    error=record.error,
                    retryable=record.retryable,
                )
                seq = record.seq
            case Interrupted():
                yield interruption(record, seq)
                seq = record.seq
            case _:
                pass


def interruption(record: Interrupted, seq: int) -> TurnEnded:
    """The end of a turn of which nobody knows what clients were told behind number `seq`."""
    return TurnEnded(
        first=seq + 1,
        seq=record.seq,
        turn=record.turn,
        stop=StopReason.ERROR,
        error=WAS_INTERRUPTED,
        retryable=True,
    )


def _answer(record: Answered, seq: int) -> Iterator[SessionEvent]:
    text, thought = _texts(record.message)
    turn = record.turn
    if not record.cuts:
        if record.seq > seq and text:
            yield TextAdded(first=seq + 1, seq=record.seq, turn=turn, text=text)
        return
    since = _after_reset(record.cuts)
    if since:
        at = record.first + since - 1
        yield AnswerReset(first=seq + 1, seq=at, turn=turn, reason=_RESET)
        seq = at
    told = thought_of = 0
    for number, cut in enumerate(record.cuts[since:], record.first + since):
        if cut > 0:
            piece, told = text[told : told + cut], told + cut
            yield TextAdded(first=seq + 1, seq=number, turn=turn, text=piece)
        else:
            piece, thought_of = thought[thought_of : thought_of - cut], thought_of - cut
            yield ThoughtAdded(first=seq + 1, seq=number, turn=turn, text=piece)
        seq = number
    if record.seq > seq and record.usage is not None:
        yield UsageChanged(first=seq + 1, seq=record.seq, turn=turn, usage=record.usage)


def _after_reset(cuts: Sequence[int]) -> int:
    """How many cuts there are up to the last reset, that one included."""
    return max((index for index, cut in enumerate(cuts, 1) if cut == 0), default=0)


def _texts(message: Message) -> tuple[str, str]:
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart)]
    return "".join(texts), "".join(thoughts)
