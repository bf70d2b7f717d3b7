"""What a model says becomes events; the numbers that they may have are bounded."""

import pytest
from trio.testing import MockClock

from tests.fakes.house import Listener, open_house
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.chat import Reset, TextDelta, ThinkingDelta, ToolCallPart
from trouper.actors.errors import StreamGarbled, TurnFailed
from trouper.actors.session import event_emitter
from trouper.actors.session.broadcast import Broadcast
from trouper.actors.session.event_emitter import EventEmitter
from trouper.actors.session.events import (
    StopReason,
    TextAdded,
    TitleChanged,
    TurnEnded,
    TurnStarted,
)
from trouper.actors.session.record import OTHER


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


def test_an_answer_in_too_many_pieces_breaks_off_as_a_fault_of_its_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bug: it was an OverflowError, which ended the session and, in memory, lost it.
    monkeypatch.setattr(event_emitter, "_MOST_PIECES", 3)
    telling, listener = emitter()
    telling.begin(1)
    for text in "abc":
        telling.hand_on(1, [TextDelta(0, text)])

    with pytest.raises(StreamGarbled, match="more than 3 pieces") as caught:
        telling.hand_on(1, [TextDelta(0, "d")])
    assert caught.value.billed == "yes"
    assert listener.text == "abcd"

    telling.answer_ends(1)
    telling.answer_begins()
    telling.hand_on(1, [TextDelta(0, "the next answer")])
    assert listener.text == "abcdthe next answer"


async def test_a_conversation_goes_on_behind_an_answer_in_too_many_pieces(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(event_emitter, "_MOST_PIECES", 3)
    pieces = [step for letter in "abcde" for step in (delta(letter), 1.0)]
    async with open_house(Body(ROLE, *pieces, FINISH, DONE), sse("well")) as house:
        session = await house.handle()
        with pytest.raises(TurnFailed, match="garbled; ask again; what you have seen"):
            await session.ask("hi")

        assert await session.ask("and now?") == "well"
        first, _ = (await session.transcript()).state.turns

    assert [message.text for message in first.said] == ["abcd"]


def test_who_writes_a_record_meanwhile_has_no_part_in_an_answer_that_breaks_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bug: it was raised where the session wrote down a title.
    monkeypatch.setattr(event_emitter, "_MOST_PIECES", 1)
    telling, listener = emitter()
    telling.begin(1)
    telling.hold()
    telling.hand_on(1, [TextDelta(0, "a")])
    with pytest.raises(StreamGarbled, match="more than 1 pieces"):
        telling.hand_on(1, [TextDelta(0, "one too many")])
    telling.answer_ends(1)
    telling.tell(TurnEnded, turn=1, stop=StopReason.END_TURN)

    telling.release()
    assert [type(event) for event in listener.events] == [
        TurnStarted,
        TextAdded,
        TextAdded,
        TurnEnded,
    ]
    assert telling.seq == 4


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
