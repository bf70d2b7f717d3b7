"""Python types as JSON: what a model is told to send, and what its values become.

A `Shape` has both, so that they cannot differ: what `schema` accepts `read`
takes, and what it refuses `read` refuses with `Mismatch`. Classes are schemas of
their own under `$defs`, which lets a type contain itself.

    str int float bool None Any     as they are; an int takes 3.0, as JSON does
    Literal, Enum                   an enum of their values
    T | U, Optional[T]              the first of them that takes the value
    list[T], Sequence[T]            an array
    tuple[T, ...], tuple[T, U]      an array, of any length or of this one
    dict[str, T], Mapping[str, T]   an object
    dataclass, attrs, TypedDict     an object with these fields and no others
    Annotated[T, "text"]            T, described
"""

import enum
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from .fields import Field, fields_of, is_record, summary_of

__all__ = ["Mismatch", "Shape", "Shapes", "UnknownType", "object_shape"]

Schema = dict[str, Any]
Read = Callable[[Any], Any]

_SEQUENCES = (list, abc.Sequence)
_MAPPINGS = (dict, abc.Mapping)


class Mismatch(ValueError):
    """A JSON value is none of its type."""


class UnknownType(TypeError):
    """A type has no JSON form here; the text says which, and what may be used."""


@attrs.frozen
class Shape:
    """The JSON schema of a type, and what turns a JSON value into a value of it."""

    schema: Schema
    read: Read


class Shapes:
    """Makes shapes, and keeps the schemas of the classes among them in `defs`."""

    def __init__(self) -> None:
        self.defs: dict[str, Schema] = {}
        self._named: dict[type, tuple[str, list[Read]]] = {}

    def shape(self, hint: Any) -> Shape:
        """The shape of a type hint. Raises UnknownType."""
        simple = _SIMPLE.get(hint) if isinstance(hint, abc.Hashable) else None
        if simple is not None:
            return simple
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._described(arguments)
        if origin in (Union, types.UnionType):
            return self._union(arguments)
        if origin is Literal:
            return _choice([(value, value) for value in arguments], hint)
        if origin is tuple:
            return self._tuple(arguments)
        if hint in _SEQUENCES or origin in _SEQUENCES:
            return self._array(self.shape(arguments[0] if arguments else Any), list)
        if hint in _MAPPINGS or origin in _MAPPINGS:
            return self._mapping(arguments, hint)
        if isinstance(hint, typing.NewType):
            return self.shape(hint.__supertype__)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _choice([(member.value, member) for member in hint], hint)
        if isinstance(hint, type) and is_record(hint):
            return self._record(hint)
        raise UnknownType(
            f"{_shown(hint)} has no JSON form; use str, int, float, bool, None, Literal, Enum, "
            f"list, tuple, dict[str, ...], a union, a dataclass, an attrs class or a TypedDict"
        )

    def _described(self, arguments: tuple[Any, ...]) -> Shape:
        inner = self.shape(arguments[0])
        words = [word for word in arguments[1:] if isinstance(word, str)]
        return described(inner, words[0]) if words else inner

    def _union(self, members: Sequence[Any]) -> Shape:
        shapes = [self.shape(member) for member in members]

        def read(value: Any) -> Any:
            for shape in shapes:
                try:
                    return shape.read(value)
                except Mismatch:
                    continue
            raise Mismatch

        return Shape({"anyOf": [shape.schema for shape in shapes]}, read)

    def _array(self, item: Shape, make: Callable[[list[Any]], Any]) -> Shape:
        def read(value: Any) -> Any:
            return make([item.read(one) for one in _exactly(list, value)])

        schema: Schema = {"type": "array"}
        return Shape({**schema, "items": item.schema} if item.schema else schema, read)

    def _tuple(self, arguments: tuple[Any, ...]) -> Shape:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return self._array(self.shape(arguments[0]), tuple)
        items, length = [self.shape(argument) for argument in arguments], len(arguments)

        def read(value: Any) -> Any:
            if len(_exactly(list, value)) != length:
                raise Mismatch
            return tuple(item.read(one) for item, one in zip(items, value, strict=True))

        schema: Schema = {"type": "array", "minItems": length, "maxItems": length}
        if items:
            schema["prefixItems"] = [item.schema for item in items]
        return Shape(schema, read)

    def _mapping(self, arguments: tuple[Any, ...], hint: Any) -> Shape:
        key, value_type = arguments or (str, Any)
        if key is not str:
            raise UnknownType(f"{_shown(hint)}: the keys of a JSON object are str")
        item = self.shape(value_type)

        def read(value: Any) -> Any:
            return {name: item.read(one) for name, one in _exactly(dict, value).items()}

        return Shape({"type": "object", "additionalProperties": item.schema or True}, read)

    def _record(self, cls: type) -> Shape:
        if cls not in self._named:
            name = self._name_for(cls)
            reads: list[Read] = []
            # Before its fields are looked at: they may be of this type again.
            self._named[cls] = name, reads
            self.defs[name] = {}
            shape = object_shape(self, fields_of(cls), cls)
            summary = summary_of(cls)
            self.defs[name].update(shape.schema, **({"description": summary} if summary else {}))
            reads.append(shape.read)
        name, reads = self._named[cls]

        def read(value: Any) -> Any:
            return reads[0](value)  # looked up now: it is not there yet while its fields are made

        return Shape({"$ref": f"#/$defs/{name}"}, read)

    def _name_for(self, cls: type) -> str:
        name, number = cls.__name__, 1
        while name in self.defs:
            number += 1
            name = f"{cls.__name__}{number}"
        return name


