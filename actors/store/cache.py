"""Answers that are kept for a while, to be given again to equal requests.

All of it may be lost at any time and nothing is wrong then: what cannot be read
is a miss, what cannot be written is not kept, and neither raises.
"""

from collections import OrderedDict
from typing import Protocol

import attrs

from ..chat import Completion
from ..wire.stored import write_completion

__all__ = ["LARGEST", "AnswerStore", "KeptAnswer", "MemoryAnswers"]

LARGEST = 1024 * 1024
"""Bytes of one answer. A larger one is not kept: it is longer than any model writes at once."""


@attrs.frozen(kw_only=True)
class KeptAnswer:
    """An answer, who gave it ("provider/model"), and when; `at` is in seconds since 1970."""

    completion: Completion
    target: str
    at: float


class AnswerStore(Protocol):
    """Keeps answers by the 32 bytes of a request's key (wire/canonical.py)."""

    def get(self, key: bytes, *, since: float) -> KeptAnswer | None:
        """The answer of that key, if it was given at `since` or later. Quick, and never raises."""
        ...

    def put(self, key: bytes, answer: KeptAnswer, *, until: float) -> None:
        """Keep it until that time, or less long where there is no room. Never blocks or raises."""
        ...

    def close(self) -> None:
        """Let go of what is open; what is asked later opens it again."""
        ...


class MemoryAnswers:
    """Keeps answers in memory, up to `most_bytes`; those that nobody asks for go first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, tuple[KeptAnswer, int]] = OrderedDict()
        self.size = 0
        """Bytes that are kept now, as they would stand in a file."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, *, since: float) -> KeptAnswer | None:
        """The answer of that key, if it was given at `since` or later."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept[0].at < since:
            self.forget(key)
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: bytes, answer: KeptAnswer, *, until: float) -> None:
        """Keep it. `until` is of no interest here: what is old goes when room is needed."""
        self.keep(key, answer, len(write_completion(answer.completion)))

    def close(self) -> None:
        """Nothing is open."""

    def keep(self, key: bytes, answer: KeptAnswer, size: int) -> None:
        """Keep it, as an answer of `size` bytes."""
        self.forget(key)
        if size > min(LARGEST, self._most_bytes):
            return
        self._kept[key] = (answer, size)
        self.size += size
        while self.size > self._most_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.size -= freed

    def forget(self, key: bytes) -> None:
        """Drop it, if it is there."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= kept[1]
