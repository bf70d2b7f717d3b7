"""JSON from outside: of models, providers, clients and tools, read so that it can be written again.

orjson reads 1,024 levels of lists and objects and writes 254, and Python's own
functions give up somewhere near a thousand. What was read is written again: into a
journal, a request to another provider, an update for a client. So it is refused
here, where whoever sent it is told, and not there, where somebody else is at work.
"""

from typing import Any, Final

import orjson

__all__ = ["DEEPEST", "NestedTooDeeply", "read_json"]

DEEPEST: Final = 128
"""Levels of lists and objects: half of what can be written, since more may stand around it. No API
and no tool has 20; a model in a loop writes hundreds."""

# The levels that orjson writes, since 3.12; older ones count lists and objects otherwise.
_WRITTEN: Final = 254


class NestedTooDeeply(orjson.JSONDecodeError):
    """It is JSON, but has more than DEEPEST levels."""

    def __init__(self) -> None:
        super().__init__(f"nested more than {DEEPEST} levels deep", "", 0)


def read_json(text: bytes | str) -> Any:
    """What the JSON says. Raises orjson.JSONDecodeError; its NestedTooDeeply beyond DEEPEST levels."""
    value = orjson.loads(text)
    # The events of a stream are mostly shorter than that.
    if len(text) > 2 * DEEPEST and _has_brackets(text) and _is_too_deep(value):
        raise NestedTooDeeply
    return value


def _has_brackets(text: bytes | str) -> bool:
    if isinstance(text, str):
        return text.count("{") + text.count("[") > DEEPEST
    return text.count(b"{") + text.count(b"[") > DEEPEST


def _is_too_deep(value: Any) -> bool:
    for _ in range(_WRITTEN - DEEPEST):
        value = [value]
    try:
        # Much faster than to go through it here.
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False
