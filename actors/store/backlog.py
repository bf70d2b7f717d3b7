"""What is to be written and nobody waits for, kept until it is in the file.

The writer's mailbox may be full and its actor between two lives; what was put
in here is written all the same, in order, unless the process dies first.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

from .operations import Operation

__all__ = ["Backlog"]


class Backlog:
    """A bounded queue in front of a writer, which outlives the writer's crashes.

    `capacity` of 10,000 operations is some MB. What is told of an attempt waits
    here, and no attempt begins while the disk refuses: so it holds about as
    many as were under way.
    """

    __slots__ = ("_capacity", "_taken", "_waiting")

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._waiting: deque[Operation[Any]] = deque()
        self._taken = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def fresh(self) -> int:
        """How many have not been taken yet."""
        return len(self._waiting) - self._taken

    def put(self, operation: Operation[Any]) -> bool:
        """Add one; whether there was room."""
        if len(self._waiting) >= self._capacity:
            return False
        self._waiting.append(operation)
        return True

    def take(self) -> Sequence[Operation[Any]]:
        """All that have not been taken, in order. They stay until `done` is said of them."""
        fresh = list(islice(self._waiting, self._taken, None))
        self._taken = len(self._waiting)
        return fresh

    def done(self, count: int) -> None:
        """The first `count` of those taken are written."""
        for _ in range(count):
            self._waiting.popleft()
        self._taken -= count

    def take_again(self) -> None:
        """Who took them has not written them: the next one takes them anew."""
        self._taken = 0
