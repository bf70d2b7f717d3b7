"""Which frames of an actor's stack are a program's own. Imports nothing: a command uses it, too."""

from collections.abc import Iterable
from typing import Final

__all__ = ["own_frames"]

# Files of the runtime and of trio are on every stack, and seldom the reason.
_NOT_OURS: Final = ("/trio/", "/trouper/runtime/", "/outcome/")


def own_frames(stack: Iterable[str]) -> list[str]:
    """Those frames, of a stack as `file:line function`, which are not the runtime's."""
    return [frame for frame in stack if not any(part in frame for part in _NOT_OURS)]
