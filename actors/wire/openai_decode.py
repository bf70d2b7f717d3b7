"""The events of one streamed chat completion, read into chunks.

The answer is whole when a finish_reason was seen and then [DONE] or the end of
the stream; or, from servers that never send one, when the totals came
(a frame with usage and no choices, which OpenAI leaves out of a stream that is
interrupted) and then [DONE]. Every other end is StreamTruncated.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from ..chat import (
    Chunk,
    Finished,
    Logprobs,
    PartDone,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from ..errors import StreamTruncated
from ..json_reading import read_json
from .assembly import chunks_of
from .event_stream import EventStream
from .openai_answer import is_error, read_answer
from .openai_errors import error_in_stream
from .openai_tools import ToolCalls
from .openai_values import (
    ORIGIN,
    beside_parts,
    finish_of,
    likelihoods_of,
    text_and_thinking,
    thinking_of,
    usage_of,
)
from .sse import MAX_EVENT

__all__ = ["OpenAIDecoder"]


class OpenAIDecoder(EventStream):
    """A `Decoder` of chat completion streams, which says what it promises.

    `lenient_finish` lets a bare [DONE] end an answer. `max_event` bounds one
    event, and a body that is no stream, in bytes; `skip_malformed` is how many
    events that are no JSON are passed over.
    """

    __slots__ = (
        "_beside",
        "_calls",
        "_lenient",
        "_parts",
        "_raw_finish",
        "_refusal_part",
        "_started",
        "_text_part",
        "_thinking_part",
        "_tier",
        "_totals",
    )

    def __init__(
        self,
        *,
        lenient_finish: bool = False,
        max_event: int = MAX_EVENT,
        skip_malformed: int = 0,
    ) -> None:
        super().__init__(max_event, skip_malformed)
        self._lenient = lenient_finish
        self._started = False
        self._raw_finish: str | None = None
        self._totals = False
        self._parts = 0
        self._text_part = -1
        self._thinking_part = -1
        self._refusal_part = -1
        self._calls: ToolCalls | None = None
        self._beside: dict[str, Any] | None = None
        self._tier: Any = None

    def _end_of_events(self) -> list[Chunk]:
        if self._raw_finish is None:
            raise self._truncated("the stream ended")
        return self._end()

    def _take_body(self, body: bytes) -> list[Chunk]:
        return chunks_of(read_answer(200, {}, body))

    def _take_event(self, data: bytes, kind: str, chunks: list[Chunk]) -> None:
        self._events += 1
        try:
            frame = read_json(data)
        except orjson.JSONDecodeError:
            if data.strip() == b"[DONE]":
                return self._take_done(chunks)
            frame = self._mended(data, kind)
        if type(frame) is not dict or kind == "error":
            raise self._foreign(frame, data, kind)
        choices = frame.get("choices")
        if frame.get("error") or (not choices and is_error(frame)):
            raise error_in_stream(frame)
        if not self._started:
            self._start(frame, chunks)
        for choice in choices if type(choices) is list else ():
            if type(choice) is not dict or choice.get("index"):
                continue  # a caller who asked for several answers gets the first
            delta = choice.get("delta")
            if type(delta) is dict:
                text = delta.get("content")
                # Nearly every delta of an answer is this one.
                if len(delta) == 1 and type(text) is str:
                    if text:
                        if self._text_part < 0:
                            self._text_part = self._next_part()
                        chunks.append(TextDelta(self._text_part, text))
                elif delta:
                    self._take_delta(delta, chunks)
            if choice.get("logprobs"):
                self._take_logprobs(choice, chunks)
            reason = choice.get("finish_reason")
            if reason and type(reason) is str:
                self._raw_finish = reason
                self._tier = frame.get("service_tier") or self._tier
        usage = frame.get("usage")
        if usage and type(usage) is dict:
            chunks.append(UsageUpdate(usage_of(usage)))
            self._totals = not choices
            self._tier = frame.get("service_tier") or self._tier
        return None

    def _start(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        # Azure's first frame names nothing and holds only the verdict on the prompt.
        if frame.get("id") or frame.get("model") or frame.get("choices"):
            self._started = True
            self._tier = tier = frame.get("service_tier")
            chunks.append(
                Started(
                    id=str(frame.get("id") or ""),
                    model=str(frame.get("model") or ""),
                    service_tier=tier if isinstance(tier, str) and tier else None,
                    origin=ORIGIN,
                )
            )

    def _take_delta(self, delta: Mapping[str, Any], chunks: list[Chunk]) -> None:
        text, thinking = text_and_thinking(delta.get("content"))
        thinking = thinking or thinking_of(delta)
        if thinking:
            if self._thinking_part < 0:
                self._thinking_part = self._next_part()
            chunks.append(ThinkingDelta(self._thinking_part, thinking))
        if text:
            if self._text_part < 0:
                self._text_part = self._next_part()
            chunks.append(TextDelta(self._text_part, text))
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            if self._refusal_part < 0:
                self._refusal_part = self._next_part()
            chunks.append(RefusalDelta(self._refusal_part, refusal))
        entries = delta.get("tool_calls")
        if entries and isinstance(entries, list):
            if self._calls is None:
                self._calls = ToolCalls(self._next_part)
            chunks += self._calls.take(entries)
        if delta.get("audio") or delta.get("annotations"):
            self._take_beside(delta)

    def _take_logprobs(self, choice: Mapping[str, Any], chunks: list[Chunk]) -> None:
        raw = likelihoods_of(choice)
        if raw is not None:
            chunks.append(Logprobs(raw))

    def _take_beside(self, delta: Mapping[str, Any]) -> None:
        """Audio, of which texts go on and all else replaces, and annotations."""
        beside = self._beside = self._beside or {"audio": {}, "annotations": []}
        audio, cited = delta.get("audio"), delta.get("annotations")
        for name, value in audio.items() if isinstance(audio, Mapping) else ():
            goes_on = name in ("data", "transcript") and isinstance(value, str)
            beside["audio"][name] = beside["audio"].get(name, "") + value if goes_on else value
        beside["annotations"] += cited if isinstance(cited, list) else []

    def _next_part(self) -> int:
        part = self._parts
        self._parts += 1
        return part

    # --- ends

    def _take_done(self, chunks: list[Chunk]) -> None:
        if self._raw_finish is None and not self._totals and not self._lenient:
            raise self._truncated("[DONE] came")
        chunks += self._end()

    def _end(self) -> list[Chunk]:
        self._whole = True
        finish = finish_of(self._raw_finish, refused=self._refusal_part >= 0)
        chunks = [] if self._calls is None else self._calls.end(finish)
        for part in beside_parts(self._beside or {}):
            chunks.append(PartDone(self._next_part(), part))
        tier = self._tier if isinstance(self._tier, str) else None
        chunks.append(Finished(finish, self._raw_finish, tier))
        return chunks

    def _truncated(self, how: str) -> StreamTruncated:
        return StreamTruncated(
            message=f"{how} before any finish_reason, after {self._events} events"
        )
