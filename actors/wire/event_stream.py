"""What streams of server-sent events have in common, whichever provider's they are.

What a server sends under status 200 is not always a stream of events. The
first byte that is no white space tells: a brace begins a JSON body (an error,
or an answer that was not streamed after all), an angle bracket begins a page
of HTML. No content type is needed, and none is trusted.

Keep-alive comments give no chunk: a `feed` that returns nothing is still a
sign of life.
"""

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import orjson

from ..chat import Chunk
from ..errors import ErrorKind, ProviderError, StreamGarbled, StreamTruncated
from .http import excerpt
from .openai_answer import is_error, load_json
from .openai_errors import error_in_stream, not_the_wire
from .sse import EventTooLarge, SseDecoder

__all__ = ["EventStream"]

_PAGE = 4096  # bytes of a page of HTML that are read before it is given up
_HEAD = 256  # bytes kept to say what came, should no event ever come

_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_EVENTS = re.compile(rb"(data|event|id|retry)?:")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:")


class EventStream(ABC):
    """A `Decoder` but for what the events mean; see codec.py for its promises.

    `max_event` bounds one event, and a body that is no stream, in bytes;
    `skip_malformed` is how many events that are no JSON are passed over before
    one is an error. Who inherits says what an event, an end and a whole body
    mean, and sets `_whole` once the answer is.
    """

    __slots__ = (
        "_body",
        "_body_size",
        "_error",
        "_events",
        "_head",
        "_max_body",
        "_skippable",
        "_sse",
        "_whole",
        "_wire",
    )

    # The type of nearly every event, where a line of its own names it: a read of one
    # such event is spared the whole of SSE.
    _usual: ClassVar[str] = "message"
    _usual_line: ClassVar[bytes] = b""

    # What an event is that belongs to another wire, in the words of an error.
    _none_of: ClassVar[str] = "no JSON object"

    def __init__(self, max_event: int, skip_malformed: int = 0) -> None:
        self._max_body = max_event
        self._skippable = skip_malformed
        self._sse = SseDecoder(max_event)
        self._wire = ""  # "" until the first byte told; then events, json or html
        self._head = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._events = 0
        self._error: ProviderError | None = None
        self._whole = False

    @abstractmethod
    def _take_event(self, data: bytes, kind: str, chunks: list[Chunk]) -> None:
        """Add the chunks of one event. Raises the ProviderError that it is."""

    @abstractmethod
    def _end_of_events(self) -> list[Chunk]:
        """The last chunks of an answer that is whole without its last event.

        Raises StreamTruncated for one that is not.
        """

    @abstractmethod
    def _take_body(self, body: bytes) -> list[Chunk]:
        """The chunks of a body of JSON under status 200. Raises the error that it is."""

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
            return chunks  # nothing of interest comes after the answer
        if self._wire != "events":
            data = self._recognized(data)
        if data:
            if not self._events and len(self._head) < _HEAD:
                self._head += data[: _HEAD - len(self._head)]
            try:
                line = data.removeprefix(self._usual_line)
                only = self._sse.only_data(line) if len(data) < self._max_body else None
                if only is not None:
                    kind = "message" if len(line) == len(data) else self._usual
                    self._take_event(only, kind, chunks)
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
        if self._events == 0 and self._head and not self._looks_like_events():
            raise not_the_wire("text that is no event stream", self._head, {}, in_stream=True)
        return self._end_of_events()

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
        return self._take_body(body)

    def _mended(self, data: bytes, kind: str) -> Any:
        """The JSON of an event that orjson did not take as it came.

        An event of the type error may be plain text.
        """
        try:
            return load_json(data)
        except orjson.JSONDecodeError as fault:
            if kind == "error":
                return data.decode("utf-8", "replace")
            if not data.strip():
                return {}  # an event without data: a keep-alive
            if self._skippable > 0:
                self._skippable -= 1
                return {}
            raise self._garbled(
                f"event {self._events} of the stream is no JSON ({fault.msg} at {fault.pos}): "
                f"{excerpt(data)!r}"
            ) from None

    def _foreign(self, frame: Any, data: bytes, kind: str) -> ProviderError:
        """The error for an event that is none of an answer: an error itself, or not ours."""
        listed = frame[0] if isinstance(frame, list) and frame else frame
        if kind == "error" or (isinstance(listed, dict) and is_error(listed)):
            return self._error_in(frame)
        return self._garbled(
            f"event {self._events} of the stream is {self._none_of}: {excerpt(data)!r}"
        )

    def _error_in(self, frame: Any) -> ProviderError:
        """The error that a frame is."""
        return error_in_stream(frame)

    def _truncated(self, how: str) -> StreamTruncated:
        return StreamTruncated(message=f"{how} before the answer did, after {self._events} events")

    def _garbled(self, message: str) -> ProviderError:
        """The error for an event that cannot be read; the first one is no accident."""
        return StreamGarbled(message=message) if self._events > 1 else self._protocol_error(message)

    def _protocol_error(self, message: str) -> ProviderError:
        return ProviderError(
            kind=ErrorKind.PROTOCOL_ERROR,
            message=message,
            in_stream=True,
            phase="stream",
            billed="maybe",
        )
