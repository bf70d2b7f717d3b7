"""What a session tells of a turn while it runs: chunks of a model as numbered events.

It also keeps how long the text of each event of an answer was. That is written
down with the answer, and after a restart whoever comes back in its middle is
told the rest of it.

Before you edit: an event that is written down has its number in its record. So
while such a record is being written (`hold`), nothing else is told: it waits, a
millisecond mostly, and comes behind.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from ..chat import Chunk, RefusalDelta, Reset, TextDelta, ThinkingDelta, ToolCallPart
from ..errors import StreamGarbled
from .broadcast import Broadcast
from .events import (
    AnswerReset,
    SessionEvent,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    TurnStarted,
    UsageChanged,
)
from .record import MOST_IN_A_TURN, OTHER

__all__ = ["EventEmitter"]

# Pieces of one answer; the other half is for what its tools tell.
_MOST_PIECES: Final = MOST_IN_A_TURN // 2

# The cut, and what makes the event of its numbers and its turn.
_Piece = tuple[int, Callable[..., SessionEvent]]


class EventEmitter:
    """Tells its broadcast, and gives each event the next number."""

    __slots__ = ("_broadcast", "_held", "_is_answering", "_pieces", "cuts", "first", "last")

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._held: list[Callable[[], None]] | None = None
        self._is_answering = False
        self._pieces = 0
        self.first = 1
        """The number of the first event of the last answer."""
        self.last = 0
        """The number of its last event, once that was told."""
        self.cuts = array("i")
        """The length of the text in each of its events; see record.Answered."""

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._broadcast.seq

    # While a record is being written.

    def hold(self) -> None:
        """Tell nothing, until `release`; what is to be told waits."""
        self._held = []

    def release(self, first: Iterable[Callable[[], None]] = ()) -> None:
        """Go on: with what `first` tells, and then with all that has waited."""
        held, self._held = self._held or [], None
        for tell in (*first, *held):
            tell()

    def tell(self, kind: Callable[..., SessionEvent], **fields: Any) -> None:
        """An event of that kind, with these fields and the next number."""
        if self._held is not None:
            self._held.append(partial(self.tell, kind, **fields))
            return
        if self._is_answering:
            self.cuts.append(OTHER)
        seq = self._broadcast.seq + 1
        self._broadcast.tell(kind(first=seq, seq=seq, **fields))

    # An answer.

    def begin(self, turn: int) -> None:
        """A turn has begun, and an answer may come."""
        self.tell(TurnStarted, turn=turn)
        self.answer_begins()

    def answer_begins(self) -> None:
        """An answer may come."""
        self._pieces = 0
        self._answer_begins()

    def _answer_begins(self) -> None:
        if self._held is not None:
            self._held.append(self._answer_begins)
            return
        self.first, self.cuts, self._is_answering = self._broadcast.seq + 1, array("i"), True

    def hand_on(self, turn: int, batch: Iterable[Chunk]) -> None:
        """The text of a batch, as few events as its order allows: mostly one.

        Raises StreamGarbled, with the batch told, where the answer has come in more
        pieces than there are numbers for: nobody reads so long, and what is behind these
        numbers may be the next program's. It is raised here, to the turn, also while the
        batch has to wait: whoever writes meanwhile has no part in it.
        """
        pieces = _pieces_of(batch)
        self._pieces += len(pieces)
        self._say(turn, pieces)
        if self._pieces > _MOST_PIECES:
            raise StreamGarbled(
                message=f"its answer came in more than {_MOST_PIECES:,} pieces",
                committed=True,
                billed="yes",
            )

    def _say(self, turn: int, pieces: Sequence[_Piece]) -> None:
        if self._held is not None:
            self._held.append(partial(self._say, turn, pieces))
            return
        for cut, event in pieces:
            self.cuts.append(cut)
            seq = self._broadcast.seq + 1
            self._broadcast.tell(event(first=seq, seq=seq, turn=turn))

    def answer_ends(
        self,
        turn: int,
        calls: Sequence[ToolCallPart] = (),
        usage: dict[str, Any] | None = None,
    ) -> None:
        """The answer is whole, or will never be: the fields of its UsageChanged, if it has one,
        and the tools that it calls."""
        if self._held is not None:
            self._held.append(partial(self.answer_ends, turn, calls, usage))
            return
        if not self._is_answering:
            return
        self._is_answering = False
        if usage is not None:
            self.tell(UsageChanged, turn=turn, **usage)
        for call in calls:
            self.tell(
                ToolCalled, turn=turn, call_id=call.id, name=call.name, arguments=call.args_json
            )
        self.last = self._broadcast.seq


def _pieces_of(batch: Iterable[Chunk]) -> list[_Piece]:
    """What becomes one event each: the texts of neighbours that are of one kind, and resets."""
    pieces: list[_Piece] = []
    texts: list[str] = []
    thinking = False
    for chunk in batch:
        if isinstance(chunk, TextDelta | ThinkingDelta | RefusalDelta):
            thinks = isinstance(chunk, ThinkingDelta)
            if thinks is not thinking:
                pieces += _text_pieces(texts, thinking=thinking)
                texts = []
            thinking = thinks
            texts.append(chunk.text)
        elif isinstance(chunk, Reset):
            # It comes alone, behind all that it takes back.
            pieces.append((0, partial(AnswerReset, reason=chunk.reason)))
    return [*pieces, *_text_pieces(texts, thinking=thinking)]


def _text_pieces(texts: Sequence[str], *, thinking: bool) -> list[_Piece]:
    text = "".join(texts)
    if not text:
        return []
    if thinking:
        return [(-len(text), partial(ThoughtAdded, text=text))]
    return [(len(text), partial(TextAdded, text=text))]
