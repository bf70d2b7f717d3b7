"""What an answer amounts to, as far as it has come: who gave it, how long it is, what it used.

Before you edit: `add` sees every chunk. It is one loop whose first test is the
most frequent chunk, it counts no token, and it keeps a bounded part of the text.
"""

from ..chat import (
    Completion,
    Finish,
    Finished,
    Part,
    RefusalDelta,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from .messages import Batch

__all__ = ["Tally"]

# Characters of text that are kept to be counted, should nobody else count them:
# what takes half a millisecond. The rest is taken to be like it.
_KEPT = 16_384


class Tally:
    """Adds up one answer. `usage` is what the provider has said last of its tokens."""

    __slots__ = ("_chars", "_kept", "finish", "model", "response_id", "service_tier", "usage")

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.model = ""
        self.response_id = ""
        self.service_tier: str | None = None
        self.usage: Usage | None = None
        self._chars = 0
        self._kept: list[str] = []

    def add(self, batch: Batch) -> None:
        """Add what has come."""
        for chunk in batch:
            if (
                type(chunk) is TextDelta
                or type(chunk) is ThinkingDelta
                or type(chunk) is RefusalDelta
            ):
                text = chunk.text
            elif type(chunk) is ToolArgsDelta:
                text = chunk.fragment
            elif type(chunk) is ToolCallStarted:
                text = chunk.name
            else:
                if type(chunk) is UsageUpdate:
                    self.usage = chunk.usage
                elif type(chunk) is Finished:
                    self.finish = chunk.finish
                    # OpenAI's Responses say only now which tier has served.
                    self.service_tier = chunk.service_tier or self.service_tier
                elif type(chunk) is Started:
                    self.model, self.response_id = chunk.model, chunk.id
                    self.service_tier = chunk.service_tier
                continue
            if self._chars < _KEPT:
                self._kept.append(text)
            self._chars += len(text)

    def whole(self, completion: Completion) -> None:
        """Take an answer that came in one piece."""
        self.finish = completion.finish
        self.model = completion.model
        self.response_id = completion.response_id
        self.service_tier = completion.service_tier
        self.usage = completion.usage
        if self.usage is None:
            for part in completion.message.parts:
                self._write(part)

    def _write(self, part: Part) -> None:
        match part:
            case TextPart() | ThinkingPart():
                text = part.text
            case ToolCallPart():
                text = part.name + part.args_json
            case _:
                return
        self._kept.append(text[:_KEPT])
        self._chars += len(text)

    @property
    def begun(self) -> bool:
        """Whether anything has come that was made by the model, be it that it has nothing to say."""
        return self._chars > 0 or self.finish is not None

    @property
    def text(self) -> tuple[str, float]:
        """The beginning of all that the model wrote, and how many times as long the whole is."""
        kept = "".join(self._kept)
        return kept, self._chars / len(kept) if kept else 1.0
