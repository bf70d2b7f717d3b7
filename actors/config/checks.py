"""What single values of the configuration must be like.

Each function gives the metadata of an attrs field. The check in it judges the
raw value, of whatever type, both when a file is read and when the class is made
in Python, so the two cannot differ. A fault is the second half of a sentence
whose first half is the path of the key.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, get_args, get_origin

import attrs

from ..errors import ConfigError
from ..wire.converter import ALLOWED, CHECK, Check, key_path, shown, suggestion
from .frozen_table import FrozenTable

__all__ = [
    "Metadata",
    "duration",
    "fault_of_path",
    "frozen",
    "is_name",
    "items",
    "judged",
    "name",
    "one_of",
    "optional",
    "refuse_faults",
    "seconds",
    "share",
    "switch",
    "table",
    "text",
    "told",
    "whole",
    "within",
]

T = TypeVar("T")

Metadata = dict[str, Any]
"""What an attrs field takes as metadata."""

# Names become actors' paths, metrics' labels and the first half of a target.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"-?([0-9]+(\.[0-9]+)?(ms|s|m|h))+")


def judged(fits: Callable[[Any], bool], wanted: str) -> Metadata:
    """What `fits`; `wanted` says in words what that is."""

    def check(value: object) -> str | None:
        return None if fits(value) else f"must be {wanted}, not {shown(value)}"

    return {CHECK: check, ALLOWED: wanted}


def told(wanted: str) -> Metadata:
    """What a value must be that a converter or its own class judges; for the reference only."""
    return {ALLOWED: wanted}


def optional(metadata: Metadata) -> Metadata:
    """What `metadata` allows, or None, which stands for a key that is left out."""
    check: Check = metadata[CHECK]

    def unless_none(value: object) -> str | None:
        return None if value is None else check(value)

    return {**metadata, CHECK: unless_none}


def whole(low: int, high: int) -> Metadata:
    """A whole number from `low` to `high`, both included; true and false are none."""
    return judged(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def within(low: float, high: float) -> Metadata:
    """A number; not a NaN, which is in no range."""
    return judged(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def share() -> Metadata:
    """A share of a whole."""
    return judged(
        lambda value: type(value) in (int, float) and 0 < value <= 1,
        "a number above 0 and up to 1",
    )


def table() -> Metadata:
    """A table whose keys are not ours to know, or are looked at elsewhere."""

    def is_table(value: object) -> bool:
        return isinstance(value, Mapping)

    return judged(is_table, "a table")


def switch() -> Metadata:
    """true or false, and not 1 or 0, which would pass for them in Python."""

    def is_bool(value: object) -> bool:
        return type(value) is bool

    return judged(is_bool, "true or false")


def seconds(high: float = 86_400.0) -> Metadata:
    """A time in seconds, up to a day: there is no wait without an end."""
    return judged(
        lambda value: type(value) in (int, float) and 0 < value <= high,
        f"a number of seconds above 0 and up to {high:.12g}",
    )


def text(longest: int) -> Metadata:
    """Text of at most so many characters."""
    return judged(
        lambda value: isinstance(value, str) and len(value) <= longest,
        f"text of up to {longest} characters",
    )


def fault_of_path(path: object) -> str | None:
    """What is wrong with `path` as that of a file, if anything. Nobody looks for the file."""
    if isinstance(path, str) and 1 <= len(path) <= 4_096 and path.isprintable():
        return None
    return f"must be the path of a file, not {shown(path)}"


def duration() -> Metadata:
    """A time as Ollama takes it: Go's notation, or seconds."""
    return judged(
        lambda value: (
            _DURATION.fullmatch(value) is not None if isinstance(value, str) else type(value) is int
        ),
        'a time such as "10m" or "1h30m", or a whole number of seconds; below 0 is for ever',
    )


def is_name(value: object) -> bool:
    """Whether `value` may be the name of a provider, model or assistant."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def name() -> Metadata:
    """A name: letters, digits, dot, hyphen and underscore, up to 64 of them."""
    return judged(is_name, "a name of up to 64 letters, digits, dots, hyphens and underscores")


def one_of(what: str, known: Iterable[str]) -> Metadata:
    """One of the words of a closed set; `what` is a kind of thing, in the singular."""
    words = tuple(known)

    def check(value: object) -> str | None:
        if isinstance(value, str):
            if value in words:
                return None
            return (
                f"this version of trouper knows no {what} {shown(value)}; "
                f"{suggestion(value, words)}"
            )
        return f"must be one of {', '.join(words)}, not {shown(value)}"

    return {CHECK: check, ALLOWED: f"one of {', '.join(words)}"}


def items(owner: str, key: str, values: Iterable[T]) -> tuple[T, ...]:
    """`values` of the field `key` of class `owner` as a tuple. Raises ConfigError."""
    # A str is an iterable of strings, too, and would become its characters.
    try:
        iterator = None if isinstance(values, (str, bytes)) else iter(values)
    except TypeError:
        iterator = None
    if iterator is None:
        raise ConfigError(owner, [f"{key}: must be a list, not {shown(values)}"])
    return tuple(iterator)


def frozen(values: Mapping[str, T]) -> Mapping[str, T]:
    """`values` as a table that nobody changes. What is no table is left as it is, for the check
    to say. mypy sees through no converter that is generic: a field needs one of its own type."""
    return FrozenTable(values) if isinstance(values, Mapping) else values  # pyright: ignore[reportUnnecessaryIsInstance]


def _fault_of_class(wanted: Any, value: object) -> str | None:
    """What is wrong with `value` where a class of ours, or a table of such, is wanted."""
    if get_origin(wanted) is Mapping:
        inner = get_args(wanted)[1]
        if not isinstance(value, Mapping):
            return f"must be a table, not {shown(value)}"
        table: Mapping[object, object] = value  # pyright: ignore[reportUnknownVariableType]
        named = ((key, _fault_of_class(inner, one)) for key, one in table.items())
        return next((f"{key_path('', key)} {fault}" for key, fault in named if fault), None)
    if attrs.has(wanted) and not isinstance(value, wanted):
        return f"must be of class {wanted.__name__}, not {shown(value)}"
    return None


def _none() -> Iterator[str]:
    return iter(())


def refuse_faults(
    instance: "attrs.AttrsInstance", across: Callable[[], Iterator[str]] = _none
) -> None:
    """Raise ConfigError if a field of `instance` fails its check, or `across` finds faults.

    `across` gives whole sentences about how the fields go together. It is not
    asked while a field by itself is wrong, so it may rely on their types.
    """
    faults: list[str] = []
    for field in attrs.fields(type(instance)):
        check: Check = field.metadata.get(CHECK) or partial(_fault_of_class, field.type)
        fault = check(getattr(instance, field.name))
        if fault is not None:
            faults.append(f"{key_path('', field.alias or field.name)}: {fault}")
    faults = faults or list(across())
    if faults:
        raise ConfigError(type(instance).__name__, faults)
