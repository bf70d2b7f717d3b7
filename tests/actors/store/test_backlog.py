"""The backlog: bounded, in order, and kept until it is written."""

from tests.fakes.writers import Note
from trouper.actors.store.backlog import Backlog


def test_an_outbox_is_bounded() -> None:
    backlog = Backlog(capacity=2)

    assert [backlog.put(Note(text)) for text in "abc"] == [True, True, False]
    assert len(backlog) == 2


def test_an_outbox_keeps_what_was_taken_until_it_is_done() -> None:
    backlog = Backlog()
    backlog.put(Note("a"))
    taken = list(backlog.take())
    backlog.put(Note("b"))
    more = list(backlog.take())
    backlog.done(1)
    backlog.put(Note("c"))

    assert (taken, more, backlog.fresh) == ([Note("a")], [Note("b")], 1)
    backlog.take_again()
    assert list(backlog.take()) == [Note("b"), Note("c")]
