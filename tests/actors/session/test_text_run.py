"""Which events may become one, and that nothing is lost when they do."""

from itertools import pairwise

from hypothesis import given, strategies as st

from trouper.actors.chat import Usage
from trouper.actors.session.events import (
    AnswerReset,
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from trouper.actors.session.text_run import TextRun

KINDS = ("text", "thought", "started", "usage", "reset", "ended")


def event(seq: int, kind: str, turn: int, text: str) -> SessionEvent:
    match kind:
        case "text":
            return TextAdded(first=seq, seq=seq, turn=turn, text=text)
        case "thought":
            return ThoughtAdded(first=seq, seq=seq, turn=turn, text=text)
        case "started":
            return TurnStarted(first=seq, seq=seq, turn=turn)
        case "usage":
            return UsageChanged(first=seq, seq=seq, turn=turn, usage=Usage())
        case "reset":
            return AnswerReset(first=seq, seq=seq, turn=turn, reason="it broke off")
        case _:
            return TurnEnded(first=seq, seq=seq, turn=turn, stop=StopReason.END_TURN)


EVENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 2), st.text(max_size=3)), max_size=30
).map(lambda rows: [event(seq, *row) for seq, row in enumerate(rows, 1)])


def few(events: list[SessionEvent], joined_at: int) -> list[SessionEvent]:
    """As few as they may become."""

    class Run(TextRun):
        __slots__ = ()

    Run.joined_at = joined_at
    runs: list[SessionEvent | TextRun] = []
    for one in events:
        last = runs[-1] if runs else None
        if not isinstance(last, TextRun) or not last.takes(one):
            runs.append(Run(one) if isinstance(one, TextAdded | ThoughtAdded) else one)
    return [one.event() if isinstance(one, TextRun) else one for one in runs]


def text_of(events: list[SessionEvent], kind: type[TextAdded | ThoughtAdded]) -> str:
    return "".join(one.text for one in events if isinstance(one, kind))


@given(EVENTS, st.integers(2, 4))
def test_a_run_loses_no_number_no_text_and_no_other_event(
    events: list[SessionEvent], joined_at: int
) -> None:
    told = few(events, joined_at)

    covered = [number for one in told for number in range(one.first, one.seq + 1)]
    assert covered == [one.seq for one in events]
    for kind in (TextAdded, ThoughtAdded):
        assert text_of(told, kind) == text_of(events, kind)
    others = [one for one in events if not isinstance(one, TextAdded | ThoughtAdded)]
    assert [one for one in told if not isinstance(one, TextAdded | ThoughtAdded)] == others


@given(EVENTS)
def test_only_neighbours_of_one_kind_and_turn_become_one(events: list[SessionEvent]) -> None:
    for earlier, later in pairwise(events):
        if isinstance(earlier, TextAdded | ThoughtAdded):
            alike = type(earlier) is type(later) and earlier.turn == later.turn
            assert TextRun(earlier).takes(later) == alike
