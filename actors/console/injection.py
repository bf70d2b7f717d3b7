"""A message that an operator has written by hand, for an actor's own handlers.

`{"type": "Pause", "seconds": 3}`: the name of a message that the class handles,
and its fields, of plain values only.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from ...runtime import Actor
from ...runtime.messages import Streams
from ..wire.converter import explain, make_converter

__all__ = ["message_of"]

_converter = make_converter()


def message_of(kind: type[Actor[Any]], fields: Mapping[str, Any]) -> Any:
    """The message. Raises ValueError, which says what the actor takes or what is wrong with it."""
    known = {
        message.__name__: message
        for message in kind._handlers  # noqa: SLF001 - which messages it takes is no secret of it
        if not issubclass(message, Streams) and _is_plain(message)
    }
    name = fields.get("type")
    message = known.get(name) if isinstance(name, str) else None
    if message is None:
        there = ", ".join(sorted(known)) or "none that can be written by hand"
        raise ValueError(f"{kind.__qualname__} has no message {str(name)[:80]!r}; it takes {there}")
    values = {key: value for key, value in fields.items() if key != "type"}
    if not attrs.has(message):
        if values:
            raise ValueError(f"{message.__name__} has no fields")
        return message()
    try:
        return _converter.structure(values, message)
    except Exception as error:
        raise ValueError("; ".join(explain(error, ""))) from error


def _is_plain(message: type) -> bool:
    """Whether all that it needs can be written as JSON."""
    if not attrs.has(message):
        return "__init__" not in vars(message)
    return all(
        field.type in (str, int, float, bool, "str", "int", "float", "bool")
        or field.default is not attrs.NOTHING
        for field in attrs.fields(message)
    )
