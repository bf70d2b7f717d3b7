"""Records of sessions: some to write tests with, and strategies for any that a session may write."""

from typing import Any

from hypothesis import strategies as st

from trouper.actors.chat import (
    AudioPart,
    FilePart,
    Finish,
    ImagePart,
    IncompleteToolCall,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from trouper.actors.session.record import (
    MOST_IN_A_TURN,
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
from trouper.actors.session.state import calls_of

__all__ = ["accepted", "answered", "lives", "over", "parts", "records"]

WORDS = st.text(max_size=8)
NUMBERS = st.integers(0, 2**40)
USAGES = st.builds(Usage, input=NUMBERS, output=NUMBERS, reasoning=NUMBERS, estimated=st.booleans())
CALLS = st.builds(ToolCallPart, WORDS, WORDS, WORDS)
JSON = st.dictionaries(WORDS, st.none() | st.booleans() | WORDS | st.lists(NUMBERS, max_size=2))
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, WORDS),
    st.builds(ImagePart, WORDS, WORDS, WORDS),
    st.builds(AudioPart, WORDS, WORDS),
    st.builds(FilePart, WORDS, WORDS, WORDS, WORDS),
    st.builds(ThinkingPart, WORDS, WORDS, st.booleans(), WORDS),
    CALLS,
    st.builds(IncompleteToolCall, WORDS, WORDS, WORDS),
    st.builds(ToolResultPart, WORDS, WORDS, st.booleans()),
    st.builds(OpaquePart, WORDS, JSON),
)
MESSAGES = st.builds(Message, st.just("assistant"), st.lists(parts, max_size=3).map(tuple), WORDS)
TURNS = st.integers(1, 5)

records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Opened, owner=WORDS, assistant=WORDS),
    st.builds(TurnAccepted, turn=TURNS, seq=NUMBERS, parts=st.lists(parts, max_size=2).map(tuple)),
    st.builds(ToolIntended, turn=TURNS, call=CALLS, idempotent=st.booleans()),
    st.builds(
        ToolReturned, turn=TURNS, result=st.builds(ToolResultPart, WORDS, WORDS), seq=NUMBERS
    ),
    st.builds(
        Answered,
        turn=TURNS,
        first=NUMBERS,
        seq=NUMBERS,
        cuts=st.lists(st.integers(-9, 9), max_size=4).map(tuple),
        message=MESSAGES,
        finish=st.sampled_from(Finish),
        target=WORDS,
        model=WORDS,
        usage=st.none() | USAGES,
        cost=st.none() | NUMBERS,
        window=st.none() | NUMBERS,
    ),
    st.builds(
        TurnOver,
        turn=TURNS,
        seq=NUMBERS,
        stop=st.sampled_from(["end_turn", "cancelled", "error"]),
        error=WORDS,
        retryable=st.booleans(),
    ),
    st.builds(Interrupted, turn=TURNS, seq=NUMBERS),
    st.builds(ModelSwitched, model=WORDS, seq=NUMBERS),
    st.builds(AssistantSwitched, assistant=WORDS, seq=NUMBERS),
    st.builds(Summarised, until=st.integers(0, 9), text=WORDS),
    st.builds(Forgotten, until=st.integers(0, 9)),
    st.builds(Titled, title=WORDS, seq=NUMBERS),
)
"""Any record at all."""


def accepted(turn: int = 1, seq: int = 1, text: str = "hello") -> TurnAccepted:
    return TurnAccepted(turn=turn, seq=seq, parts=(TextPart(text),))


def answered(turn: int = 1, first: int = 2, text: str = "hi", **more: Any) -> Answered:
    cuts = more.setdefault("cuts", (len(text),) if text else ())
    calls = calls_of(more["message"]) if "message" in more else ()
    fields: dict[str, Any] = {
        "seq": first + len(cuts) - 1 + ("usage" in more) + len(calls),
        "message": Message("assistant", (TextPart(text),) if text else ()),
        "finish": Finish.STOP,
        "target": "sim/m",
    }
    return Answered(turn=turn, first=first, **fields | more)


def over(turn: int = 1, seq: int = 3, stop: str = "end_turn", **more: Any) -> TurnOver:
    return TurnOver(turn=turn, seq=seq, stop=stop, **more)


@st.composite
def lives(draw: st.DrawFn) -> list[Record]:
    """All that a session writes in its life, in the order in which it may: crashes and tools, too."""
    written: list[Record] = [Opened(owner=draw(WORDS), assistant="default")]
    seq = 0
    for turn in range(1, draw(st.integers(0, 5)) + 1):
        seq += 1
        written.append(accepted(turn, seq, draw(WORDS)))
        for leg in range(draw(st.integers(0, 2))):
            calls = [
                ToolCallPart(f"{turn}-{leg}-{n}", "look", "{}")
                for n in range(draw(st.integers(0, 2)))
            ]
            pieces = draw(st.lists(st.text(min_size=1, max_size=5), max_size=4))
            answer = answered(
                turn,
                seq + 1,
                "".join(pieces),
                cuts=tuple(map(len, pieces)),
                message=Message("assistant", (*map(TextPart, pieces), *calls)),
                cost=draw(st.none() | NUMBERS),
                **({"usage": draw(USAGES)} if draw(st.booleans()) else {}),
            )
            seq = answer.seq
            written.append(answer)
            harmless = draw(st.booleans())
            written += [ToolIntended(turn=turn, call=call, idempotent=harmless) for call in calls]
            for call in draw(st.permutations(calls)):
                if draw(st.booleans()):
                    # Between them it may be told how far the others are.
                    seq += draw(st.integers(1, 3))
                    result = ToolResultPart(call.id, "found")
                    written.append(ToolReturned(turn=turn, result=result, seq=seq))
            if draw(st.booleans()):
                seq += 1
                written.append(draw(st.builds(Titled, title=WORDS, seq=st.just(seq))))
        if draw(st.booleans()):
            seq += 1
            written.append(over(turn, seq, draw(st.sampled_from(["end_turn", "error"]))))
        else:
            seq += MOST_IN_A_TURN
            written.append(Interrupted(turn=turn, seq=seq))
        if draw(st.booleans()):
            written.append(draw(st.builds(Summarised, until=st.integers(0, turn), text=WORDS)))
    return written
