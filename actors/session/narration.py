"""What a session tells of a turn while it runs: chunks of a model as numbered events.

It also keeps how long the text of each event of an answer was. That is written
down with the answer, and after a restart whoever comes back in its middle is
told the rest of it.
"""

from array import array
from collections.abc import Iterable

from ..chat import Chunk, RefusalDelta, Reset, TextDelta, ThinkingDelta, Usage
from .audience import Audience
from .events import (
    AnswerReset,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TurnEnded,
    TurnStarted,
    UsageChanged,
)
from .record import MOST_IN_A_TURN

__all__ = ["Narrator"]


class Narrator:
    """Tells an audience, and gives each event the next number."""

    __slots__ = ("_audience", "cuts", "first")

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self.first = 1
        """The number of the first event of the answer under way."""
        self.cuts = array("i")
        """The length of the text in each of its events; see record.Answered."""

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._audience.seq

    def begin(self, turn: int) -> None:
        """A turn has begun, and an answer may come."""
        seq = self._audience.seq + 1
        self._audience.tell(TurnStarted(first=seq, seq=seq, turn=turn))
        self.first, self.cuts = seq + 1, array("i")

    def hand_on(self, turn: int, batch: Iterable[Chunk]) -> None:
        """The text of a batch, as few events as its order allows: mostly one."""
        texts: list[str] = []
        thinking = False
        for chunk in batch:
            if isinstance(chunk, TextDelta | ThinkingDelta | RefusalDelta):
                thinks = isinstance(chunk, ThinkingDelta)
                if thinks is not thinking and texts:
                    self._say(turn, texts, thinking=thinking)
                    texts = []
                thinking = thinks
                texts.append(chunk.text)
            elif isinstance(chunk, Reset):
                # It comes alone, behind all that it takes back.
                seq = self._next(0)
                self._audience.tell(AnswerReset(first=seq, seq=seq, turn=turn, reason=chunk.reason))
        if texts:
            self._say(turn, texts, thinking=thinking)

    def _say(self, turn: int, texts: list[str], *, thinking: bool) -> None:
        text = "".join(texts)
        if not text:
            return
        seq = self._next(-len(text) if thinking else len(text))
        kind = ThoughtAdded if thinking else TextAdded
        self._audience.tell(kind(first=seq, seq=seq, turn=turn, text=text))

    def _next(self, cut: int) -> int:
        self.cuts.append(cut)
        # With it the turn breaks off: nobody reads so long, and what is behind
        # these numbers may be the next program's.
        if len(self.cuts) >= MOST_IN_A_TURN - 8:
            raise OverflowError(f"an answer came in more than {MOST_IN_A_TURN:,} pieces")
        return self._audience.seq + 1

    def tell_usage(self, turn: int, usage: Usage) -> None:
        """What the answer has taken."""
        seq = self._audience.seq + 1
        self._audience.tell(UsageChanged(first=seq, seq=seq, turn=turn, usage=usage))

    def end(self, turn: int, stop: StopReason, error: str, *, retryable: bool) -> None:
        """The turn is over."""
        seq = self._audience.seq + 1
        self._audience.tell(
            TurnEnded(first=seq, seq=seq, turn=turn, stop=stop, error=error, retryable=retryable)
        )
