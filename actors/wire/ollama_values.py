"""Ollama's JSON values as ours: the frames of an answer, its usage, why it ended.

A streamed answer is many frames and a plain one is a single frame of the same
shape, so `Frames` reads both. Nothing here raises for a field that is missing,
null or of another type.
"""

from collections.abc import Mapping
from typing import Any

from ..chat import (
    Chunk,
    Finish,
    Finished,
    PartDone,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from .counts import count_of
from .openai_values import arguments_of, mint_call_id

__all__ = ["ORIGIN", "Frames", "finish_of", "is_frame", "usage_of"]

# The provider family in ThinkingPart.origin.
ORIGIN = "ollama"

_FINISH: dict[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    # Also `load` and `unload`, which end what is no answer: a request without a
    # message loads a model or throws it out. Nobody should take that for a reply.
}


def is_frame(frame: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a part of a chat answer; others mean nothing to us."""
    return type(frame.get("message")) is dict or frame.get("done") is True


def finish_of(raw: str | None, *, called: bool) -> Finish:
    """Our word for a done_reason; Ollama says `stop` where it calls tools, too."""
    if called and raw in (None, "stop"):
        return Finish.TOOL_CALLS
    return Finish.UNKNOWN if raw is None else _FINISH.get(raw, Finish.UNKNOWN)


def usage_of(frame: Mapping[str, Any]) -> Usage | None:
    """The tokens that the last frame tells, or None where it tells none.

    Zero is left out on the wire, and older versions say zero for a prompt that
    was in their cache: no prompt has no tokens, so such a count is `estimated`.
    """
    asked, answered = count_of(frame.get("prompt_eval_count")), count_of(frame.get("eval_count"))
    if not asked and not answered:
        return None
    return Usage(input=asked, output=answered, estimated=not asked)


class Frames:
    """The frames of one answer, read into chunks; `whole` once it has ended.

    `taken` counts them.
    """

    __slots__ = ("_called", "_parts", "_text_part", "_thinking_part", "taken", "whole")

    def __init__(self) -> None:
        self.whole = False
        self.taken = 0
        self._parts = 0
        self._text_part = -1
        self._thinking_part = -1
        self._called = False

    def take(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        """Add the chunks of the next frame, for which `is_frame` holds, to `chunks`."""
        if not self.taken:
            chunks.append(Started(id="", model=str(frame.get("model") or ""), origin=ORIGIN))
        self.taken += 1
        said = frame.get("message")
        if type(said) is dict:
            thinking = said.get("thinking")
            if thinking and type(thinking) is str:
                if self._thinking_part < 0:
                    self._thinking_part = self._next_part()
                chunks.append(ThinkingDelta(self._thinking_part, thinking))
            text = said.get("content")
            if text and type(text) is str:
                if self._text_part < 0:
                    self._text_part = self._next_part()
                chunks.append(TextDelta(self._text_part, text))
            calls = said.get("tool_calls")
            if calls and type(calls) is list:
                for call in calls:
                    self._take_call(call, chunks)
        if frame.get("done") is True:
            self._end(frame, chunks)

    def _take_call(self, call: Any, chunks: list[Chunk]) -> None:
        """A call comes whole, its arguments as an object, and from older versions without an id."""
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            return
        self._called = True
        index = self._next_part()
        part = ToolCallPart(
            id=str(call.get("id") or mint_call_id()),
            name=str(function.get("name") or ""),
            args_json=arguments_of(function.get("arguments")) or "{}",
        )
        chunks += [
            ToolCallStarted(index, part.id, part.name),
            ToolArgsDelta(index, part.args_json),
            PartDone(index, part),
        ]

    def _end(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        self.whole = True
        usage = usage_of(frame)
        if usage is not None:
            chunks.append(UsageUpdate(usage))
        reason = frame.get("done_reason")
        raw = reason if isinstance(reason, str) and reason else None
        chunks.append(Finished(finish_of(raw, called=self._called), raw))

    def _next_part(self) -> int:
        part = self._parts
        self._parts += 1
        return part
