"""What an answer amounts to, as far as it has come: who gave it, how long it is, what it used.

Before you edit: `add` sees every chunk. It is one loop whose first test is the
most frequent chunk, it counts no token, and it keeps a bounded part of the text.
"""

from functools import lru_cache

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
from ..redaction import redact_text
from .messages import Batch

__all__ = ["Tally"]

# Characters of text that are kept to be counted, should nobody else count them:
# what takes half a millisecond. The rest is taken to be like it.
_KEPT = 16_384
# Pieces of it that are kept one by one: a piece of five letters takes sixty bytes.
_MOST_PIECES = 128

# Characters of a name that a provider gives: as many as a configuration allows a model.
_LONGEST_NAME = 256
# ... and of those that are looked at for secrets, in time that nobody notices.
_LOOKED_AT = 4_096


class Tally:
    """Adds up one answer. `usage` is what the provider has said last of its tokens.

    What a provider calls itself is kept in ledgers and spans, where it may be
    long or quote a key: `model`, `response_id` and `service_tier` are bounded and masked.
    `chunks` have come after the first batch, which is the first content; None: nothing has.
    """

    __slots__ = ("_chars", "_id", "_kept", "chunks", "finish", "model", "service_tier", "usage")

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.model = ""
        self._id = ""
        self.service_tier: str | None = None
        self.usage: Usage | None = None
        self._chars = 0
        self.chunks: int | None = None
        self._kept: list[str] = []

    def add(self, batch: Batch) -> None:
        """Add what has come."""
        self.chunks = 0 if self.chunks is None else self.chunks + len(batch)
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
                    if chunk.service_tier:
                        self.service_tier = _name(chunk.service_tier)
                elif type(chunk) is Started:
                    self._named(chunk.model, chunk.id, chunk.service_tier)
                continue
            if self._chars < _KEPT:
                self._kept.append(text)
            self._chars += len(text)
        if len(self._kept) > _MOST_PIECES:
            self._kept = ["".join(self._kept)]

    def whole(self, completion: Completion) -> None:
        """Take an answer that came in one piece."""
        self.finish = completion.finish
        self._named(completion.model, completion.response_id, completion.service_tier)
        self.usage = completion.usage
        if self.usage is None or not self.usage.output:
            for part in completion.message.parts:
                self._write(part)

    def _named(self, model: str, response_id: str, service_tier: str | None) -> None:
        self.model, self._id = _name(model), response_id
        self.service_tier = service_tier and _name(service_tier)

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
    def response_id(self) -> str:
        """What the provider calls the answer. Each has another one, so it is masked when asked."""
        return _word(self._id)

    @property
    def begun(self) -> bool:
        """Whether anything has come that was made by the model, be it that it has nothing to say."""
        return self._chars > 0 or self.finish is not None

    @property
    def is_counted(self) -> bool:
        """Whether the answer has ended and its provider said what it used, in counts that can be:
        a prompt has tokens, and so has what was written."""
        usage = self.usage
        if self.finish is None or usage is None:
            return False
        return usage.input > 0 and (usage.output > 0 or not self._chars)

    @property
    def text(self) -> tuple[str, float]:
        """The beginning of all that the model wrote, and how many times as long the whole is."""
        kept = "".join(self._kept)
        return kept, self._chars / len(kept) if kept else 1.0


def _name(text: str) -> str:
    """A word that most answers have, as it may be kept."""
    return _common(text) if len(text) <= _LONGEST_NAME else _word(text)


@lru_cache(maxsize=1_024)
def _common(text: str) -> str:
    return _word(text)


def _word(text: str) -> str:
    """What a provider calls something, as it may be kept."""
    return redact_text(text[:_LOOKED_AT])[:_LONGEST_NAME]
