"""What was written down of a session tells again what its clients were told."""

from hypothesis import given

from tests.fakes.records import accepted, answered, lives, over
from trouper.actors.chat import Message, TextPart, ToolCallPart, ToolResultPart, Usage
from trouper.actors.session.event_replay import cuts_of, replayed_events
from trouper.actors.session.events import TextAdded, TitleChanged, ToolCalled, ToolEnded
from trouper.actors.session.record import OTHER, ModelSwitched, Record, Titled, ToolReturned
from trouper.actors.session.state import calls_of, replayed


@given(lives())
def test_all_that_was_told_in_a_life_is_told_again_without_a_gap(written: list[Record]) -> None:
    state = replayed((record, 0.0) for record in written)
    events = replayed_events(written)

    assert [event.first for event in events] == [1, *[event.seq + 1 for event in events]][
        : len(events)
    ]
    assert (events[-1].seq if events else 0) == state.seq
    calls = {call.id for turn in state.turns for said in turn.said for call in calls_of(said)}
    assert {event.call_id for event in events if isinstance(event, ToolCalled)} == calls
    # Each has one end, unless its turn was left as no session leaves it.
    ends = [event.call_id for event in events if isinstance(event, ToolEnded)]
    assert len(set(ends)) == len(ends)
    assert {result.call_id for turn in state.turns for result in turn.results} <= set(ends)
    named = {event.name for event in events if isinstance(event, ToolEnded)}
    assert named <= {"look"}


def test_an_event_within_an_answer_is_told_where_it_was() -> None:
    message = Message("assistant", (TextPart("hello"),))
    records: list[Record] = [
        accepted(1, 1),
        Titled(title="Greetings", seq=3),
        answered(first=2, text="hello", cuts=(2, OTHER, 3), message=message),
        over(seq=5),
    ]

    assert replayed_events(records)[1:4] == [
        TextAdded(first=2, seq=2, turn=1, text="he"),
        TitleChanged(first=3, seq=3, title="Greetings"),
        TextAdded(first=4, seq=4, turn=1, text="llo"),
    ]
    assert cuts_of([2, OTHER, 3], message) == (2, OTHER, 3)


def test_an_answer_whose_cuts_are_unknown_has_its_calls_all_the_same() -> None:
    call = ToolCallPart("c1", "look", "{}")
    message = Message("assistant", (TextPart("hello"), call))
    records: list[Record] = [
        accepted(1, 1),
        answered(first=2, text="hello", cuts=(), seq=9, usage=Usage(input=1), message=message),
    ]

    assert replayed_events(records)[1:] == [
        TextAdded(first=2, seq=8, turn=1, text="hello"),
        ToolCalled(first=9, seq=9, turn=1, call_id="c1", name="look", arguments="{}"),
    ]


def test_what_an_earlier_version_wrote_of_tools_and_settings_tells_no_event() -> None:
    result = ToolResultPart("c1", "found")
    records: list[Record] = [
        accepted(1, 1),
        ToolReturned(turn=1, result=result),
        Titled(title="a"),
        ModelSwitched(model="b"),
    ]

    assert [type(event).__name__ for event in replayed_events(records)] == ["TurnStarted"]
