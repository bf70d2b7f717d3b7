"""What the records of a session come to: its turns, its sums, and what is open.

`applied` is a pure function, and total: it makes something valid of any records
in any order, since a journal may end anywhere. A session that runs and one that
is read back from its journal use the same, so they know the same.
"""

from collections.abc import Iterable, Iterator
from typing import Final, assert_never

import attrs

from ..chat import Message, ToolCallPart, ToolResultPart, Usage
from ..policy.summary import Summary
from .record import (
    Answered,
    AssistantSwitched,
    Forgotten,
    Interrupted,
    ModelSwitched,
    Opened,
    Record,
    Summarised,
    Titled,
    ToolIntended,
    ToolReturned,
    TurnAccepted,
    TurnOver,
)
from .size import size_of

__all__ = [
    "INTERRUPTED",
    "PastTurn",
    "State",
    "applied",
    "calls_of",
    "conversation",
    "first_words",
    "messages_of",
    "replayed",
    "results_of",
    "total",
]

INTERRUPTED: Final = "interrupted"
"""How a turn has ended whose process did. All others end by a StopReason."""

# Characters of a title: a line of a list.
_TITLE: Final = 60

# Of the turns that nobody has answered. Persons read them, and no model; a client that asks and
# asks what every provider refuses would fill the memory, and each later record would copy them.
_MOST_UNANSWERED: Final = 64
_MOST_UNANSWERED_CHARACTERS: Final = 1_000_000


@attrs.frozen(kw_only=True)
class PastTurn:
    """Turn `number`: what was `asked` and said, and how it ended; `stop` is "" while it is under way,
    and `error` a sentence where it failed. `target` is which model of which provider answered.

    `said` are the assistant's messages and `results` what its tools gave, in the
    order of their ends. `intended` are the tools whose results are not there.
    `at` is in seconds since 1970. `cost` is what is known of it, in
    nano-dollars, `unpriced` how many answers there are of which nobody knows it, and
    `usage` their tokens.
    """

    number: int
    at: float
    asked: Message
    said: tuple[Message, ...] = ()
    intended: tuple[ToolIntended, ...] = ()
    results: tuple[ToolResultPart, ...] = ()
    stop: str = ""
    error: str = ""
    target: str = ""
    usage: Usage = Usage()
    cost: int = 0
    unpriced: int = 0

    @property
    def unknown(self) -> tuple[ToolIntended, ...]:
        """The tools of which nobody will ever know whether they ran: none while it is under way."""
        return self.intended if self.stop else ()

    @property
    def is_unanswered(self) -> bool:
        """Whether it has ended with nothing said: no model is shown it."""
        return bool(self.stop) and not self.said


@attrs.frozen(kw_only=True)
class State:
    """A session: its `turns`, the oldest first, and its `title`. `seq` is the number of the last
    event that clients may have been told, and `number` that of the last turn.

    Of the turns that nobody has answered the oldest go, beyond 64 of them or a million
    characters. `owner` is who opened it, "" being nobody in particular; `assistant` who answers.
    `model` is "" where it is the assistant's own; `summary` counts messages of
    the conversation. `usage`, `cost`, in nano-dollars, and `unpriced` are those of all turns.
    """

    owner: str = ""
    assistant: str = ""
    model: str = ""
    title: str = ""
    seq: int = 0
    turns: tuple[PastTurn, ...] = ()
    summary: Summary | None = None
    usage: Usage = Usage()
    cost: int = 0
    unpriced: int = 0
    number: int = 0

    @property
    def turn(self) -> PastTurn | None:
        """The turn under way, if one is."""
        return self.turns[-1] if self.turns and not self.turns[-1].stop else None


def replayed(records: Iterable[tuple[Record, float]], state: State | None = None) -> State:
    """What records, each with its time, come to, on top of `state`."""
    state = state if state is not None else State()
    for record, at in records:
        state = applied(state, record, at)
    return state


def applied(state: State, record: Record, at: float) -> State:
    """The state after one record more. What belongs to no turn under way changes nothing."""
    match record:
        case Opened():
            return attrs.evolve(state, owner=record.owner, assistant=record.assistant)
        case ModelSwitched():
            return attrs.evolve(state, model=record.model, seq=max(state.seq, record.seq))
        case AssistantSwitched():
            seq = max(state.seq, record.seq)
            return attrs.evolve(state, assistant=record.assistant, model="", seq=seq)
        case Titled():
            return attrs.evolve(state, title=record.title, seq=max(state.seq, record.seq))
        case Summarised():
            return attrs.evolve(state, summary=Summary(record.text, record.until))
        case Forgotten():
            return _forgotten(state, record.until)
        case TurnAccepted():
            return _begun(state, record, at)
        case ToolIntended() | ToolReturned() | Answered() | TurnOver() | Interrupted():
            turn = state.turn
            if turn is None or turn.number != record.turn:
                return state
            return _in_turn(state, turn, record)
        case _:
            assert_never(record)


def _forgotten(state: State, until: int) -> State:
    """Without the turns that lie before that message; the one under way stays."""
    turns, summary, left = state.turns, state.summary, until
    while turns and turns[0].stop and (size := len(list(messages_of(turns[0])))) <= left:
        turns, left = turns[1:], left - size
    if summary is not None:
        summary = attrs.evolve(summary, until=max(0, summary.until - (until - left)))
    return attrs.evolve(state, turns=turns, summary=summary)