def object_shape(shapes: Shapes, fields: Sequence[Field], make: Callable[..., Any]) -> Shape:
    """An object with exactly these fields, read by calling `make` with them."""
    known = {field.name: _field_shape(shapes, field) for field in fields}
    required = [field.name for field in fields if field.required]

    def read(value: Any) -> Any:
        given: dict[str, Any] = _exactly(dict, value)
        if not given.keys() <= known.keys() or not given.keys() >= set(required):
            raise Mismatch
        return make(**{name: known[name].read(one) for name, one in given.items()})

    schema: Schema = {
        "type": "object",
        "properties": {name: shape.schema for name, shape in known.items()},
        "required": required,
        "additionalProperties": False,
    }
    return Shape(schema, read)


def _field_shape(shapes: Shapes, field: Field) -> Shape:
    try:
        shape = shapes.shape(field.hint)
    except UnknownType as fault:
        raise UnknownType(f"{field.name}: {fault}") from None
    if field.description:
        shape = described(shape, field.description)
    if field.default is not None:
        shape = Shape({**_alone(shape.schema), "default": field.default}, shape.read)
    return shape


def described(shape: Shape, words: str) -> Shape:
    """The same shape with a description; what stands there already stays."""
    return Shape({"description": words, **_alone(shape.schema)}, shape.read)


def _alone(schema: Schema) -> Schema:
    """A schema that takes further keywords: OpenAI refuses them beside a $ref."""
    return {"anyOf": [schema]} if "$ref" in schema else schema


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise Mismatch
    return value


def _whole(value: Any) -> int:
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise Mismatch


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise Mismatch
    return float(value)


def _choice(members: Sequence[tuple[Any, Any]], hint: Any) -> Shape:
    kinds = {type(value) for value, _ in members}
    if not members or not kinds <= _NAMES.keys():
        raise UnknownType(f"{_shown(hint)}: its values are text, numbers, true, false or None")

    def read(value: Any) -> Any:
        for known, member in members:
            # JSON has one kind of number, and true is none of them.
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return member
        raise Mismatch

    schema: Schema = {"enum": [value for value, _ in members]}
    return Shape({"type": _NAMES[kinds.pop()], **schema} if len(kinds) == 1 else schema, read)


def _shown(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)


_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
_SIMPLE: Mapping[Any, Shape] = {
    str: Shape({"type": "string"}, lambda value: _exactly(str, value)),
    int: Shape({"type": "integer"}, _whole),
    float: Shape({"type": "number"}, _number),
    bool: Shape({"type": "boolean"}, lambda value: _exactly(bool, value)),
    None: Shape({"type": "null"}, lambda value: _exactly(types.NoneType, value)),
    types.NoneType: Shape({"type": "null"}, lambda value: _exactly(types.NoneType, value)),
    Any: Shape({}, lambda value: value),
    object: Shape({}, lambda value: value),
}
