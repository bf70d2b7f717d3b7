"""The chunks of an answer as the frames of a chat completion stream.

A batch of chunks becomes one piece of bytes, in which text that belongs together
is one frame: what a client reads costs it more than it costs us. A frame is
made around a prefix that is the same in all of one answer.

Before you edit: `take` is on the path of every batch. JSON is made of the text
alone, and nothing else is done for a batch of nothing but text.
"""

import time
from collections.abc import Sequence
from typing import Any

from ..chat import (
    Chunk,
    Finished,
    Heartbeat,
    Logprobs,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from .encoded import dump_json
from .openai_serving import beside_of, call_of, finish_word, usage_words

__all__ = ["FrameWriter"]

_DONE = b"data: [DONE]\n\n"
# A comment: proxies see that the connection lives, and clients nothing.
_ALIVE = b": alive\n\n"
_NO_END = b',"logprobs":null,"finish_reason":null}]'


class FrameWriter:
    """Makes the frames of one answer, batch by batch.

    `model` is what the client has asked for, by its name; "" stands for what
    the provider calls it. With `include_usage` the totals have a frame of their
    own before the end, and a null in all others.
    """

    __slots__ = (
        "_calls",
        "_created",
        "_id",
        "_include_usage",
        "_model",
        "_next_call",
        "_opened",
        "_prefix",
        "_refused",
        "_suffix",
        "_tail",
        "_text_head",
        "_tier",
        "_usage",
    )

    def __init__(
        self, *, id: str, model: str, include_usage: bool = False, created: int | None = None
    ) -> None:
        self._id = id
        self._model = model
        self._created = int(time.time()) if created is None else created
        self._include_usage = include_usage
        self._suffix = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b"}" + _NO_END + self._suffix
        self._prefix = self._text_head = b""
        self._calls: dict[int, int] = {}  # the number of the call that a part is
        self._next_call = 0
        self._opened = self._refused = False
        self._tier: str | None = None
        self._usage: Usage | None = None

    def take(self, chunks: Sequence[Chunk]) -> bytes:
        """The frames of a batch; none where it holds nothing for the client."""
        frames: list[bytes] = []
        text: list[str] = []
        for chunk in chunks:
            # Nearly every chunk of an answer is this one.
            if type(chunk) is TextDelta:
                text.append(chunk.text)
                continue
            if type(chunk) is Logprobs:
                self._likelihoods(text, chunk, frames)
                continue
            if text:
                self._text(text, frames)
            self._take(chunk, frames)
        if text:
            self._text(text, frames)
        return b"".join(frames)

    def _text(self, text: list[str], frames: list[bytes]) -> None:
        if not self._opened:
            self._open(frames)
        whole = text[0] if len(text) == 1 else "".join(text)
        frames.append(self._text_head + dump_json(whole) + self._tail)
        text.clear()

    def _likelihoods(self, text: list[str], chunk: Logprobs, frames: list[bytes]) -> None:
        self._open(frames)
        choice = {
            "index": 0,
            "delta": {"content": "".join(text)},
            "logprobs": chunk.raw,
            "finish_reason": None,
        }
        text.clear()
        frames.append(self._prefix + b"[" + dump_json(choice) + b"]" + self._suffix)

    def _take(self, chunk: Chunk, frames: list[bytes]) -> None:
        match chunk:
            case Started(model=model, service_tier=tier):
                self._model = self._model or model
                self._tier = tier
                self._open(frames)
            case ThinkingDelta(_, text):
                self._delta({"reasoning_content": text}, frames)
            case RefusalDelta(_, text):
                self._refused = True
                self._delta({"refusal": text}, frames)
            case ToolCallStarted(index, id, name):
                number = self._number(index)
                function = {"name": name, "arguments": ""}
                call = {"index": number, "id": id, "type": "function", "function": function}
                self._delta({"tool_calls": [call]}, frames)
            case ToolArgsDelta(index, fragment):
                more = {"index": self._number(index), "function": {"arguments": fragment}}
                self._delta({"tool_calls": [more]}, frames)
            case PartDone(index, part):
                self._part(index, part, frames)
            case UsageUpdate(usage):
                self._usage = usage
            case Finished():
                self._finish(chunk, frames)
            case Heartbeat():
                frames.append(_ALIVE)
            case _:
                pass  # signatures, which this wire has no word for

    def _part(self, index: int, part: object, frames: list[bytes]) -> None:
        """A part that is whole: what was not told in deltas is told now."""
        call = call_of(part)
        if call is not None and not (isinstance(part, ToolCallPart) and index in self._calls):
            self._delta({"tool_calls": [{"index": self._number(index), **call}]}, frames)
        elif beside := beside_of(part):
            self._delta(beside, frames)

    def _finish(self, finished: Finished, frames: list[bytes]) -> None:
        self._open(frames)
        tier = finished.service_tier
        if tier is not None and tier != self._tier:
            self._tier = tier
            self._envelope()
        word = finish_word(
            finished.finish,
            finished.raw_finish,
            calls=self._next_call > 0,
            refused=self._refused,
        )
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": word}
        frames.append(self._prefix + b"[" + dump_json(choice) + b"]" + self._suffix)
        if self._include_usage and self._usage is not None:
            totals = dump_json(usage_words(self._usage))
            frames.append(self._prefix + b'[],"usage":' + totals + b"}\n\n")
        frames.append(_DONE)

    def _number(self, index: int) -> int:
        number = self._calls.get(index)
        if number is None:
            number = self._calls[index] = self._next_call
            self._next_call += 1
        return number

    def _delta(self, delta: Any, frames: list[bytes]) -> None:
        self._open(frames)
        frames.append(
            self._prefix + b'[{"index":0,"delta":' + dump_json(delta) + _NO_END + self._suffix
        )

    def _open(self, frames: list[bytes]) -> None:
        """The first frame, which says who speaks; whatever comes first is behind it."""
        if self._opened:
            return
        self._opened = True
        self._envelope()
        self._delta({"role": "assistant", "content": "", "refusal": None}, frames)

    def _envelope(self) -> None:
        head: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }
        if self._tier is not None:
            head["service_tier"] = self._tier
        self._prefix = b"data: " + dump_json(head)[:-1] + b',"choices":'
        self._text_head = self._prefix + b'[{"index":0,"delta":{"content":'
