"""Where the code of many actors waits: equal stacks once, with who waits there.

A thousand conversations that wait for one thing are one line, and the one that
waits elsewhere is seen beside it.
"""

from collections import Counter
from typing import Any, Final

import attrs
import trio

from ...runtime.inspector import Inspector
from ..redaction import printable, redact_text

__all__ = ["grouped"]

# Stacks that are told, and actors of each by their paths.
_GROUPS: Final = 200
_PATHS: Final = 20
# Actors between two checkpoints: a stack takes some microseconds.
_SLICE: Final = 100
_FRAME: Final = 500


@attrs.define(eq=False)
class _Group:
    count: int = 0
    paths: list[str] = attrs.field(factory=list[str])
    kinds: Counter[str] = attrs.field(factory=Counter[str])


async def grouped(inspector: Inspector, under: str = "") -> dict[str, Any]:
    """The stacks of the actors at and below that path, as the feed tells them; in slices."""
    below = f"{under}/"
    paths = [p for p in inspector.paths if not under or p == under or p.startswith(below)]
    groups: dict[tuple[str, ...], _Group] = {}
    for first in range(0, len(paths), _SLICE):
        for path in paths[first : first + _SLICE]:
            shape = inspector.shape(path)
            if shape is None:
                continue
            group = groups.setdefault(inspector.stack(path), _Group())
            group.count += 1
            group.kinds[shape.kind] += 1
            if len(group.paths) < _PATHS:
                group.paths.append(path)
        await trio.lowlevel.checkpoint()
    found = sorted(groups.items(), key=lambda each: -each[1].count)[:_GROUPS]
    told = [
        {
            "count": group.count,
            "stack": [printable(redact_text(frame))[:_FRAME] for frame in stack],
            "kinds": dict(group.kinds.most_common(_PATHS)),
            "paths": group.paths,
        }
        for stack, group in found
    ]
    return {"t": "stacks", "actors": sum(group.count for group in groups.values()), "groups": told}
