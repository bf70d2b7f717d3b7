"""What an operator may see of an actor's own state: what its class declares, and no more.

    class Session(Actor[...]):
        inspected = {"_turns": "value", "_history": "len", "_key": "secret"}

Of all other attributes name and type are shown, because what nobody thought
about may be somebody's prompt.
"""

import reprlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..redaction import MASK, is_secret_name, printable, redact_text

__all__ = ["fields_of"]

# Characters of a value.
_LONGEST = 200
_MOST = 100
# Seconds for all fields of an actor. A value's own code may be slow, and runs in the loop.
_TIME = 0.05

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _LONGEST
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 8
_short.maxlevel = 3


def fields_of(
    actor: object, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, Any]]:
    """The attributes of an actor, the declared ones first. `clock` tells seconds."""
    declared: Mapping[str, str] = getattr(type(actor), "inspected", {})
    began = clock()
    shown: list[dict[str, Any]] = []
    for name, value in _attributes(actor, declared):
        if len(shown) >= _MOST:
            shown.append({"name": "...", "type": "there are more", "value": None})
            break
        how = declared.get(name)
        field = {"name": name, "type": type(value).__qualname__, "value": None}
        if how == "secret" or is_secret_name(name):
            field["value"] = MASK
        elif how is not None and clock() - began > _TIME:
            field["value"] = "(left out: the others took too long)"
        elif how is not None:
            field["value"] = _shown(value, how)
        shown.append(field)
    return shown


def _attributes(actor: object, declared: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    own = {name: value for name, value in vars(actor).items() if name != "_handlers"}
    for name in declared:
        if name in own:
            yield name, own.pop(name)
        elif isinstance(getattr(type(actor), name, None), property):
            try:
                yield name, getattr(actor, name)
            except Exception as error:  # noqa: BLE001 - an actor's own code, at a bad moment
                yield name, error
    for name in sorted(own.keys() - {"_context"}):
        yield name, own[name]


def _shown(value: object, how: str) -> str:
    try:
        text = str(len(value)) if how == "len" else _short.repr(value)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - a value's own code must not break the console
        return f"(cannot be shown: {type(error).__name__})"
    return printable(redact_text(text[: _LONGEST * 8]))[:_LONGEST]
