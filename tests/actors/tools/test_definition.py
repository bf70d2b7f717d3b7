"""Tools from given schemas, the box that holds them, and the faults that are found in them."""

from collections.abc import Mapping
from typing import Any

import pytest

from trouper.actors.chat import ToolCallPart
from trouper.actors.tools import Toolbox, ToolContext, ToolDefinitionError, described_tool

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
}


async def echo(arguments: Mapping[str, Any], context: ToolContext) -> object:
    return arguments["text"]


def described(**changes: Any) -> dict[str, Any]:
    return {"name": "echo", "description": "Say it.", "parameters": PARAMETERS, **changes}


@pytest.mark.parametrize("description", [described(), {"schema": described()}])
def test_the_documents_form_is_a_tool(description: dict[str, Any]) -> None:
    tool = described_tool(description, echo, timeout=3)

    assert (tool.name, tool.description, tool.schema) == ("echo", "Say it.", PARAMETERS)
    assert tool.policy.timeout == 3


def test_openais_form_is_a_tool_too() -> None:
    tool = described_tool(
        {
            "type": "function",
            "function": described(
                parameters={**PARAMETERS, "additionalProperties": False}, strict=True
            ),
        },
        echo,
    )

    assert tool.strict


def test_without_parameters_it_takes_none() -> None:
    tool = described_tool({"name": "now", "description": "The time."}, echo)

    assert tool.arguments(ToolCallPart("1", "now", "")) == {}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "two words"}, "name", "letters, digits"),
        ({"name": "ä"}, "name", "letters, digits"),
        ({"name": "x" * 65}, "name", "1 to 64"),
        ({"name": "x\n"}, "name", "letters"),
        ({"name": 3}, "name", "missing, or is no text"),
        ({"description": " "}, "description", "empty"),
        ({"description": None}, "description", "text"),
        ({"description": "x" * 9000}, "description", "more than 8192"),
        ({"parametres": {}}, "parametres", "it is no field"),
        ({"parameters": []}, "parameters", "an object"),
        ({"parameters": "x"}, "parameters", "an object"),
        ({"parameters": {"type": "array"}}, "parameters.type", "\"object\", not 'array'"),
        ({"parameters": {"type": "object", "properties": []}}, "parameters.properties", "object"),
        ({"parameters": {"type": "object", "required": "x"}}, "parameters.required", "a list"),
        ({"parameters": {**PARAMETERS, "required": ["x"]}}, "parameters.required[0]", "'x' is"),
        (
            {"parameters": {"type": "object", "properties": {"a": {"type": "strin"}}}},
            "parameters.properties.a.type",
            "strin",
        ),
        (
            {"parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/no"}}}},
            "parameters",
            "does not exist",
        ),
    ],
)
def test_a_fault_is_told_by_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    changes = {key: value for key, value in changes.items() if value != []} | (
        {"parameters": [1]} if changes.get("parameters") == [] else {}
    )
    with pytest.raises(ToolDefinitionError) as caught:
        described_tool(described(**changes), echo)

    assert caught.value.field == field
    assert words in caught.value.problem


@pytest.mark.parametrize("description", [[], {"schema": "text"}])
def test_what_is_no_description_is_refused(description: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="an object with name and description"):
        described_tool(description, echo)


def test_a_schema_is_never_fetched() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}}

    with pytest.raises(ToolDefinitionError, match="Retrieval is disabled"):
        described_tool(described(parameters=schema), echo)


def test_a_schema_that_is_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(5_000):
        deep = {"items": deep}
    schema = {"type": "object", "properties": {"a": deep}}

    with pytest.raises(ToolDefinitionError, match="ecursion"):
        described_tool(described(parameters=schema), echo)


def strict_fault(parameters: dict[str, Any]) -> str:
    with pytest.raises(ToolDefinitionError) as caught:
        described_tool(described(parameters=parameters), echo, strict=True)
    return caught.value.field


def test_strictness_holds_within_a_schema_too() -> None:
    closed = {**PARAMETERS, "additionalProperties": False}

    assert strict_fault(PARAMETERS) == "parameters.additionalProperties"
    assert (
        strict_fault({**closed, "properties": {"text": {"anyOf": [PARAMETERS]}}})
        == "parameters.properties.text.anyOf[0].additionalProperties"
    )


def test_a_box_has_tools_by_name_in_their_order() -> None:
    one, two = (described_tool(described(name=name), echo) for name in ("one", "two"))
    box = Toolbox(two, one)

    assert (list(box), len(box), box["one"]) == (["two", "one"], 2, one)
    assert [spec.name for spec in box.specs()] == ["two", "one"]
    assert repr(box.only(["one"])) == "Toolbox(one)"
    with pytest.raises(KeyError):
        box.only(["three"])


def test_two_tools_of_one_name_are_refused() -> None:
    one = described_tool(described(), echo)

    with pytest.raises(ToolDefinitionError, match="two tools of this name"):
        Toolbox(one, one)


def says_rm(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments["text"] == "rm")


@pytest.mark.parametrize(
    ("approval", "expected"), [("never", False), ("always", True), (says_rm, True)]
)
def test_a_person_is_asked_never_always_or_by_a_rule(approval: Any, expected: bool) -> None:
    tool = described_tool(described(), echo, approval=approval)

    assert tool.needs_approval({"text": "rm"}) is expected