def _begun(state: State, record: TurnAccepted, at: float) -> State:
    if record.turn <= state.number:
        return state
    turns = state.turns
    if state.turn is not None:
        turns = (*turns[:-1], attrs.evolve(turns[-1], stop=INTERRUPTED))
    turn = PastTurn(number=record.turn, at=at, asked=Message("user", record.parts))
    return attrs.evolve(
        state,
        number=record.turn,
        seq=max(state.seq, record.seq),
        turns=(*turns, turn),
        title=state.title or first_words(turn.asked),
    )


def first_words(asked: Message) -> str:
    """What a conversation is called that begins with this, until somebody knows better."""
    return " ".join(asked.text[: 10 * _TITLE].split())[:_TITLE]


def _in_turn(
    state: State,
    turn: PastTurn,
    record: ToolIntended | ToolReturned | Answered | TurnOver | Interrupted,
) -> State:
    match record:
        case ToolIntended():
            new = attrs.evolve(turn, intended=(*turn.intended, record))
        case ToolReturned(result=result):
            left = tuple(one for one in turn.intended if one.call.id != result.call_id)
            new = attrs.evolve(turn, intended=left, results=(*turn.results, result))
        case Answered():
            return _answered(state, turn, record)
        case TurnOver():
            new = attrs.evolve(turn, stop=record.stop or INTERRUPTED, error=record.error)
        case Interrupted():
            new = attrs.evolve(turn, stop=INTERRUPTED)
        case _:
            assert_never(record)
    seq = record.seq if isinstance(record, ToolReturned | TurnOver | Interrupted) else 0
    turns = (*state.turns[:-1], new)
    if new.is_unanswered:
        turns = _without_oldest_unanswered(turns)
    return attrs.evolve(state, seq=max(state.seq, seq), turns=turns)


def _without_oldest_unanswered(turns: tuple[PastTurn, ...]) -> tuple[PastTurn, ...]:
    """As many of the unanswered ones as may be kept, the last in any case; all others."""
    left, room = _MOST_UNANSWERED, _MOST_UNANSWERED_CHARACTERS
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        if turn.is_unanswered:
            left, room = left - 1, room - size_of(turn.asked)
            if kept and (left < 0 or room < 0):
                continue
        kept.append(turn)
    return tuple(reversed(kept))


def _answered(state: State, turn: PastTurn, record: Answered) -> State:
    usage, cost = record.usage or Usage(), record.cost or 0
    unpriced = int(record.cost is None)
    new = attrs.evolve(
        turn,
        said=(*turn.said, record.message) if record.message.parts else turn.said,
        target=record.target,
        usage=total(turn.usage, usage),
        cost=turn.cost + cost,
        unpriced=turn.unpriced + unpriced,
    )
    return attrs.evolve(
        state,
        seq=max(state.seq, record.seq),
        turns=(*state.turns[:-1], new),
        usage=total(state.usage, usage),
        cost=state.cost + cost,
        unpriced=state.unpriced + unpriced,
    )


def total(a: Usage, b: Usage) -> Usage:
    """The tokens of both."""
    return Usage(
        input=a.input + b.input,
        output=a.output + b.output,
        cache_read=a.cache_read + b.cache_read,
        cache_write=a.cache_write + b.cache_write,
        cache_write_1h=a.cache_write_1h + b.cache_write_1h,
        reasoning=a.reasoning + b.reasoning,
        estimated=a.estimated or b.estimated,
    )


# What a model is shown of it.


def conversation(state: State) -> list[Message]:
    """The messages of all turns, as models are shown them."""
    return [message for turn in state.turns for message in messages_of(turn)]


def messages_of(turn: PastTurn) -> Iterator[Message]:
    """The messages of one turn, as models are shown them.

    Of a turn that nobody has answered there are none, so that it can be asked
    again. Behind an answer that calls tools stand their results, in the order of
    the calls, one for each: without it providers refuse the conversation.
    """
    if not turn.said:
        return
    yield turn.asked
    # Once for all: a turn may have a thousand legs, and is put together at each.
    known, intended = _by_call(turn)
    for message in turn.said:
        yield message
        results = _results(message, known, intended)
        if results:
            yield Message("tool", results)


def calls_of(message: Message) -> tuple[ToolCallPart, ...]:
    """The tools that a message calls."""
    return tuple(part for part in message.parts if isinstance(part, ToolCallPart))


def results_of(turn: PastTurn, message: Message) -> tuple[ToolResultPart, ...]:
    """The results of the tools that a message of the turn calls, in the order of the calls: also
    of those that nobody has, in words that say so."""
    return _results(message, *_by_call(turn))


def _by_call(turn: PastTurn) -> tuple[dict[str, ToolResultPart], dict[str, ToolIntended]]:
    """What tools of the turn gave, and those that gave nothing, by the ids of the calls."""
    known = {result.call_id: result for result in turn.results}
    return known, {one.call.id: one for one in turn.intended}


def _results(
    message: Message, known: dict[str, ToolResultPart], intended: dict[str, ToolIntended]
) -> tuple[ToolResultPart, ...]:
    return tuple(known.get(call.id) or _no_result(call, intended) for call in calls_of(message))


def _no_result(call: ToolCallPart, intended: dict[str, ToolIntended]) -> ToolResultPart:
    one = intended.get(call.id)
    if one is None:
        said = f"{call.name} was not run: the turn ended before"
    elif one.idempotent:
        said = f"{call.name} was interrupted, and may be called again: that does no harm"
    else:
        said = (
            f"{call.name} was begun, and the program ended before its end; whether it has done "
            f"its work is not known. Look before you call it again"
        )
    return ToolResultPart(call.id, said, is_error=True)
