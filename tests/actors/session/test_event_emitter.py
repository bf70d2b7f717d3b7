"""What a model says becomes events; the numbers that they may have are bounded."""

from array import array

import pytest

from tests.fakes.house import Listener
from trouper.actors.chat import Reset, TextDelta, ThinkingDelta, ToolCallPart
from trouper.actors.session.broadcast import Broadcast
from trouper.actors.session.event_emitter import EventEmitter
from trouper.actors.session.events import StopReason, TitleChanged, TurnEnded, TurnStarted
from trouper.actors.session.record import MOST_IN_A_TURN, OTHER


def emitter() -> tuple[EventEmitter, Listener]:
    broadcast, listener = Broadcast(), Listener()
    broadcast.join(listener)
    return EventEmitter(broadcast), listener


def test_the_cuts_of_an_answer_are_those_of_its_events() -> None:
    telling, listener = emitter()
    telling.begin(1)
    telling.hand_on(1, [ThinkingDelta(0, "hm"), TextDelta(1, "a"), TextDelta(1, "bc")])
    telling.hand_on(1, [Reset("it broke off")])
    telling.hand_on(1, [TextDelta(0, "again")])

    assert (telling.first, telling.seq) == (2, 5)
    assert list(telling.cuts) == [-2, 3, 0, 5]
    assert [event.seq for event in listener.events] == [1, 2, 3, 4, 5]


def test_what_has_no_text_is_not_told() -> None:
    telling, listener = emitter()
    telling.begin(1)
    telling.hand_on(1, [TextDelta(0, "")])

    assert listener.events == [TurnStarted(first=1, seq=1, turn=1)]


def test_an_answer_in_too_many_pieces_breaks_off() -> None:
    telling, listener = emitter()
    telling.begin(1)
    telling.cuts = array("i", [1]) * (MOST_IN_A_TURN // 2 - 1)
    telling.hand_on(1, [TextDelta(0, "a")])

    with pytest.raises(OverflowError, match="more than 524,288 pieces"):
        telling.hand_on(1, [TextDelta(0, "b")])
    assert listener.text == "a"


def test_an_answer_that_breaks_off_behind_a_record_takes_nothing_with_it() -> None:
    telling, listener = emitter()
    telling.begin(1)
    telling.cuts = array("i", [1]) * (MOST_IN_A_TURN // 2)
    telling.hold()
    telling.hand_on(1, [TextDelta(0, "one too many")])
    telling.answer_ends(1)
    telling.tell(TurnEnded, turn=1, stop=StopReason.END_TURN)

    with pytest.raises(OverflowError, match="more than 524,288 pieces"):
        telling.release()
    assert [type(event) for event in listener.events] == [TurnStarted, TurnEnded]
    assert telling.seq == 2


def test_what_is_told_while_a_record_is_written_comes_behind_it_in_order() -> None:
    telling, listener = emitter()
    telling.begin(1)
    telling.hand_on(1, [TextDelta(0, "a")])
    telling.hold()
    call = ToolCallPart("c1", "look", "{}")
    telling.hand_on(1, [TextDelta(0, "b")])
    telling.answer_ends(1, [call])
    telling.answer_begins()
    telling.hand_on(1, [TextDelta(0, "c")])
    assert telling.seq == 2
    telling.release([lambda: telling.tell(TitleChanged, title="t")])

    assert [type(event).__name__ for event in listener.events] == [
        "TurnStarted",
        "TextAdded",
        "TitleChanged",
        "TextAdded",
        "ToolCalled",
        "TextAdded",
    ]
    assert [event.seq for event in listener.events] == [1, 2, 3, 4, 5, 6]
    # What came within the first answer has a place among its cuts.
    assert (telling.first, list(telling.cuts), telling.last) == (6, [1], 5)


def test_an_event_within_an_answer_is_marked_among_its_cuts() -> None:
    telling, _ = emitter()
    telling.begin(1)
    telling.hand_on(1, [TextDelta(0, "a")])
    telling.tell(TitleChanged, title="t")
    telling.hand_on(1, [TextDelta(0, "bc")])
    telling.answer_ends(1)
    telling.tell(TitleChanged, title="u")

    assert (list(telling.cuts), telling.first, telling.last) == ([1, OTHER, 2], 2, 4)
