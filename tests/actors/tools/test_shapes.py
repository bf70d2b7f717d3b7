"""Types as JSON: what the schema accepts is what the function can be called with."""

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import attrs
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema_rs import validator_for

from trouper.actors.tools.shapes import Mismatch, Shapes, UnknownType


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Node:
    value: int
    children: "list[Node]" = dataclasses.field(default_factory=list["Node"])


@attrs.frozen
class Place:
    """Somewhere on earth."""

    latitude: float
    longitude: float
    name: str = "nowhere"
    hidden: bool = attrs.field(default=False, alias="secretly")
    computed: int = attrs.field(init=False, default=1)


class Address(TypedDict):
    street: str
    number: NotRequired[int | None]


UserId = NewType("UserId", str)

TYPES: list[Any] = [
    str,
    int,
    float,
    bool,
    None,
    Any,
    Colour,
    Node,
    Place,
    Address,
    UserId,
    list,
    list[int],
    Sequence[bool],
    dict,
    dict[str, float],
    Mapping[str, list[str]],
    tuple[int, ...],
    tuple[str, int],
    tuple[()],
    int | None,
    Optional[str],  # noqa: UP045 - what people write
    int | str | list[Colour],
    Literal["a", 1, None],
    Literal[1, True],
    Literal[0, False],
    Annotated[int, "how many"],
    list[Node | Place],
    dict[str, tuple[Literal["x"], Address | None]],
]

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, 2.0, -1e300])
    | st.sampled_from(["a", "x", "red", "", "ü"])
)
keys = st.sampled_from(["value", "children", "latitude", "longitude", "name", "street", "number"])
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def schema_of(hint: Any) -> dict[str, Any]:
    shapes = Shapes()
    shape = shapes.shape(hint)
    return {**shape.schema, "$defs": shapes.defs}


@pytest.mark.parametrize("hint", TYPES, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_schema_accepts_exactly_what_a_call_takes(hint: Any, data: st.DataObject) -> None:
    shapes = Shapes()
    shape = shapes.shape(hint)
    validator = validator_for({**shape.schema, "$defs": shapes.defs}, offline=True)
    value = data.draw(json_values)
    try:
        shape.read(value)
        taken = True
    except Mismatch:
        taken = False

    assert validator.is_valid(value) is taken


@pytest.mark.parametrize("hint", TYPES, ids=str)
def test_a_schema_is_json(hint: Any) -> None:
    assert json.loads(json.dumps(schema_of(hint))) == schema_of(hint)


def read(hint: Any, value: Any) -> Any:
    return Shapes().shape(hint).read(value)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Colour, "red", Colour.RED),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[str, int], ["a", 1], ("a", 1)),
        (
            Node,
            {"value": 1, "children": [{"value": 2, "children": []}]},
            Node(1, [Node(2)]),
        ),
        (
            Place,
            {"latitude": 1, "longitude": 2.5, "secretly": True},
            Place(1.0, 2.5, secretly=True),
        ),
        (Address, {"street": "Main"}, {"street": "Main"}),
        (Literal[1, True], True, True),
        (str | list[Place], [{"latitude": 0, "longitude": 0}], [Place(0.0, 0.0)]),
    ],
    ids=str,
)
def test_a_value_becomes_what_the_hint_says(hint: Any, value: Any, expected: Any) -> None:
    found = read(hint, value)

    assert found == expected
    assert type(found) is type(expected)


def test_a_type_that_contains_itself_is_one_schema_that_names_itself() -> None:
    schema = schema_of(list[Node])

    assert schema["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_two_classes_of_one_name_do_not_become_one() -> None:
    def make() -> type:
        @attrs.frozen
        class Place:
            other: int

        return Place

    defs = schema_of(Place | make())["$defs"]

    assert sorted(defs) == ["Place", "Place2"]


def test_a_class_is_described_by_its_docstring_and_not_by_what_was_written_for_it() -> None:
    assert schema_of(Place)["$defs"]["Place"]["description"] == "Somewhere on earth."
    assert "description" not in schema_of(Node)["$defs"]["Node"]
    assert "description" not in schema_of(Address)["$defs"]["Address"]


def test_nothing_stands_beside_a_reference_since_openai_refuses_that() -> None:
    assert schema_of(Annotated[Place, "where"]) | {"$defs": None} == {
        "description": "where",
        "anyOf": [{"$ref": "#/$defs/Place"}],
        "$defs": None,
    }


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (bytes, "bytes has no JSON form; use str"),
        (set[int], "set"),
        (dict[int, str], "the keys of a JSON object are str"),
        (Literal[b"x"], "its values are text"),
        (list[bytes], "bytes has no JSON form"),
        (complex | int, "complex has no JSON form"),
    ],
    ids=str,
)
def test_a_type_without_a_json_form_is_refused_by_its_name(hint: Any, words: str) -> None:
    with pytest.raises(UnknownType, match=words):
        Shapes().shape(hint)


def test_a_field_without_a_json_form_is_named() -> None:
    @attrs.frozen
    class Upload:
        content: bytes

    with pytest.raises(UnknownType, match="content: bytes has no JSON form"):
        Shapes().shape(Upload)
