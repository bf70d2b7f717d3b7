"""The events that clients were told, out of what was written down of them.

So that a client that comes back after a restart gets the rest of what it has
seen: the numbers are the same and so are the cuts of each answer. What is not
written down (how far a tool was, who was asked for leave), what an answer has
taken back, and what a crash cut off, is within the numbers of the next event.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from ..chat import Message, Part, TextPart, ThinkingPart
from .events import (
    AnswerReset,
    AssistantChanged,
    ModelChanged,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TitleChanged,
    ToolCalled,
    ToolEnded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from .record import (
    OTHER,
    Answered,
    AssistantSwitched,
    Interrupted,
    ModelSwitched,
    Record,
    Titled,
    ToolReturned,
    TurnAccepted,
    TurnOver,
)
from .state import PastTurn, State, applied, calls_of, results_of

__all__ = ["WAS_INTERRUPTED", "cuts_of", "events_of", "in_order", "replayed_events", "told_of"]

WAS_INTERRUPTED: Final = "the session was interrupted during this turn; ask again"
"""What is said of a turn that was under way when its process ended, or its session crashed."""

_RESET: Final = "it broke off"


def cuts_of(cuts: Sequence[int], message: Message) -> tuple[int, ...]:
    """The cuts of an answer, if they make up its message; else none."""
    standing = [cut for cut in cuts[_after_reset(cuts) :] if cut != OTHER]
    text, thought = _texts(message)
    fits = sum(cut for cut in standing if cut > 0) == len(text) and -sum(
        cut for cut in standing if cut < 0
    ) == len(thought)
    return tuple(cuts) if fits else ()


def told_of(cuts: Sequence[int], message: Message) -> Message:
    """As much of an answer that is under way as these cuts have told: its text and thoughts."""
    standing = [cut for cut in cuts[_after_reset(cuts) :] if cut != OTHER]
    text, thought = _texts(message)
    text = text[: sum(cut for cut in standing if cut > 0)]
    thought = thought[: -sum(cut for cut in standing if cut < 0)]
    parts: list[Part] = [ThinkingPart(thought)] if thought else []
    return Message("assistant", (*parts, TextPart(text)) if text else tuple(parts))


def replayed_events(records: Iterable[Record], seq: int = 0) -> list[SessionEvent]:
    """The events of these records, of which the first follows number `seq`."""
    state, told = State(seq=seq), list[SessionEvent]()
    for record in records:
        before, state = state, applied(state, record, 0.0)
        told += events_of(record, before, state)
    return in_order(told, seq)


def in_order(events: Iterable[SessionEvent], seq: int) -> list[SessionEvent]:
    """Events as they were told, of which the first follows number `seq`: without a gap."""
    told: list[SessionEvent] = []
    # What came within an answer was written down before that.
    for event in sorted(events, key=lambda event: event.seq):
        if event.seq > seq:
            told.append(event if event.first == seq + 1 else attrs.evolve(event, first=seq + 1))
            seq = event.seq
    return told


def events_of(record: Record, before: State, after: State) -> Iterator[SessionEvent]:
    """The events that one record stands for, with the states before it and after it.

    Where they begin is for `in_order` to say.
    """
    match record:
        case TurnAccepted(turn=turn, seq=seq):
            yield TurnStarted(first=seq, seq=seq, turn=turn)
        case Answered():
            yield from _answer(record)
            yield from _behind(record, after.turn)
        case ToolReturned(result=result, seq=seq) if seq:
            yield ToolEnded(
                first=seq,
                seq=seq,
                turn=record.turn,
                call_id=result.call_id,
                name=_name(before.turn, result.call_id),
                result=result.content,
                is_error=result.is_error,
            )
        case TurnOver(seq=seq):
            yield TurnEnded(
                first=seq,
                seq=seq,
                turn=record.turn,
                stop=StopReason(record.stop),
                error=record.error,
                retryable=record.retryable,
            )
        case Interrupted():
            yield from _interrupted(record, before.turn)
        case ModelSwitched(model=model, seq=seq) if seq:
            yield ModelChanged(first=seq, seq=seq, model=model)
        case AssistantSwitched(assistant=assistant, seq=seq) if seq:
            yield AssistantChanged(first=seq, seq=seq, assistant=assistant)
        case Titled(title=title, seq=seq) if seq:
            yield TitleChanged(first=seq, seq=seq, title=title)
        case _:
            pass


def _interrupted(record: Interrupted, turn: PastTurn | None) -> Iterator[SessionEvent]:
    """The end of a turn of which nobody knows what clients were told after the record before; and
    of its tools without results, of which nobody will ever know."""
    last = turn.said[-1] if turn is not None and turn.said else Message("assistant", ())
    known = {result.call_id for result in turn.results} if turn is not None else set[str]()
    open = (
        [] if turn is None else [one for one in results_of(turn, last) if one.call_id not in known]
    )
    for seq, result in enumerate(open, record.seq - len(open)):
        yield ToolEnded(
            first=seq,
            seq=seq,
            turn=record.turn,
            call_id=result.call_id,
            name=_name(turn, result.call_id),
            result=result.content,
            is_error=True,
        )
    yield TurnEnded(
        first=record.seq,
        seq=record.seq,
        turn=record.turn,
        stop=StopReason.ERROR,
        error=WAS_INTERRUPTED,
        retryable=True,
    )


def _answer(record: Answered) -> Iterator[SessionEvent]:
    """What was streamed of an answer."""
    text, thought = _texts(record.message)
    turn = record.turn
    if not record.cuts:
        seq = record.seq - len(calls_of(record.message))
        if seq >= record.first and text:
            yield TextAdded(first=record.first, seq=seq, turn=turn, text=text)
        return
    since = _after_reset(record.cuts)
    if since:
        at = record.first + since - 1
        yield AnswerReset(first=at, seq=at, turn=turn, reason=_RESET)
    told = thought_of = 0
    for seq, cut in enumerate(record.cuts[since:], record.first + since):
        if cut == OTHER:
            continue
        if cut > 0:
            piece, told = text[told : told + cut], told + cut
            yield TextAdded(first=seq, seq=seq, turn=turn, text=piece)
        else:
            piece, thought_of = thought[thought_of : thought_of - cut], thought_of - cut
            yield ThoughtAdded(first=seq, seq=seq, turn=turn, text=piece)


def _behind(record: Answered, turn: PastTurn | None) -> Iterator[SessionEvent]:
    """What was told at the end of an answer: what the turn has taken, and the tools to be run."""
    calls = calls_of(record.message)
    first = record.seq - len(calls) + 1
    usage = record.usage
    if first > record.first + len(record.cuts) and usage is not None and _is_told(record):
        yield UsageChanged(
            first=first - 1,
            seq=first - 1,
            turn=record.turn,
            usage=usage if turn is None else turn.usage,
            cost=record.cost if turn is None else None if turn.unpriced else turn.cost,
            context=usage.input + usage.output,
            window=record.window,
        )
    for seq, call in enumerate(calls, first):
        yield ToolCalled(
            first=seq,
            seq=seq,
            turn=record.turn,
            call_id=call.id,
            name=call.name,
            arguments=call.args_json,
        )


def _is_told(record: Answered) -> bool:
    """Whether it is known which of its events told the usage."""
    return bool(record.cuts) or not any(_texts(record.message))


def _name(turn: PastTurn | None, call_id: str) -> str:
    said = () if turn is None else turn.said
    return next((one.name for m in said for one in calls_of(m) if one.id == call_id), "")


def _after_reset(cuts: Sequence[int]) -> int:
    """How many cuts there are up to the last reset, that one included."""
    return max((index for index, cut in enumerate(cuts, 1) if cut == 0), default=0)


def _texts(message: Message) -> tuple[str, str]:
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart)]
    return "".join(texts), "".join(thoughts)
