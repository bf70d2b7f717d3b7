"""The answer of a whole turn, put together out of its events."""

from collections.abc import Iterable

import attrs

from ..chat import Usage
from .events import (
    AnswerReset,
    PermissionAsked,
    PermissionSettled,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    ToolProgressed,
    UsageChanged,
)

__all__ = ["Answer", "Answering", "ToolUse", "TurnEvent"]

TurnEvent = (
    TextAdded
    | ThoughtAdded
    | AnswerReset
    | UsageChanged
    | ToolCalled
    | PermissionAsked
    | PermissionSettled
    | ToolProgressed
    | ToolEnded
)
"""What is told while a turn runs."""

_NOTHING = Usage()

# Pieces of a text that wait before they are joined: a model may send letters.
_MOST_PIECES = 1024


@attrs.frozen(kw_only=True)
class ToolUse:
    """A call of the tool `name`, with `arguments` as JSON and the `result` that the model was told.

    `is_error` says that the result tells of a failure. It is "" while the call runs.
    """

    name: str
    arguments: str
    result: str = ""
    is_error: bool = False


class Answer(str):
    """The text of an answer, and what it has taken; it is a `str`, to be sent on as one.

    `usage` are the tokens of all that the turn has asked models for, and `cost` the
    nano-dollars, None where nobody knows them. `tools` are those that were
    called, in the order of the calls; `stop` says why the turn ended, None while
    it is under way.
    """

    usage: Usage
    cost: int | None
    tools: tuple[ToolUse, ...]
    stop: StopReason | None

    def __new__(
        cls,
        text: str = "",
        *,
        usage: Usage = _NOTHING,
        cost: int | None = None,
        tools: Iterable[ToolUse] = (),
        stop: StopReason | None = None,
    ) -> "Answer":
        """The text itself, with these beside it."""
        answer = super().__new__(cls, text)
        answer.usage, answer.cost, answer.tools, answer.stop = usage, cost, tuple(tools), stop
        return answer


@attrs.define(eq=False)
class Answering:
    """An answer as it comes: `take` every event of one turn, in order."""

    _texts: list[str] = attrs.field(factory=list[str])
    # Whether a tool was called behind the last text.
    _apart: bool = False
    _usage: Usage = _NOTHING
    _cost: int | None = None
    _tools: list[ToolUse] = attrs.field(factory=list[ToolUse])
    # Where the last call of that id is: some models count anew with every answer.
    _last: dict[str, int] = attrs.field(factory=dict[str, int])

    def take(self, event: TurnEvent) -> None:
        """The next event."""
        match event:
            case TextAdded():
                if self._apart:
                    self._apart = False
                    self._part(event.text)
                self._texts.append(event.text)
                if len(self._texts) >= _MOST_PIECES:
                    self._texts = ["".join(self._texts)]
            case AnswerReset():
                self._texts.clear()
                self._apart = False
            case UsageChanged():
                self._usage, self._cost = event.usage, event.cost
            case ToolCalled():
                self._apart = bool(self._texts)
                self._last[event.call_id] = len(self._tools)
                self._tools.append(ToolUse(name=event.name, arguments=event.arguments))
            case ToolEnded():
                at = self._last[event.call_id]
                self._tools[at] = attrs.evolve(
                    self._tools[at], result=event.result, is_error=event.is_error
                )
            case _:
                pass

    def _part(self, text: str) -> None:
        """What is said before a tool and behind it are two paragraphs, and not one word."""
        if not self._texts[-1][-1:].isspace() and not text[:1].isspace():
            self._texts.append("\n\n")

    def answer(self, stop: StopReason | None = None) -> Answer:
        """All of it so far."""
        return Answer(
            "".join(self._texts),
            usage=self._usage,
            cost=self._cost,
            tools=self._tools,
            stop=stop,
        )
