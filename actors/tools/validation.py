"""The arguments of a call against the schema, with errors that a model can act on.

Each fault says which argument, what is wrong with it and what is allowed. A model
reads few of many: the first five are told, each on one short line.
"""

import difflib
from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson
from jsonschema_rs import ValidationError, ValidationErrorKind

from ..chat import ToolCallPart
from .errors import InvalidArguments
from .schema import compiled

__all__ = ["ARGUMENTS_LIMIT", "ArgumentCheck"]

ARGUMENTS_LIMIT = 1_000_000
"""Characters of JSON. No model writes as much; a client of ours, or a stranger's server, may."""

# Characters of arguments up to which all their faults are looked for. The validator makes a list of
# them first: a megabyte of wrong numbers would hold the program for seconds.
_ALL_LOOKED_FOR = 50_000
_FAULTS = 5
_LONGEST = 200
_LONGEST_VALUE = 60

Kind = ValidationErrorKind


class ArgumentCheck:
    """The compiled schema of one tool. Raises ToolDefinitionError where it cannot be compiled."""

    def __init__(self, tool: str, schema: Mapping[str, Any]) -> None:
        self._tool = tool
        self._validator = compiled(tool, schema)
        self._known = [str(name) for name in schema.get("properties", {})]

    def arguments(self, call: ToolCallPart) -> dict[str, Any]:
        """What the call's JSON says, if it fits. Raises InvalidArguments."""
        if len(call.args_json) > ARGUMENTS_LIMIT:
            raise InvalidArguments(
                f"the arguments of {self._tool} are longer than {ARGUMENTS_LIMIT:,} characters; "
                f"say less at once"
            )
        if call.fault is not None:
            raise InvalidArguments(call.fault)
        arguments: dict[str, Any] = orjson.loads(call.args_json) if call.args_json.strip() else {}
        try:
            self._validator.validate(arguments)
        except ValidationError as first:
            few = len(call.args_json) <= _ALL_LOOKED_FOR
            faults = islice(self._validator.iter_errors(arguments), _FAULTS + 1) if few else [first]
            raise InvalidArguments(self._told(list(faults))) from None
        return arguments

    def _told(self, faults: list[ValidationError]) -> str:
        lines = [f"the arguments of {self._tool} are wrong:"]
        lines += [f"- {_cut(self._sentence(fault), _LONGEST)}" for fault in faults[:_FAULTS]]
        if len(faults) > _FAULTS:
            lines.append("- and more")
        lines.append("Call it again with arguments that fit.")
        return "\n".join(lines)

    def _sentence(self, fault: ValidationError) -> str:
        where, kind = _path(fault.instance_path), fault.kind
        if isinstance(kind, Kind.Required):
            return f"{_path([*fault.instance_path, kind.property])} is required and missing"
        if isinstance(kind, Kind.AdditionalProperties):
            known = self._known if not fault.instance_path else []
            unknown = (_unknown(name, known) for name in kind.unexpected[:_FAULTS])
            return (f"{where}: " if fault.instance_path else "") + "; ".join(unknown)
        return f"{where or 'the whole'} must be {_wanted(fault)}, not {_value(fault.instance)}"


def _wanted(fault: ValidationError) -> str:
    """What a value should be, as in "must be ..."."""
    kind = fault.kind
    match kind:
        case Kind.Type():
            types = sorted(kind.types, key=lambda name: (name == "null", name))
            return f"of type {' or '.join(types)}"
        case Kind.Enum():
            return f"one of {', '.join(_value(option) for option in kind.options)}"
        case Kind.Constant():
            return f"{_value(kind.expected_value)}"
        case Kind.Minimum() | Kind.MinLength() | Kind.MinItems():
            return f"at least {kind.limit}{_unit(kind)}"
        case Kind.Maximum() | Kind.MaxLength() | Kind.MaxItems():
            return f"at most {kind.limit}{_unit(kind)}"
        case Kind.ExclusiveMinimum():
            return f"more than {kind.limit}"
        case Kind.ExclusiveMaximum():
            return f"less than {kind.limit}"
        case Kind.Format():
            return f"in the format {kind.format}"
        case Kind.Pattern():
            return f"text that matches {kind.pattern}"
        case Kind.AnyOf() | Kind.OneOfNotValid():
            # The nearest faults of each branch, without their values.
            wants = (_wanted(branch[0]) for branch in kind.context if branch)
            return " or ".join(dict.fromkeys(wants))
        case _:
            return f"what {kind.name} in its schema allows ({_cut(fault.message, _LONGEST_VALUE)})"


def _unit(kind: ValidationErrorKind) -> str:
    if isinstance(kind, Kind.MinLength | Kind.MaxLength):
        return " characters long"
    return " items long" if isinstance(kind, Kind.MinItems | Kind.MaxItems) else ""


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    if not known:
        return f"there is no {_value(name)}"
    return f"there is no argument {_value(name)}, only {', '.join(known)}{hint}"


def _path(steps: list[str | int]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _value(value: object) -> str:
    # What is shown of a large value is made of its beginning only.
    if isinstance(value, str):
        value = value[: _LONGEST_VALUE + 1]
    elif isinstance(value, list | dict) and len(value) > _LONGEST_VALUE:
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    return _cut(orjson.dumps(value).decode(), _LONGEST_VALUE)


def _cut(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
