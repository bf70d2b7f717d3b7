"""Raw tables into frozen classes, by cattrs, strictly and with all faults at once.

cattrs by itself is lenient ("5" becomes 5, a text becomes a tuple of its
characters) and reports by exception groups. Here a wrong type is a fault, an
unknown key is a fault, and `explain` turns the group into sentences that begin
with the path of the key.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from ..errors import ConfigError
from ..redaction import redact_text

__all__ = [
    "ALLOWED",
    "CHECK",
    "HIDDEN",
    "Check",
    "explain",
    "key_path",
    "make_converter",
    "shown",
    "suggestion",
]

Check = Callable[[object], str | None]
"""Judges a raw value: None, or what is wrong with it, as the sentence's second half."""

CHECK = "trouper.check"
"""Metadata of a field whose `Check` alone judges its raw value."""

ALLOWED = "trouper.allowed"
"""Metadata: what a value must be, in words, for the reference of the configuration."""

HIDDEN = "trouper.hidden"
"""Metadata of a field that is set by the name of the table itself and by no key in it."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")

_Hook = Callable[[Any, Any], Any]


def make_converter() -> Converter:
    """A converter that refuses unknown keys and never turns one type into another."""
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for primitive, words in ((str, "text"), (int, "a whole number"), (bool, "true or false")):
        converter.register_structure_hook(primitive, _exactly(words, primitive))
    converter.register_structure_hook(float, _exactly("a number", float, int))
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    return converter


def _exactly(words: str, *types: type) -> _Hook:
    def structure(value: object, _: object) -> object:
        if type(value) not in types:  # not isinstance: True is an int
            raise ValueError(f"must be {words}, not {shown(value)}")
        return value

    return structure


def _only(shape: type, words: str, inner: _Hook) -> _Hook:
    def structure(value: object, target: object) -> object:
        if not isinstance(value, shape):
            raise TypeError(f"must be {words}, not {shown(value)}")
        return inner(value, target)

    return structure


def _class_hook(cls: type[Any], converter: Converter) -> _Hook:
    overrides: dict[str, Any] = {
        # A key is what the class calls it when it is made.
        field.name: override(rename=field.alias, struct_hook=_field_hook(field, converter))
        for field in attrs.fields(cls)
    }
    structure: _Hook = make_dict_structure_fn(cls, converter, **overrides)
    return _only(dict, "a table", structure)


def _field_hook(field: "attrs.Attribute[Any]", converter: Converter) -> _Hook:
    check: Check | None = field.metadata.get(CHECK)
    if check is not None:
        return _checked(check)
    hook: _Hook = converter.get_structure_hook(field.type)
    if get_origin(field.type) is tuple:
        return _only(list, "a list", hook)
    if get_origin(field.type) is Mapping:
        return _only(dict, "a table", hook)
    return hook


def _checked(check: Check) -> _Hook:
    def structure(value: object, _: object) -> object:
        fault = check(value)
        if fault is not None:
            raise ValueError(fault)
        return value

    return structure


def shown(value: object) -> str:
    """`value` as a fault quotes it: short, on one line, without what looks like a secret."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = redact_text(value[:8_192])  # a bound for the search; 60 are shown
            return repr(text if len(text) <= 60 else text[:57] + "...")
        case int() | float():
            return str(value)[:60]
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def key_path(parent: str, key: object) -> str:
    """The path of `key` below `parent`, as TOML would write it; an int is an index."""
    if isinstance(key, int):
        return f"{parent}[{key}]"
    name = str(key)
    name = name if _BARE.fullmatch(name) else repr(name)
    return f"{parent}.{name}" if parent else name


def explain(error: Exception, path: str = "") -> Iterator[str]:
    """The faults within what the converter raised: sentences that begin with a key's path."""
    match error:
        case BaseValidationError():
            for inner in error.exceptions:
                yield from explain(inner, _path_of(inner, path, error.cl))
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield _sentence(key_path(path, key), _unknown(key, error.cl))
        case ConfigError():
            for fault in error.faults:
                separator = "." if path and not fault.startswith("[") else ""
                yield f"{path}{separator}{fault}"
        case KeyError():
            yield _sentence(path, "is missing")
        case _:
            yield _sentence(path, str(error))


def _sentence(path: str, words: str) -> str:
    return f"{path}: {words}" if path else words


def _path_of(error: BaseException, parent: str, cls: type[Any]) -> str:
    for note in getattr(error, "__notes__", ()):
        match note:
            case AttributeValidationNote():
                field = attrs.fields_dict(cls)[note.name]
                return parent if HIDDEN in field.metadata else key_path(parent, field.alias)
            case IterableValidationNote():
                return key_path(parent, note.index)
            case _:  # somebody else's note
                continue
    return parent


def _unknown(key: str, cls: type[Any]) -> str:
    known = [str(field.alias) for field in attrs.fields(cls) if HIDDEN not in field.metadata]
    return f"this version of trouper does not know this key; {suggestion(key, known)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Help for who misspelled `name`: the nearest of the known ones, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names) or 'none'}"
