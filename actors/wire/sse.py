"""Server-sent events out of bytes, by the rules of the WHATWG HTML standard, section 9.2.6.

Lines are split as bytes at CR, LF and CRLF and nowhere else: U+2028 or U+0085
within JSON text ends no line, and a character cut in two by a read is whole
again in its line. `data` stays bytes, because what reads it is a JSON parser.
"""

import attrs

__all__ = ["MAX_EVENT", "EventTooLarge", "ServerSentEvent", "SseDecoder"]

# 8 MiB holds an image in base64, and a hostile server costs no more than this.
MAX_EVENT = 8 * 1024 * 1024

_MARK = b"\xef\xbb\xbf"
_CR, _LF = 13, 10  # as numbers: `b"\r" in chunk` costs six times as much
# The least that stands around data: what is counted is never more than what came,
# or else it would matter for the bound where the bytes were cut.
_AROUND_DATA = len(b"data\n")


class EventTooLarge(ValueError):
    """One event, or one line, is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"an event of more than {self.limit} bytes; raise max_event if that is meant"


@attrs.define
class ServerSentEvent:
    """One event, of that `type`, "message" where the stream names none; `data` are its bytes.

    `id` is the last id that the stream has named so far.
    """

    type: str
    data: bytes
    id: str = ""

    @property
    def text(self) -> str:
        """The data as text; bytes that are no UTF-8 become U+FFFD, as the standard says."""
        return self.data.decode("utf-8", "replace")


class SseDecoder:
    """Bytes in, events out; any split of the same bytes gives the same events.

    `max_event` bounds the bytes of one event as it stands on the wire. When it
    is passed, `feed` still returns the events before, `error` is set, and
    every later call raises it. `last_event_id` and `retry`, in milliseconds, are
    what the stream has named last, "" and None where it has not.
    """

    __slots__ = (
        "_begun",
        "_between",
        "_data",
        "_held",
        "_held_size",
        "_size",
        "_skip_lf",
        "_type",
        "error",
        "last_event_id",
        "max_event",
        "retry",
    )

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.max_event = max_event
        self.error: EventTooLarge | None = None
        self.last_event_id = ""
        self.retry: int | None = None  # milliseconds, where the stream has named them
        self._begun = False
        self._between = False  # past the mark, with nothing of an event or a line held
        self._skip_lf = False
        self._held: list[bytes] = []  # pieces of the line that has not ended
        self._held_size = 0
        self._data: list[bytes] = []  # the data lines of the event that has not ended
        self._size = 0
        self._type = ""

    def only_data(self, chunk: bytes) -> bytes | None:
        """The data of `chunk` where it is one whole event of one data line; else None,
        and then `feed` is to be asked.

        A model at its usual pace gives one such event a read, and whoever wants
        nothing but data has it so at half the cost.
        """
        if (
            self._between
            and chunk.startswith(b"data: ")
            and chunk.find(_LF) == len(chunk) - 2
            and chunk.endswith(b"\n")
            and _CR not in chunk
            and len(chunk) < self.max_event
        ):
            return chunk[6:-2]
        return None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes. Raises EventTooLarge, see above."""
        if self.error is not None:
            raise self.error
        if not self._begun:
            chunk = self._after_mark(chunk)
        if self._skip_lf and chunk:
            # The LF of a CRLF that was cut in two: its CR has ended the line.
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if _CR in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        tail = lines.pop()
        # One comparison a read: where all of it fits, no line of it can be too large.
        roomy = self._size + self._held_size + len(chunk) < self.max_event
        if lines and self._held:
            self._held.append(lines[0])
            lines[0] = b"".join(self._held)
            self._held.clear()
            self._held_size = 0
        events = self._take(lines) if roomy else self._take_carefully(lines)
        if tail and self.error is None:
            self._held.append(tail)
            self._held_size += len(tail)
            if not roomy:
                self._check(self._held_size)
        self._between = not (tail or self._data or self._type or self._skip_lf or self.error)
        return events

    def eof(self) -> None:
        """The stream has ended. An event that has not ended with it is dropped,
        as the standard says. Raises EventTooLarge where `feed` has found it."""
        if self.error is not None:
            raise self.error
        self._held.clear()
        self._data.clear()

    def _after_mark(self, chunk: bytes) -> bytes:
        """`chunk` without the byte order mark that may stand at the very beginning."""
        chunk = b"".join(self._held) + chunk
        self._held.clear()
        self._held_size = 0
        if len(chunk) < len(_MARK) and _MARK.startswith(chunk):
            if chunk:
                self._held.append(chunk)
                self._held_size = len(chunk)
            return b""
        self._begun = True
        return chunk.removeprefix(_MARK)

    def _take(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        data = self._data
        counted = len(data)
        for line in lines:
            if line.startswith(b"data: "):
                data.append(line[6:])
            elif line:
                self._take_field(line)
            else:
                if data:
                    whole = data[0] if len(data) == 1 else b"\n".join(data)
                    events.append(
                        ServerSentEvent(self._type or "message", whole, self.last_event_id)
                    )
                    data.clear()
                self._type = ""
        if events:
            counted = self._size = 0
        if data:
            self._size += sum(len(line) + _AROUND_DATA for line in data[counted:])
        return events

    def _take_carefully(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not self._check(len(line)):
                break
            events += self._take([line])
        return events

    def _check(self, line_size: int) -> bool:
        if self._size + line_size < self.max_event:
            return True
        self.error = EventTooLarge(self.max_event)
        return False

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._type = value.decode("utf-8", "replace")
            case b"id" if b"\0" not in value:
                self.last_event_id = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit():
                # 18 digits are enough for any time, and cheap to turn into a number.
                self.retry = int(value[:18])
            case _:
                pass  # a comment (no name before its colon), or a field that means nothing
