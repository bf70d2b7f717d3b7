"""Who has ended of late, and why: the last 200, so that who looks for one is told.

An actor that has gone leaves nothing else. A console that kept all of them
would grow with every conversation.
"""

from collections import OrderedDict
from typing import Final

import attrs
import trio

from ...runtime.events import ActorStopped, RuntimeEvent
from ..policy.attention import seconds_in_words
from ..redaction import printable, redact_text

__all__ = ["Tombstone", "Tombstones"]

_KEPT: Final = 200
_LONGEST: Final = 200


@attrs.frozen
class Tombstone:
    """The end of the actor at a path: `at` on trio's clock, and the reason in words."""

    at: float
    why: str


class Tombstones:
    """Remembers the last who have ended."""

    def __init__(self) -> None:
        self._by_path: OrderedDict[str, Tombstone] = OrderedDict()

    def observe(self, event: RuntimeEvent) -> None:
        """Take an event of the runtime: an Observer of a System."""
        if not isinstance(event, ActorStopped):
            return
        self._by_path[event.path] = Tombstone(trio.current_time(), event.reason)
        self._by_path.move_to_end(event.path)
        if len(self._by_path) > _KEPT:
            self._by_path.popitem(last=False)

    def why(self, path: str) -> str | None:
        """Why the actor at that path has ended; None where that is not known any more."""
        tombstone = self._by_path.get(path)
        # Redacted before it is cut: half a secret is still half a secret.
        return None if tombstone is None else printable(redact_text(tombstone.why))[:_LONGEST]

    def nobody_at(self, path: str) -> str:
        """That nobody is at that path, and what became of who was, in words."""
        said = f"no actor at {path[:200]!r}"
        tombstone = self._by_path.get(path)
        if tombstone is None:
            return said
        ago = seconds_in_words(trio.current_time() - tombstone.at)
        return f"{said}; one ended {ago} ago: {self.why(path)}"
