"""What a function or a class takes: its names, types, defaults and the words written of them."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any, NotRequired, Required, get_args, get_origin

import attrs

__all__ = [
    "Field",
    "described_arguments",
    "fields_of",
    "hints_of",
    "is_record",
    "json_default",
    "summary_of",
]

_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


@attrs.frozen
class Field:
    """One thing that is asked for by name. `default` is None where it has none that is JSON."""

    name: str
    hint: Any
    required: bool
    description: str = ""
    default: Any = None


def is_record(cls: type) -> bool:
    """Whether a class is one of named fields: a dataclass, an attrs class, a TypedDict."""
    return dataclasses.is_dataclass(cls) or attrs.has(cls) or typing.is_typeddict(cls)


def fields_of(cls: type) -> list[Field]:
    """What the fields of such a class are, as they are given to make one."""
    hints = hints_of(cls)
    words = described_arguments(cls)
    if typing.is_typeddict(cls):
        required: frozenset[str] = cls.__required_keys__  # type: ignore[attr-defined]
        return [
            Field(name, _unwrapped(hint), name in required, words.get(name, ""))
            for name, hint in hints.items()
        ]
    if attrs.has(cls):
        return [
            Field(
                field.alias or field.name,
                hints[field.name],
                field.default is attrs.NOTHING,
                words.get(field.name, ""),
                json_default(field.default),
            )
            for field in attrs.fields(cls)
            if field.init
        ]
    return [
        Field(
            field.name,
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            words.get(field.name, ""),
            json_default(field.default),
        )
        for field in dataclasses.fields(cls)
        if field.init
    ]


def hints_of(thing: Any) -> dict[str, Any]:
    """The type hints of a class or function, with names in quotes looked up. Raises NameError."""
    return typing.get_type_hints(thing, include_extras=True)


def json_default(value: Any) -> Any:
    """A default that can be shown to a model as it stands, else None."""
    return value if type(value) in (str, int, float, bool) else None


def summary_of(thing: type | Callable[..., Any]) -> str:
    """The first paragraph of a docstring, on one line; "" where nobody has written one."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if isinstance(thing, type) and text.startswith(f"{thing.__name__}("):
        return ""  # what dataclasses write where nobody has
    return " ".join(text.split("\n\n", 1)[0].split())


def described_arguments(thing: type | Callable[..., Any]) -> dict[str, str]:
    """What the `Args:` section of a docstring says of each name."""
    found: dict[str, str] = {}
    inside, indent, name = False, 0, ""
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        depth = len(line) - len(line.lstrip())
        if not inside or (depth == 0 and line.strip()):
            inside, indent = bool(_SECTION.match(line)), 0
        elif line.strip():
            indent = indent or depth
            entry = _ENTRY.match(line.strip()) if depth <= indent else None
            if entry:
                name = entry[1]
                found[name] = entry[2]
            elif name:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _unwrapped(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired):
        hint = get_args(hint)[0]
    return hint
