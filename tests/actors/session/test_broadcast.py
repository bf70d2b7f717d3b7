"""Who comes back is told the rest: no event twice, none left out, also after a restart."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import structlog
from hypothesis import given, strategies as st

from tests.fakes.house import Listener
from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import Finish, Message, TextPart, ThinkingPart, Usage
from trouper.actors.errors import EventsGone
from trouper.actors.session.broadcast import Broadcast
from trouper.actors.session.event_replay import cuts_of, replayed_events
from trouper.actors.session.events import (
    AnswerReset,
    SessionEvent,
    TextAdded,
    ThoughtAdded,
    ToolEnded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from trouper.actors.session.record import Answered, Interrupted, Record


def text(seq: int, text: str = "x", turn: int = 1) -> TextAdded:
    return TextAdded(first=seq, seq=seq, turn=turn, text=text)


def heard(broadcast: Broadcast, after: int) -> list[SessionEvent]:
    listener = Listener()
    broadcast.join(listener, after)
    broadcast.leave(listener)
    return listener.events


def spelled(events: Sequence[SessionEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextAdded))


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=200), st.data())
def test_who_comes_back_gets_the_rest_and_nothing_twice(
    pieces: list[str], data: st.DataObject
) -> None:
    broadcast = Broadcast("s")
    events: list[SessionEvent] = [TurnStarted(first=1, seq=1, turn=1)]
    for seq, piece in enumerate(pieces, 2):
        thinks = data.draw(st.booleans()) if len(pieces) < 20 else False
        kind = ThoughtAdded if thinks else TextAdded
        events.append(kind(first=seq, seq=seq, turn=1, text=piece))
    for event in events:
        broadcast.tell(event)
    after = data.draw(st.integers(0, len(events)))

    rest = heard(broadcast, after)

    numbers = [number for event in rest for number in range(event.first, event.seq + 1)]
    assert numbers == list(range(after + 1, len(events) + 1))
    assert spelled(rest) == spelled(events[after:])


def test_who_does_not_say_what_it_saw_hears_what_comes() -> None:
    broadcast, listener = Broadcast(), Listener()
    broadcast.tell(text(1))
    broadcast.join(listener)
    broadcast.join(listener)
    broadcast.tell(text(2))

    assert listener.events == [text(2)]
    assert len(broadcast) == 1


class Faulty(Listener):
    """A listener with a bug, which shows at its second event."""

    def deliver(self, event: SessionEvent) -> None:
        super().deliver(event)
        if len(self.events) == 2:
            raise KeyError("a bug in a listener")


def test_a_listener_that_fails_is_told_no_more_and_harms_no_other() -> None:
    broadcast, before, faulty, behind = Broadcast("s"), Listener(), Faulty(), Listener()
    for listener in (before, faulty, behind):
        broadcast.join(listener)
    with structlog.testing.capture_logs() as logs:
        for seq in (1, 2, 3):
            broadcast.tell(text(seq))

    assert [event.seq for event in before.events] == [event.seq for event in behind.events]
    assert [event.seq for event in behind.events] == [1, 2, 3]
    assert ([event.seq for event in faulty.events], len(broadcast)) == ([1, 2], 2)
    assert [(log["session"], log["log_level"]) for log in logs] == [("s", "error")]


def test_a_listener_that_fails_as_it_comes_back_is_told_no_more() -> None:
    broadcast, faulty = Broadcast("s"), Faulty()
    for event in (
        TurnStarted(first=1, seq=1, turn=1),
        text(2),
        TurnStarted(first=3, seq=3, turn=2),
    ):
        broadcast.tell(event)
    broadcast.join(faulty, after=0)

    assert [event.seq for event in faulty.events] == [1, 2]
    assert len(broadcast) == 0


def test_what_is_missed_comes_before_what_is_new() -> None:
    broadcast, listener = Broadcast(), Listener()
    for seq in (1, 2, 3):
        broadcast.tell(text(seq, str(seq)))
    broadcast.join(listener, 1)
    broadcast.tell(text(4, "4"))

    assert spelled(listener.events) == "234"


def test_who_is_attached_already_is_told_nothing_again() -> None:
    broadcast, listener = Broadcast(), Listener()
    broadcast.join(listener)
    for seq in (1, 2, 3):
        broadcast.tell(text(seq, str(seq)))
    broadcast.join(listener, 1)
    broadcast.tell(text(4, "4"))

    assert spelled(listener.events) == "1234"


@pytest.mark.parametrize("count", [5_000])
def test_older_than_what_is_at_hand_is_told_to_load(count: int) -> None:
    broadcast = Broadcast("s")
    for seq in range(1, count + 1):
        broadcast.tell(text(seq))

    with pytest.raises(EventsGone, match="load the session"):
        heard(broadcast, 10)
    with pytest.raises(EventsGone):
        heard(broadcast, count + 1)
    rest = heard(broadcast, count - 900)
    assert (rest[0].first, rest[-1].seq) == (count - 899, count)
    assert heard(broadcast, count) == []


def test_long_texts_are_not_kept_for_long() -> None:
    broadcast = Broadcast("s")
    for seq in range(1, 50):
        broadcast.tell(text(seq, "x" * 10_000))
    with pytest.raises(EventsGone):
        heard(broadcast, 45)
    assert len(spelled(heard(broadcast, 48))) == 10_000


def test_who_was_refused_is_not_attached() -> None:
    broadcast = Broadcast("s")
    with pytest.raises(EventsGone):
        broadcast.join(Listener(), 7)
    assert len(broadcast) == 0


# After a restart.


def reopened(records: list[Record], seq: int = 0) -> Broadcast:
    broadcast = Broadcast("s")
    told = list(replayed_events(records, seq))
    broadcast.remember(told, told[-1].seq if told else seq)
    return broadcast


def test_a_whole_turn_is_told_again_as_it_was_cut() -> None:
    usage = Usage(input=3, output=4)
    message = Message("assistant", (ThinkingPart("hmm"), TextPart("hello")))
    records: list[Record] = [
        accepted(1, 1),
        answered(first=2, text="hello", cuts=(-2, -1, 3, 2), usage=usage, message=message),
        over(seq=7),
    ]

    assert list(replayed_events(records)) == [
        TurnStarted(first=1, seq=1, turn=1),
        ThoughtAdded(first=2, seq=2, turn=1, text="hm"),
        ThoughtAdded(first=3, seq=3, turn=1, text="m"),
        TextAdded(first=4, seq=4, turn=1, text="hel"),
        TextAdded(first=5, seq=5, turn=1, text="lo"),
        UsageChanged(first=6, seq=6, turn=1, usage=usage, context=7),
        list(replayed_events(records))[-1],
    ]
    assert spelled(heard(reopened(records), 4)) == "lo"


def test_what_an_answer_took_back_is_told_as_taken_back() -> None:
    records: list[Record] = [
        accepted(1, 1),
        answered(first=2, text="whole", cuts=(4, 4, 0, 5)),
        over(seq=6),
    ]
    rest = heard(reopened(records), 2)

    assert isinstance(rest[0], AnswerReset)
    assert (rest[0].first, rest[0].seq) == (3, 4)
    assert spelled(rest) == "whole"


def test_an_interrupted_turn_ends_behind_all_that_may_have_been_told() -> None:
    records: list[Record] = [accepted(1, 1), Interrupted(turn=1, seq=1_000)]

    for after in (0, 1, 57, 999):
        rest = heard(reopened(records), after)
        assert isinstance(rest[-1], TurnEnded)
        assert (rest[0].first, rest[-1].seq) == (after + 1, 1_000)
    assert heard(reopened(records), 1_000) == []


def test_an_answer_whose_cuts_are_unknown_is_told_whole_or_not_at_all() -> None:
    records: list[Record] = [accepted(1, 1), answered(first=2, text="hello", cuts=(), seq=9)]
    broadcast = reopened(records)

    assert heard(broadcast, 1) == [TextAdded(first=2, seq=9, turn=1, text="hello")]
    with pytest.raises(EventsGone):
        heard(broadcast, 5)
    assert heard(broadcast, 9) == []


def test_numbers_that_told_nothing_that_stands_are_within_the_next_event() -> None:
    records: list[Record] = [accepted(1, 1), answered(first=2, text="", seq=5), over(seq=6)]

    assert [(event.first, event.seq) for event in replayed_events(records)] == [(1, 1), (2, 6)]


def test_what_was_told_in_this_life_is_known_better() -> None:
    broadcast = reopened([accepted(1, 1)])
    broadcast.remember([text(9)], 9)
    broadcast.tell(text(10))

    assert broadcast.seq == 10
    assert [event.seq for event in heard(broadcast, 0)] == [1, 10]


def test_large_results_of_tools_are_not_kept_for_long() -> None:
    broadcast = Broadcast("s")
    for seq in range(1, 50):
        text = "x" * 32_000
        broadcast.tell(
            ToolEnded(
                first=seq, seq=seq, turn=1, call_id="c", name="look", result=text, is_error=False
            )
        )
    with pytest.raises(EventsGone):
        heard(broadcast, 40)
    assert len(heard(broadcast, 45)) == 4


def test_cuts_that_do_not_make_up_the_message_are_none() -> None:
    message = Message("assistant", (ThinkingPart("ab"), TextPart("cde")))

    assert cuts_of([-2, 1, 2], message) == (-2, 1, 2)
    assert cuts_of([9, 0, -2, 3], message) == (9, 0, -2, 3)
    assert cuts_of([-2, 2], message) == ()
    assert cuts_of([-1, 3], message) == ()


@given(
    st.lists(st.tuples(st.booleans(), st.text(min_size=1, max_size=4)), max_size=20),
    st.booleans(),
    st.data(),
)
def test_what_is_told_again_is_what_was_told(
    pieces: list[tuple[bool, str]], tells_usage: bool, data: st.DataObject
) -> None:
    usage = Usage(input=1, output=1) if tells_usage else None
    cuts = [-len(piece) if thinks else len(piece) for thinks, piece in pieces]
    message = Message(
        "assistant",
        (
            ThinkingPart("".join(piece for thinks, piece in pieces if thinks)),
            TextPart("".join(piece for thinks, piece in pieces if not thinks)),
        ),
    )
    last = 1 + len(cuts) + tells_usage
    answer = Answered(
        turn=1,
        first=2,
        seq=last,
        cuts=cuts_of(cuts, message),
        message=message,
        finish=Finish.STOP,
        target="",
        usage=usage,
    )
    events = list(replayed_events([accepted(1, 1), answer, over(seq=last + 1)]))

    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(events))
    assert events[-1].seq == last + 1
    deltas = [
        (isinstance(event, ThoughtAdded), event.text)
        for event in events
        if isinstance(event, TextAdded | ThoughtAdded)
    ]
    assert deltas == pieces
