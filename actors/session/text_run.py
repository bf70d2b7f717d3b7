"""Consecutive deltas of a turn's text, kept as one: for readers that are slow, and for those who
come back."""

from typing import ClassVar, Final

from .events import SessionEvent, TextAdded, ThoughtAdded

__all__ = ["TextRun"]

# A model may send letters, and each takes fifty bytes and more.
_JOINED_AT: Final = 1024


class TextRun:
    """The texts of one kind and one turn that followed each other, `event` being the first."""

    __slots__ = ("first", "kind", "pieces", "seq", "turn")

    joined_at: ClassVar[int] = _JOINED_AT
    """So many pieces become one."""

    def __init__(self, event: TextAdded | ThoughtAdded) -> None:
        self.kind = type(event)
        self.turn = event.turn
        self.first = event.first
        self.seq = event.seq
        self.pieces = [event.text]

    def takes(self, event: SessionEvent) -> bool:
        """Take `event` in, if it goes on with this run."""
        if not isinstance(event, self.kind) or event.turn != self.turn:
            return False
        self.pieces.append(event.text)
        self.seq = event.seq
        if len(self.pieces) >= self.joined_at:
            self.pieces = [self.text]
        return True

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    def event(self) -> TextAdded | ThoughtAdded:
        """One event in place of all that it has taken."""
        return self.kind(first=self.first, seq=self.seq, turn=self.turn, text=self.text)
