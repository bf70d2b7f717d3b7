"""The bytes of one streamed chat completion, read into chunks.

What a server sends under status 200 is not always a stream of events. The
first byte that is no white space tells: a brace begins a JSON body (an error,
or an answer that was not streamed after all), an angle bracket begins a page
of HTML. No content type is needed, and none is trusted.

The answer is whole when a finish_reason was seen and then [DONE] or the end of
the stream; or, from servers that never send one, when the totals came
(a frame with usage and no choices, which OpenAI leaves out of a stream that is
interrupted) and then [DONE]. Every other end is StreamTruncated. Keep-alive
comments give no chunk: a `feed` that returns nothing is still a sign of life.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..chat import (
    Chunk,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from ..errors import ErrorKind, ProviderError, StreamTruncated
from .assembly import chunks_of
from .http import excerpt
from .openai_answer import is_error, load_json, read_answer
from .openai_errors import error_in_stream, not_the_wire
from .openai_tools import ToolCalls
from .openai_values import ORIGIN, finish_of, text_and_thinking, thinking_of, usage_of
from .sse import MAX_EVENT, EventTooLarge, SseDecoder

__all__ = ["OpenAIDecoder"]

_PAGE = 4096  # bytes of a page of HTML that are read before it is given up
_HEAD = 256  # bytes kept to say what came, should no event ever come

_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_EVENTS = re.compile(rb"(data|event|id|retry)?:")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:")


class OpenAIDecoder:
    """A `Decoder` of chat completion streams; see codec.py for its promises.

    `lenient_finish` lets a bare [DONE] end an answer. `max_event` bounds one
    event, and a body that is no stream, in bytes.
    """

    __slots__ = (
        "_body",
        "_body_size",
        "_calls",
        "_error",
        "_events",
        "_head",
        "_lenient",
        "_max_body",
        "_parts",
        "_raw_finish",
        "_refusal_part",
        "_sse",
        "_started",
        "_text_part",
        "_thinking_part",
        "_totals",
        "_whole",
        "_wire",
    )

    def __init__(self, *, lenient_finish: bool = False, max_event: int = MAX_EVENT) -> None:
        self._lenient = lenient_finish
        self._max_body = max_event
        self._sse = SseDecoder(max_event)
        self._wire = ""  # "" until the first byte told; then events, json or html
        self._head = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._events = 0
        self._error: ProviderError | None = None
        self._whole = False
        self._started = False
        self._raw_finish: str | None = None
        self._totals = False
        self._parts = 0
        self._text_part = -1
        self._thinking_part = -1
        self._refusal_part = -1
        self._calls: ToolCalls | None = None

    @property
    def done(self) -> bool:
        """The answer is whole, or an error waits for the next call."""
        return self._whole or self._error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Raises the error that came before it."""
        if self._error is not None:
            raise self._error
        chunks: list[Chunk] = []
        if self._whole:
            return chunks  # nothing of interest comes after [DONE]
        if self._wire != "events":
            data = self._recognized(data)
        if data:
            if not self._events and len(self._head) < _HEAD:
                self._head += data[: _HEAD - len(self._head)]
            try:
                only = self._sse.only_data(data)
                if only is not None:
                    self._take_event(only, "message", chunks)
                    return chunks
                for event in self._sse.feed(data):
                    self._take_event(event.data, event.type, chunks)
                    if self._whole:
                        return chunks
                if self._sse.error is not None:
                    raise self._sse.error
            except ProviderError as error:
                self._error = error
            except EventTooLarge as error:
                self._error = self._protocol_error(f"the provider sent {error}")
        return chunks

    def eof(self) -> list[Chunk]:
        """The last chunks. Raises StreamTruncated, or the error that came before."""
        if self._error is not None:
            raise self._error
        if self._whole:
            return []
        if self._wire in ("json", "html"):
            return self._end_body()
        if self._raw_finish is not None:
            return self._end()
        if self._events == 0 and self._head and not self._looks_like_events():
            raise not_the_wire("text that is no event stream", self._head, {}, in_stream=True)
        raise self._truncated("the stream ended")

    # --- what kind of body it is

    def _recognized(self, data: bytes) -> bytes:
        """What of `data` goes to the event decoder, now that it may be known."""
        if self._wire == "":
            self._head += data
            seen = self._head.removeprefix(_MARK).lstrip(_BLANK)
            if not seen:
                # Blanks mean nothing to any of the three: one stands for all.
                self._head = self._head.removeprefix(_MARK)[-1:]
                return b""
            if _MARK.startswith(seen):
                return b""  # it may yet become a byte order mark
            self._wire = {b"{": "json", b"[": "json", b"<": "html"}.get(seen[:1], "events")
            data, self._head = self._head, b""
            if self._wire == "events":
                return data
        self._body.append(data)
        self._body_size += len(data)
        if self._wire == "html" and self._body_size >= _PAGE:
            self._error = not_the_wire("HTML", b"".join(self._body)[:_PAGE], {}, in_stream=True)
        elif self._body_size > self._max_body:
            self._error = self._protocol_error(
                f"the provider sent a body of more than {self._max_body} bytes"
            )
        return b""

    def _looks_like_events(self) -> bool:
        if self._wire == "":
            return True  # not a byte has told yet
        head = self._head.removeprefix(_MARK).lstrip(_BLANK)
        return bool(_EVENTS.match(head)) or any(field.startswith(head) for field in _FIELDS)

    def _end_body(self) -> list[Chunk]:
        body = b"".join(self._body).removeprefix(_MARK)
        if self._wire == "html":
            raise not_the_wire("HTML", body, {}, in_stream=True)
        self._whole = True
        return chunks_of(read_answer(200, {}, body))

    # --- events

    def _take_event(self, data: bytes, kind: str, chunks: list[Chunk]) -> None:
        self._events += 1
        try:
            frame = orjson.loads(data)
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
            reason = choice.get("finish_reason")
            if reason and type(reason) is str:
                self._raw_finish = reason
        usage = frame.get("usage")
        if usage and type(usage) is dict:
            chunks.append(UsageUpdate(usage_of(usage)))
            self._totals = not choices
        return None

    def _start(self, frame: Mapping[str, Any], chunks: list[Chunk]) -> None:
        # Azure's first frame names nothing and holds only the verdict on the prompt.
        if frame.get("id") or frame.get("model") or frame.get("choices"):
            self._started = True
            tier = frame.get("service_tier")
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
        chunks = [] if self._calls is None else self._calls.end()
        refused = self._refusal_part >= 0
        chunks.append(Finished(finish_of(self._raw_finish, refused=refused), self._raw_finish))
        return chunks

    def _truncated(self, how: str) -> StreamTruncated:
        return StreamTruncated(
            message=f"{how} before any finish_reason, after {self._events} events"
        )

    def _mended(self, data: bytes, kind: str) -> Any:
        """The JSON of an event that orjson did not take as it came."""
        try:
            return load_json(data)
        except orjson.JSONDecodeError as fault:
            if kind == "error":
                return data.decode("utf-8", "replace")
            if not data.strip():
                return {}  # an event without data: a keep-alive
            raise self._protocol_error(
                f"event {self._events} of the stream is no JSON ({fault.msg} at {fault.pos}): "
                f"{excerpt(data)!r}"
            ) from None

    def _foreign(self, frame: Any, data: bytes, kind: str) -> ProviderError:
        """The error for an event that is no chunk of an answer."""
        listed = frame[0] if isinstance(frame, list) and frame else frame
        if kind == "error" or (isinstance(listed, dict) and is_error(listed)):
            return error_in_stream(frame)
        return self._protocol_error(
            f"event {self._events} of the stream is no JSON object: {excerpt(data)!r}"
        )

    def _protocol_error(self, message: str) -> ProviderError:
        return ProviderError(
            kind=ErrorKind.PROTOCOL_ERROR,
            message=message,
            in_stream=True,
            phase="stream",
            billed="maybe",
        )
