"""Breaks lines between words while they come, for a terminal that would break them within.

Sans-IO. The last word of what has come is held back until it is known to be
whole. Nothing is joined: line breaks of the text stay where they are.
"""

import re
import unicodedata

__all__ = ["Wrapping"]

_TOKENS = re.compile(r"\n|[^\S\n]+|\S+")


class Wrapping:
    """Wraps at `columns`; the first line has `used` of them taken."""

    def __init__(self, columns: int, used: int = 0) -> None:
        self._columns = columns
        self._column = used
        self._space = ""
        self._held = ""

    def feed(self, text: str) -> str:
        """What may be shown now of all that has come."""
        tokens = _TOKENS.findall(self._held + text)
        self._held = ""
        if tokens and not tokens[-1].isspace() and len(tokens[-1]) < self._columns:
            self._held = tokens.pop()
        return "".join(self._place(token) for token in tokens)

    def flush(self) -> str:
        """The rest; nothing comes after it."""
        held, self._held = self._held, ""
        return self._place(held) if held else ""

    def _place(self, token: str) -> str:
        if token == "\n":
            self._column, self._space = 0, ""
            return token
        if token.isspace():
            # Shown before the next word, if that is on the same line.
            self._space += token
            return ""
        space, self._space = self._space.expandtabs(), ""
        width = _width(token)
        if self._column and space and self._column + len(space) + width > self._columns:
            self._advance(0, width)
            return f"\n{token}"
        self._advance(self._column, len(space) + width)
        return space + token

    def _advance(self, column: int, width: int) -> None:
        # A line that is full is no new one yet: terminals wait for what comes.
        end = column + width
        self._column = (end - 1) % self._columns + 1 if end else 0


def _width(word: str) -> int:
    """How many columns of a terminal a word takes."""
    if word.isascii():
        return len(word)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in word
    )
