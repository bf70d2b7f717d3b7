"""The bytes of one streamed answer of Ollama, read into chunks.

The answer is whole when a line with `done: true` was read, be it the last one
without its line end; every other end is StreamTruncated. An error stands in a
line of its own, under status 200. What comes instead of lines of JSON (a page
of HTML, a sentence of a proxy) is told apart by the first line. No content
type is needed, and none is trusted.
"""

from typing import Any

import orjson

from ..chat import Chunk
from ..errors import ErrorKind, ProviderError, StreamGarbled, StreamTruncated
from ..json_reading import read_json
from .http import excerpt
from .ndjson import MAX_LINE, LineTooLarge, NdjsonDecoder
from .ollama_errors import error_in_stream
from .ollama_values import Frames, is_frame
from .openai_answer import is_error, load_json
from .openai_errors import not_the_wire

__all__ = ["OllamaDecoder"]

_PAGE = 4096  # bytes of a page of HTML that are read before it is given up
_MARK = b"\xef\xbb\xbf"


class OllamaDecoder:
    """A `Decoder` of /api/chat, which says what it promises.

    `max_line` bounds one line of a stream, in bytes.
    """

    __slots__ = ("_count", "_error", "_foreign", "_frames", "_lines", "_page")

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self._lines = NdjsonDecoder(max_line)
        self._frames = Frames()
        self._count = 0
        self._page: list[bytes] = []  # the lines of what is HTML
        self._foreign = b""  # the first line of JSON that is no part of an answer
        self._error: ProviderError | None = None

    @property
    def done(self) -> bool:
        """The answer is whole, or an error waits for the next call."""
        return self._frames.whole or self._error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Raises the error that came before it."""
        if self._error is not None:
            raise self._error
        chunks: list[Chunk] = []
        if self._frames.whole:
            return chunks  # nothing of interest comes after done
        try:
            for line in self._lines.feed(data):
                self._take_line(line, chunks)
                if self._frames.whole:
                    return chunks
            if self._lines.error is not None:
                raise self._lines.error
        except ProviderError as error:
            self._error = error
        except LineTooLarge as error:
            self._error = _protocol_error(f"the provider sent {error}")
        return chunks

    def eof(self) -> list[Chunk]:
        """The last chunks. Raises StreamTruncated, or the error that came before.

        A line without its end counts where it ends the answer, as the body of
        an answer that was not streamed after all does; else it is dropped.
        """
        if self._error is not None:
            raise self._error
        if self._frames.whole:
            return []
        chunks: list[Chunk] = []
        tail = self._lines.eof()
        if self._page or (not self._count and tail.lstrip().startswith(b"<")):
            raise not_the_wire("HTML", b"\n".join([*self._page, tail]), {}, in_stream=True)
        if tail:
            self._take_tail(tail, chunks)
        if self._frames.whole:
            return chunks
        if self._foreign and not self._frames.taken:
            raise not_the_wire("JSON that is no chat answer", self._foreign, {}, in_stream=True)
        raise StreamTruncated(
            message=f"the stream ended before done: true, after {self._count} lines"
        )

    def _take_line(self, line: bytes, chunks: list[Chunk]) -> None:
        self._count += 1
        if self._page:
            self._take_page(line)
            return
        try:
            frame = read_json(line)
        except orjson.JSONDecodeError:
            if self._count == 1 and line.lstrip().startswith(b"<"):
                self._take_page(line)
                return
            frame = self._mended(line)
        self._take_frame(frame, line, chunks)

    def _take_frame(self, frame: Any, line: bytes, chunks: list[Chunk]) -> None:
        if type(frame) is dict:
            if frame.get("error"):
                raise error_in_stream(frame)
            if is_frame(frame):
                self._frames.take(frame, chunks)
            elif is_error(frame):
                raise error_in_stream(frame)
            elif not self._foreign:
                self._foreign = line  # what is new to us need not end the answer
            return
        if isinstance(frame, list) and frame and isinstance(frame[0], dict) and is_error(frame[0]):
            raise error_in_stream(frame)
        raise self._garbled(
            f"line {self._count} of the stream is no JSON object: {excerpt(line)!r}"
        )

    def _take_tail(self, tail: bytes, chunks: list[Chunk]) -> None:
        try:
            frame = load_json(tail)
        except orjson.JSONDecodeError as fault:
            began = tail.lstrip()
            broken_off = began.startswith(b"{") and "unexpected end" in fault.msg
            if self._count or broken_off or _MARK.startswith(began):
                return
            raise not_the_wire("text that is not JSON", tail, {}, in_stream=True) from None
        if isinstance(frame, (dict, list)):
            self._take_frame(frame, tail, chunks)
        elif not self._count:
            raise not_the_wire("JSON that is no chat answer", tail, {}, in_stream=True)

    def _take_page(self, line: bytes) -> None:
        self._page.append(line)
        if sum(map(len, self._page)) >= _PAGE:
            raise not_the_wire("HTML", b"\n".join(self._page), {}, in_stream=True)

    def _mended(self, line: bytes) -> Any:
        """The JSON of a line that orjson did not take as it came."""
        try:
            return load_json(line)
        except orjson.JSONDecodeError as fault:
            raise self._garbled(
                f"line {self._count} of the stream is no JSON ({fault.msg} at {fault.pos}): "
                f"{excerpt(line)!r}"
            ) from None

    def _garbled(self, message: str) -> ProviderError:
        """The error for a line that cannot be read; the first one is no accident."""
        return StreamGarbled(message=message) if self._count > 1 else _protocol_error(message)


def _protocol_error(message: str) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.PROTOCOL_ERROR,
        message=message,
        in_stream=True,
        phase="stream",
        billed="maybe",
    )
