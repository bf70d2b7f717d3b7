"""Reads a script from TOML, JSON or plain Python values, and names every key that is wrong.

A fault is a table with its `kind` beside its settings: `{kind = "cut", after = 100}`.
Nothing is coerced: a number in quotes is an error, not a number.
"""

import tomllib
import types
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
import cattrs
import orjson
from cattrs.gen import make_dict_structure_fn

from ..errors import ConfigError
from .script import Fault, Script, ScriptedAnswer, ScriptedUsage

__all__ = ["answer_from", "load_script", "script_from"]

T = TypeVar("T")

_FAULTS: dict[str, type[Any]] = {cls.kind: cls for cls in get_args(Fault)}
# One script is written by hand or by a test; 16 MiB is far beyond both.
_MAX_FILE = 16 * 1024 * 1024


def load_script(path: str | Path) -> Script:
    """Read the script in the file at `path`: JSON if its name ends in .json, else TOML.

    Raises ConfigError where it cannot be read or says something that no script can.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            text = file.read(_MAX_FILE)
        raw = orjson.loads(text) if source.suffix == ".json" else tomllib.loads(text.decode())
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except ValueError as error:  # of all three: JSON, TOML and UTF-8
        raise ConfigError(
            str(path), [f"is neither TOML nor (named .json) JSON: {error}"]
        ) from error
    return script_from(raw, source=str(path))


def script_from(raw: Any, *, source: str = "script") -> Script:
    """Make a script of `raw`, plain values as JSON has them; a list stands for its rules.

    Raises ConfigError, with one fault a wrong key; `source` is what it calls the script.
    """
    return _structured({"rules": raw} if isinstance(raw, list) else raw, Script, source)


def answer_from(raw: Any, *, source: str) -> ScriptedAnswer:
    """Make the answer to one request of `raw`. Raises ConfigError as `script_from` does."""
    return _structured(raw, ScriptedAnswer, source)


def _structured(raw: Any, cls: type[T], source: str) -> T:
    try:
        return _CONVERTER.structure(raw, cls)
    except (cattrs.BaseValidationError, TypeError, ValueError) as error:
        faults = cattrs.transform_error(error, path="", format_exception=_worded)
        raise ConfigError(source, [_key_first(fault) for fault in faults]) from None


def _worded(error: BaseException, _: type | None) -> str:
    match error:
        case cattrs.ForbiddenExtraKeysError(extra_fields=names, cl=cls):
            known = ", ".join(field.name for field in attrs.fields(cls))
            return f"unknown key {', '.join(sorted(names))}; known are: {known}"
        case KeyError():
            return "is missing"
        case AttributeError():  # how cattrs says that a Mapping[str, str] is none
            return "must be a table"
        case _:
            return str(error.args[0])


def _key_first(fault: str) -> str:
    text, _, path = fault.rpartition(" @ ")
    return f"{path.removeprefix('.')}: {text}" if path else text


def _strict(kind: type[Any] | tuple[type[Any], ...], word: str) -> Callable[[Any, Any], Any]:
    """A hook that passes values of `kind` as they are and turns away all others."""

    def check(value: Any, _: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"must be {word}, not {value!r:.80}")
        return value

    return check


def _fault(value: Any, _: Any) -> Fault | None:
    if value is None:
        return None
    table: dict[str, Any] = dict(_table(value, None))
    kind = table.pop("kind", None)
    if kind not in _FAULTS:
        raise ValueError(f"kind must be one of {', '.join(sorted(_FAULTS))}, not {kind!r:.80}")
    fault: Fault = _CONVERTER.structure(table, _FAULTS[kind])
    return fault


def _usage(value: Any, _: Any) -> Any:
    if value in ("counted", "none"):
        return value
    if not isinstance(value, dict):
        raise TypeError(f"must be a table, 'counted' or 'none', not {value!r:.80}")
    return _CONVERTER.structure(value, ScriptedUsage)


def _word(value: Any, kind: Any) -> Any:
    if value not in get_args(kind):
        raise ValueError(f"must be one of {', '.join(get_args(kind))}, not {value!r:.80}")
    return value


def _items(kind: Any) -> Callable[[Any, Any], Any]:
    """A hook for `tuple[X, ...]` that does not take a text for its letters."""
    as_list: Any = types.GenericAlias(list, get_args(kind)[:1])
    hook = _CONVERTER.get_structure_hook(as_list)
    return lambda value, _: tuple(hook(_sequence(value, None), as_list))


def _class(cls: type[Any]) -> Callable[[Any, Any], Any]:
    """A hook for a class of ours that takes tables only, and no key that it does not know."""
    hook = make_dict_structure_fn(
        cls, _CONVERTER, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )
    return lambda value, _: hook(_table(value, None), cls)


def _made_of(origin: Any, kind: Any) -> bool:
    return get_origin(kind) is origin


_table = _strict(Mapping, "a table")
_sequence = _strict((list, tuple), "a list")
_CONVERTER = cattrs.Converter(detailed_validation=True)
_CONVERTER.register_structure_hook(str, _strict(str, "text"))
_CONVERTER.register_structure_hook(int, _strict(int, "a whole number"))
_CONVERTER.register_structure_hook(bool, _strict(bool, "true or false"))
_CONVERTER.register_structure_hook(float, _strict((int, float), "a number"))
_CONVERTER.register_structure_hook_func(partial(_made_of, Literal), _word)
_CONVERTER.register_structure_hook_factory(attrs.has, _class)
_CONVERTER.register_structure_hook_factory(partial(_made_of, tuple), _items)
_CONVERTER.register_structure_hook_func(
    lambda kind: kind == Mapping[str, Any] | str, _strict((Mapping, str), "a table or text")
)
_CONVERTER.register_structure_hook_func(
    lambda kind: kind == Mapping[str, Any] | str | None,
    _strict((Mapping, str, types.NoneType), "a table or text"),
)
_CONVERTER.register_structure_hook_func(lambda kind: kind == Fault | None, _fault)
_CONVERTER.register_structure_hook_func(
    lambda kind: kind == ScriptedUsage | Literal["counted", "none"], _usage
)
