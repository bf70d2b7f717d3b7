"""One turn as a chat bot says it: the lines of its answer, and of what happens beside it."""

from collections.abc import Iterator, Mapping

from ..session.events import (
    AnswerReset,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    ToolEvent,
    UsageChanged,
)
from .lines import LONGEST_LINE, LineBuffer

__all__ = ["Saying"]

# Characters of what a tool says of its failure: a line of a chat.
_LONGEST_FAULT = 200

_ENDINGS: Mapping[StopReason | None, str] = {
    StopReason.CANCELLED: "(Stopped.)",
    StopReason.MAX_TOKENS: "(The answer has reached its greatest length.)",
    StopReason.REFUSAL: "(The model does not answer that.)",
    StopReason.MAX_TURN_REQUESTS: "(The tools were used as often as one answer may; say: go on.)",
}


class Saying:
    """Makes lines of the events of one turn, of at most `longest` bytes.

    With `silent`, neither the answer is said nor what is amiss with it; `text` has it.
    """

    def __init__(self, longest: int = LONGEST_LINE, *, silent: bool = False) -> None:
        self._buffer = LineBuffer(longest)
        self._pieces: list[str] = []
        self._silent = silent

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._pieces)

    def of(
        self, event: TextAdded | ThoughtAdded | AnswerReset | UsageChanged | ToolEvent
    ) -> Iterator[str]:
        """The lines that this event completes. Who is asked for leave is not its matter."""
        match event:
            case TextAdded():
                self._pieces.append(event.text)
                if not self._silent:
                    yield from self._buffer.feed(event.text)
            case AnswerReset():
                yield from self.broken_off()
                self._pieces.clear()
                yield f"(The answer begins again: {event.reason}.)"
            case ToolCalled():
                yield from self.broken_off()
                yield f"Using the {event.name} tool..."
            case ToolEnded() if event.is_error:
                words = event.result.strip().partition("\n")[0][:_LONGEST_FAULT]
                yield f"The {event.name} tool gave no result: {words}"
            case _:
                pass

    def broken_off(self) -> Iterator[str]:
        """What was said of a line that goes on no more."""
        return self._buffer.flush()

    def end(self, stop: StopReason | None) -> Iterator[str]:
        """The last lines of a turn that has ended so."""
        yield from self.broken_off()
        words = _ENDINGS.get(stop)
        if self._silent and stop is not StopReason.CANCELLED:
            return
        if words is not None:
            yield words
        elif not self.text.strip():
            yield "(The model said nothing.)"
