"""Chunks into the completion that they are parts of, and back.

Text is gathered in lists and joined once, so that a long answer costs no more
a chunk than a short one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..chat import (
    Chunk,
    Completion,
    Finish,
    Finished,
    IncompleteToolCall,
    Logprobs,
    Message,
    OpaquePart,
    Part,
    PartDone,
    RefusalDelta,
    Reset,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)

__all__ = ["Assembly", "chunks_of", "pieces_of", "settled"]

# Characters of a whole text that are handed on at once: some paragraphs, and
# little against what a slow reader may have waiting.
_PIECE = 4096

# Pieces of a text that are kept one by one: a piece of five letters takes sixty bytes.
_MOST_PIECES = 128

# After these, whatever the arguments of a call are is what the model wanted to say.
_ENDED_BY_ITSELF = (Finish.STOP, Finish.TOOL_CALLS)


def settled(part: Part, finish: Finish) -> Part:
    """`part` as it stands now that the answer has ended with `finish`.

    A tool call within whose arguments the answer was cut off becomes an
    IncompleteToolCall. A JSON object that ends has ended, so one that can be
    read is whole.
    """
    if (
        isinstance(part, ToolCallPart)
        and finish not in _ENDED_BY_ITSELF
        and not (part.args_json.strip() and part.fault is None)
    ):
        return IncompleteToolCall(part.id, part.name, part.args_json)
    return part


@attrs.define(eq=False)
class _Open:
    """A part that is under way: how to make it of its text, once that is asked for."""

    make: Callable[[str], Part]
    pieces: list[str] = attrs.field(factory=list[str])
    _joined: list[str] = attrs.field(factory=list[str])

    def add(self, text: str) -> None:
        """Take more of its text."""
        self.pieces.append(text)
        if len(self.pieces) > _MOST_PIECES:
            self.join()

    def join(self) -> None:
        """Let many pieces be one. Each letter is joined once so, and once more at the end."""
        self._joined.append("".join(self.pieces))
        self.pieces.clear()

    @property
    def part(self) -> Part:
        """It, as far as it has come."""
        return self.make("".join((*self._joined, *self.pieces)))


class Assembly:
    """Folds the chunks of one answer; `completion` may be asked for at any time.

    Before Finished has come it says what there is so far, with Finish.UNKNOWN:
    the part of an answer that a cancelled turn keeps.
    """

    def __init__(self) -> None:
        self._begin()
        self._started = Started("", "")

    def _begin(self) -> None:
        self._open: dict[int, _Open] = {}
        self._done: dict[int, Part] = {}
        self._signatures: dict[int, str] = {}
        self._usage: Usage | None = None
        self._logprobs: dict[str, Any] = {}
        self._finished: Finished | None = None

    @property
    def finished(self) -> bool:
        """Whether the answer has ended."""
        return self._finished is not None

    def extend(self, chunks: Iterable[Chunk]) -> None:
        """Take the next chunks, in their order."""
        for chunk in chunks:
            # Nearly every chunk of an answer is this one.
            if type(chunk) is TextDelta:
                part = self._open.get(chunk.index)
                if part is None:
                    part = self._open[chunk.index] = _Open(TextPart)
                pieces = part.pieces
                pieces.append(chunk.text)
                if len(pieces) > _MOST_PIECES:
                    part.join()
            else:
                self._take(chunk)

    def _take(self, chunk: Chunk) -> None:
        match chunk:
            case ThinkingDelta(index, text):
                self._opened(index, lambda text: self._thinking(index, text)).add(text)
            case ThinkingSignature(index, signature):
                self._opened(index, lambda text: self._thinking(index, text))
                self._signatures[index] = signature
            case RefusalDelta(index, text):
                self._opened(index, self._refusal).add(text)
            case ToolCallStarted(index, id, name):
                self._opened(index, lambda text: ToolCallPart(id, name, text))
            case ToolArgsDelta(index, fragment):
                self._open[index].add(fragment)
            case PartDone(index, part):
                self._open.pop(index, None)
                self._done[index] = part
            case UsageUpdate(usage):
                self._usage = usage
            case Logprobs(raw):
                self._take_logprobs(raw)
            case Finished():
                self._finished = chunk
            case Started():
                self._started = chunk
            case Reset():
                self._begin()
            case _:
                pass  # a heartbeat, and the text that `extend` has taken

    def _take_logprobs(self, raw: Mapping[str, Any]) -> None:
        for name, value in raw.items():
            before = self._logprobs.get(name)
            if isinstance(before, list) and isinstance(value, list):
                before.extend(value)
            elif value is not None:
                self._logprobs[name] = [*value] if isinstance(value, list) else value

    def _opened(self, index: int, make: Callable[[str], Part]) -> _Open:
        part = self._open.get(index)
        if part is None:
            part = self._open[index] = _Open(make)
        return part

    def _thinking(self, index: int, text: str) -> Part:
        return ThinkingPart(
            text=text,
            signature=self._signatures.get(index, ""),
            origin=self._started.origin,
        )

    def _refusal(self, text: str) -> Part:
        return OpaquePart(origin=self._started.origin, raw={"type": "refusal", "refusal": text})

    def completion(self) -> Completion:
        """The answer as far as it has come."""
        parts = dict(self._done)
        for index, part in self._open.items():
            parts[index] = part.part
        finished = self._finished or Finished(Finish.UNKNOWN)
        said = tuple(settled(parts[i], finished.finish) for i in sorted(parts))
        return Completion(
            message=Message(role="assistant", parts=said),
            finish=finished.finish,
            raw_finish=finished.raw_finish,
            usage=self._usage,
            model=self._started.model,
            response_id=self._started.id,
            service_tier=finished.service_tier or self._started.service_tier,
            logprobs=dict(self._logprobs) or None,
        )


def chunks_of(completion: Completion) -> list[Chunk]:
    """The chunks of a stream that would have given this completion."""
    origin = next(
        (
            part.origin
            for part in completion.message.parts
            if isinstance(part, (ThinkingPart, OpaquePart))
        ),
        "",
    )
    chunks: list[Chunk] = [
        Started(completion.response_id, completion.model, completion.service_tier, origin)
    ]
    for index, part in enumerate(completion.message.parts):
        match part:
            case TextPart(text):
                chunks.append(TextDelta(index, text))
            case ToolCallPart(id, name, arguments):
                chunks += [ToolCallStarted(index, id, name), ToolArgsDelta(index, arguments)]
                chunks.append(PartDone(index, part))
            case ThinkingPart(text, redacted=False) if text:
                chunks += [ThinkingDelta(index, text), PartDone(index, part)]
            case OpaquePart(raw={"type": "refusal", "refusal": str(text)}):
                chunks += [RefusalDelta(index, text), PartDone(index, part)]
            case _:
                chunks.append(PartDone(index, part))
    if completion.logprobs:
        chunks.append(Logprobs(completion.logprobs))
    if completion.usage is not None:
        chunks.append(UsageUpdate(completion.usage))
    chunks.append(Finished(completion.finish, completion.raw_finish))
    return chunks


def pieces_of(completion: Completion) -> Iterator[list[Chunk]]:
    """The chunks of an answer in batches, with long texts in pieces; the first one has content."""
    batch: list[Chunk] = []
    for chunk in chunks_of(completion):
        if not isinstance(chunk, TextDelta | ThinkingDelta):
            batch.append(chunk)
            continue
        for start in range(0, len(chunk.text), _PIECE):
            if start:
                yield batch
                batch = []
            batch.append(type(chunk)(chunk.index, chunk.text[start : start + _PIECE]))
    yield batch
