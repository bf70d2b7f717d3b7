"""The last log lines of the process, for who looks into it while it runs."""

from collections import deque
from itertools import count

__all__ = ["LogLines"]

# Lines, and characters of each: some hundred KiB, and what happened in the last minutes.
_KEPT = 500
_LONGEST = 4_096


class LogLines:
    """Keeps lines as they were written, without secrets; worker threads may add some, too."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._lines: deque[tuple[int, str]] = deque(maxlen=_KEPT)

    def add(self, line: str) -> None:
        """Keep a line; the oldest goes where there is no room, and a long one is cut."""
        self._lines.append((next(self._numbers), line[:_LONGEST]))

    def since(self, number: int) -> list[tuple[int, str]]:
        """Those after that number which are still there, oldest first, with their numbers."""
        # A copy in one step: another thread may add one meanwhile.
        return [each for each in self._lines.copy() if each[0] > number]
