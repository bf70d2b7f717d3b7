"""The outbox: bounded, in order, and kept until it is written."""

from tests.fakes.writers import Note
from trouper.actors.store.outbox import Outbox


def test_an_outbox_is_bounded() -> None:
    outbox = Outbox(capacity=2)

    assert [outbox.put(Note(text)) for text in "abc"] == [True, True, False]
    assert len(outbox) == 2


def test_an_outbox_keeps_what_was_taken_until_it_is_done() -> None:
    outbox = Outbox()
    outbox.put(Note("a"))
    taken = list(outbox.take())
    outbox.put(Note("b"))
    more = list(outbox.take())
    outbox.done(1)
    outbox.put(Note("c"))

    assert (taken, more, outbox.fresh) == ([Note("a")], [Note("b")], 1)
    outbox.take_again()
    assert list(outbox.take()) == [Note("b"), Note("c")]
