"""What a tool returns, as the text that a model reads."""

import json
from collections.abc import Mapping, Set
from pathlib import PurePath
from typing import Any

import attrs
import orjson

from .errors import ToolFailed

__all__ = ["as_text", "cut"]


def as_text(value: object) -> str:
    """Text as it is, anything else as JSON.

    Classes of attrs and dataclasses are objects, sets are lists, None is null.
    Raises ToolFailed for bytes, which no model can read, and for what has no JSON.
    """
    if isinstance(value, str):
        return _sound(value)
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError as fault:
        if type(value) is int:
            return str(value)  # of more than 64 bits
        try:
            return _sound(json.dumps(value, default=_plain, ensure_ascii=False))
        except (TypeError, ValueError, RecursionError):
            raise ToolFailed(
                f"the tool returned what has no text ({fault}); its author has to mend it"
            ) from fault


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set | tuple):
        return list(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _sound(text: str) -> str:
    """The text without half characters, which no wire can carry."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of the text, and then words that say what is missing."""
    if len(text) <= limit:
        return text
    return (
        f"{text[:limit]}\n[cut: these are its first {limit:,} characters, and there is more; "
        f"ask for less, or for another part]"
    )
