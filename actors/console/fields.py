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
# Characters of a text that are searched for secrets; of what is longer nothing behind is shown.
_LOOKED_AT = 8 * _LONGEST
_MOST = 100
# Seconds for all fields of an actor. A value's own code may be slow, and runs in the loop.
_TIME = 0.05


class _Short(reprlib.Repr):
    """Shows the beginning only, and cuts what has no secret in it any more.

    Half of a secret is not known for what it is.
    """

    def repr_str(self, x: str, level: int) -> str:
        return repr(_beginning(x, self.maxstring))

    def repr_instance(self, x: object, level: int) -> str:
        try:
            text = repr(x)
        except Exception:  # noqa: BLE001 - a value's own code must not break the console
            return f"<{type(x).__name__} instance at {id(x):#x}>"
        return _beginning(text, self.maxother)


def _beginning(text: str, longest: int) -> str:
    clean = redact_text(text[:_LOOKED_AT])
    return clean if len(clean) <= longest else f"{clean[: longest - 3]}..."


_short = _Short()
_short.maxstring = _short.maxother = _LONGEST
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = 8
_short.maxlevel = 3


def fields_of(
    actor: object, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, Any]]:
    """The attributes of an actor, the declared ones first. `clock` tells seconds."""
    declared: Mapping[str, str] = getattr(type(actor), "inspected", {})
    until = clock() + _TIME
    shown: list[dict[str, Any]] = []
    for name in _names(actor, declared):
        if len(shown) >= _MOST:
            shown.append({"name": "...", "type": "there are more", "value": None})
            break
        shown.append(_field(actor, name, declared.get(name), late=clock() > until))
    return shown


def _names(actor: object, declared: Mapping[str, str]) -> Iterator[str]:
    own = vars(actor).keys() - {"_handlers", "_context"}
    for name in declared:
        if name in own or isinstance(getattr(type(actor), name, None), property):
            yield name
    yield from sorted(own - declared.keys())


def _field(actor: object, name: str, how: str | None, *, late: bool) -> dict[str, Any]:
    secret = how == "secret" or is_secret_name(name)
    kind, value = "property", None
    # A property is the actor's own code, and may be what took so long.
    if name in vars(actor) or not (secret or late):
        found = _found(actor, name)
        kind = type(found).__qualname__
        if how is not None and not (secret or late):
            value = _shown(found, how)
    if secret:
        value = MASK
    elif how is not None and late:
        value = "(left out: the others took too long)"
    return {"name": name, "type": kind, "value": value}


def _found(actor: object, name: str) -> object:
    if name in vars(actor):
        return vars(actor)[name]
    try:
        return getattr(actor, name)
    except Exception as error:  # noqa: BLE001 - an actor's own code, at a bad moment
        return error


def _shown(value: object, how: str) -> str:
    try:
        text = str(len(value)) if how == "len" else _short.repr(value)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - a value's own code must not break the console
        return f"(cannot be shown: {type(error).__name__})"
    return printable(redact_text(text[:_LOOKED_AT]))[:_LONGEST]
