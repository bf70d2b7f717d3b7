"""How long a message is, in characters: what the bounds of a conversation are counted in."""

import attrs

from ..chat import Message, Part

__all__ = ["size_of"]


def size_of(message: Message) -> int:
    """Its characters: all texts of its parts, an image that stands in it included."""
    return sum(_part_size(part) for part in message.parts)


def _part_size(part: Part) -> int:
    return sum(len(value) for value in attrs.astuple(part, recurse=False) if isinstance(value, str))
