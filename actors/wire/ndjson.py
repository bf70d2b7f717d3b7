"""Lines of newline-delimited JSON out of bytes.

Lines are split as bytes at LF and nowhere else: U+2028 or U+0085 within JSON
text ends no line, and a character cut in two by a read is whole again in its
line. A CR before the LF is no part of the line. What a line holds is not looked at.
"""

__all__ = ["MAX_LINE", "LineTooLarge", "NdjsonDecoder"]

# 8 MiB holds an image in base64, and a hostile server costs no more than this.
MAX_LINE = 8 * 1024 * 1024

_MARK = b"\xef\xbb\xbf"


class LineTooLarge(ValueError):
    """One line is larger than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"a line of more than {self.limit} bytes; raise max_line if that is meant"


class NdjsonDecoder:
    """Bytes in, lines out; any split of the same bytes gives the same lines.

    Blank lines are dropped (some servers keep a connection alive by them), and
    so is a byte order mark at the very beginning. `max_line` bounds a line as
    it stands on the wire, without its LF. When one is larger, `feed` still
    returns the lines before it, `error` is set, and every later call raises it.
    """

    __slots__ = ("_begun", "_held", "_held_size", "error", "max_line")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self.max_line = max_line
        self.error: LineTooLarge | None = None
        self._begun = False  # the first line has ended, and with it the place for a mark
        self._held: list[bytes] = []  # pieces of the line that has not ended
        self._held_size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes. Raises LineTooLarge, see above."""
        if self.error is not None:
            raise self.error
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines and self._held:
            self._held.append(lines[0])
            lines[0] = b"".join(self._held)
            self._held.clear()
            self._held_size = 0
        whole: list[bytes] = []
        for line in lines:
            if len(line) > self.max_line:
                self.error = LineTooLarge(self.max_line)
                return whole
            stripped = self._stripped(line)
            if stripped and not stripped.isspace():
                whole.append(stripped)
            self._begun = True
        if tail:
            self._held.append(tail)
            self._held_size += len(tail)
            if self._held_size > self.max_line:
                self.error = LineTooLarge(self.max_line)
                self._held.clear()
        return whole

    def eof(self) -> bytes:
        """What stands after the last LF: a line whose end did not come, or nothing.

        Raises LineTooLarge where `feed` has found it.
        """
        if self.error is not None:
            raise self.error
        tail = self._stripped(b"".join(self._held))
        self._held.clear()
        self._held_size = 0
        return b"" if tail.isspace() else tail

    def _stripped(self, line: bytes) -> bytes:
        if not self._begun:
            line = line.removeprefix(_MARK)
        return line.removesuffix(b"\r")
