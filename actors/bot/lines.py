"""An answer as it comes, in lines that a chat network takes.

A line of IRC has 512 bytes, of which the network needs some for who said it
where (RFC 2812, 2.3): so the limit is in bytes of UTF-8, and no letter is cut.
"""

from collections.abc import Iterator

__all__ = ["LONGEST_LINE", "LineBuffer", "lines_of"]

LONGEST_LINE = 400
"""Bytes. What is left of 512 is enough for the longest names of people and channels."""

# A letter of UTF-8 has four bytes at most.
_SHORTEST = 4


class LineBuffer:
    """Takes text piece by piece, and gives back the lines that are whole.

    Blank lines are left out, for networks do not take them. `longest` is in
    bytes. Raises ValueError where a letter may be longer.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        if longest < _SHORTEST:
            raise ValueError(f"a line has {_SHORTEST} bytes or more, not {longest}")
        self._longest = longest
        self._held = ""
        # Whether what is held goes on with a line that was cut behind a word.
        self._goes_on = False

    def feed(self, text: str) -> Iterator[str]:
        """Take the next piece; the lines that it completes."""
        # No network takes a zero.
        self._held += text.replace("\0", "")
        # A carriage return may be the first half of a line's end.
        at = max(self._held.rfind("\n"), self._held.rfind("\r", 0, len(self._held) - 1))
        whole, self._held = self._held[: at + 1], self._held[at + 1 :]
        for line in whole.splitlines():
            yield from self._folded(line)
        while len(self._held) > self._longest:
            line, self._held = self._first(self._going_on(self._held))
            self._goes_on = True
            if line:
                yield line

    def flush(self) -> Iterator[str]:
        """What is left, where nothing more comes."""
        held, self._held = self._held, ""
        for line in held.splitlines():
            yield from self._folded(line)

    def _folded(self, line: str) -> Iterator[str]:
        line = self._going_on(line).rstrip()
        self._goes_on = False
        while line:
            first, line = self._first(line)
            if first:
                yield first

    def _going_on(self, text: str) -> str:
        return text.lstrip(" ") if self._goes_on else text

    def _first(self, text: str) -> tuple[str, str]:
        """As much of `text` as is one line, cut behind a word if there is one; and the rest."""
        data = text.encode("utf-8", "replace")
        if len(data) <= self._longest:
            return text.rstrip(), ""
        piece = data[: self._longest].decode("utf-8", "ignore")
        # The space behind a word that just fits need not fit.
        at = text.rfind(" ", 0, len(piece) + 1)
        if not piece[: max(at, 0)].strip():
            at = len(piece)
        return text[:at].rstrip(), text[at:].lstrip(" ")


def lines_of(text: str, longest: int = LONGEST_LINE) -> Iterator[str]:
    """All lines of `text`."""
    buffer = LineBuffer(longest)
    yield from buffer.feed(text)
    yield from buffer.flush()
