"""What is known of an answer that is under way: as much as was told of it, and no more."""

from hypothesis import given, strategies as st

from trouper.actors.chat import Message, TextPart, ThinkingPart
from trouper.actors.session.event_replay import told_of
from trouper.actors.session.record import OTHER

PIECES = st.lists(st.tuples(st.booleans(), st.text(min_size=1, max_size=5)), max_size=20)


def cut(thinks: bool, piece: str) -> int:
    return -len(piece) if thinks else len(piece)


def texts(message: Message) -> tuple[str, str]:
    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart)]
    return message.text, "".join(thoughts)


@given(PIECES, st.data())
def test_an_answer_is_known_as_far_as_its_events_have_come(
    pieces: list[tuple[bool, str]], data: st.DataObject
) -> None:
    told = data.draw(st.integers(0, len(pieces)))
    whole = Message(
        "assistant",
        (
            ThinkingPart("".join(piece for thinks, piece in pieces if thinks)),
            TextPart("".join(piece for thinks, piece in pieces if not thinks)),
        ),
    )
    cuts = [cut(thinks, piece) for thinks, piece in pieces[:told]]

    assert texts(told_of(cuts, whole)) == (
        "".join(piece for thinks, piece in pieces[:told] if not thinks),
        "".join(piece for thinks, piece in pieces[:told] if thinks),
    )


def test_what_was_taken_back_and_what_was_no_answer_counts_for_nothing() -> None:
    whole = Message("assistant", (TextPart("There was"),))
    cuts = [4, 5, 0, 3, OTHER, 2]

    assert told_of(cuts, whole).text == "There"


def test_of_an_answer_without_a_word_there_are_no_parts() -> None:
    assert told_of([], Message("assistant", (TextPart("not yet told"),))).parts == ()
