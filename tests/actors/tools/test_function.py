"""`@tool`: what becomes of a function's hints and docstring, and what is refused."""

import functools
from typing import Annotated, Any, Literal

import attrs
import pytest

from trouper.actors.chat import ToolCallPart, ToolSpec
from trouper.actors.tools import ToolContext, ToolDefinitionError, tool


@tool(timeout=5, idempotent=True, attempts=2)
async def weather(
    city: str, days: int = 3, unit: Literal["C", "F"] = "C", *, note: str | None = None
) -> str:
    """Tell the weather of a city,
    for some days.

    It asks nobody, so it is mostly wrong.

    Args:
        city: Its name,
            in English.
        days (int): How many days: one is today.
        unit: What to count in.

    Returns:
        note: this is no argument.
    """
    return f"{city} {days} {unit} {note}"


def test_a_model_is_told_the_name_the_first_paragraph_and_the_arguments() -> None:
    assert weather.spec == ToolSpec(
        "weather",
        "Tell the weather of a city, for some days.",
        {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name, in English."},
                "days": {
                    "type": "integer",
                    "description": "How many days: one is today.",
                    "default": 3,
                },
                "unit": {
                    "type": "string",
                    "enum": ["C", "F"],
                    "description": "What to count in.",
                    "default": "C",
                },
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    )


async def test_a_tool_is_still_a_function() -> None:
    assert await weather("Oslo", note="!") == "Oslo 3 C !"


async def run(made: Any, arguments: str, **context: Any) -> object:
    checked = made.arguments(ToolCallPart("1", made.name, arguments))
    return await made.body(checked, ToolContext(call_id="1", **context))


async def test_an_async_function_gets_its_arguments_and_its_defaults() -> None:
    assert await run(weather, '{"city": "Oslo", "unit": "F"}') == "Oslo 3 F None"


async def test_a_sync_function_gets_values_of_the_types_that_it_names() -> None:
    @attrs.frozen
    class Point:
        x: float
        y: float = 0.0

    @tool(name="far", description="How far?")
    def distance(points: list[Point], by: "tuple[str, ...]" = ()) -> dict[str, Any]:
        return {"points": points, "first": points[0].x, "by": by}

    text = await run(distance, '{"points": [{"x": 1}], "by": ["a"]}')

    assert text == '{"points":[{"x":1.0,"y":0.0}],"first":1.0,"by":["a"]}'


async def test_the_context_is_filled_in_and_not_told() -> None:
    @tool
    async def whoami(context: ToolContext) -> str:
        """Say who asks."""
        return f"{context.session}/{context.call_id}"

    assert whoami.schema["properties"] == {}
    assert await run(whoami, "{}", session="s") == "s/1"


async def test_methods_partials_and_callable_objects_are_tools_too() -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        async def price(self, article: str) -> str:
            """What does it cost?"""
            return f"{article} at {self.name}"

        async def __call__(self, article: str) -> str:
            """Buy it."""
            return f"bought {article}"

    async def find(where: str, what: str) -> str:
        """Find it."""
        return f"{what} in {where}"

    price = tool(Shop("Oslo").price)
    call = tool(name="buy")(Shop("Oslo"))
    partial = tool(functools.partial(find, where="there"))

    assert (price.name, call.description, partial.name) == ("price", "Buy it.", "find")
    assert list(price.schema["properties"]) == ["article"]
    assert list(partial.schema["properties"]) == ["what"]
    assert await run(price, '{"article": "ham"}') == "ham at Oslo"
    assert await run(call, '{"article": "ham"}') == "bought ham"
    assert await run(partial, '{"what": "it"}') == "it in there"


def test_words_in_the_hint_are_told_where_the_docstring_has_none() -> None:
    @tool
    def find(what: Annotated[str, "Some words"]) -> str:
        """Find it."""
        return what

    assert find.schema["properties"]["what"]["description"] == "Some words"


def starred(*names: str) -> str:
    """Star."""
    return ""


def keywords(**names: str) -> str:
    """Star."""
    return ""


def positional(name: str, /) -> str:
    """Slash."""
    return ""


def unhinted(name) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Nothing known."""
    return ""


def unspeakable(name: bytes) -> str:
    """Bytes."""
    return ""


def lost(name: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821
    """A type that is not there."""
    return ""


def silent(name: str) -> str:
    return name


@pytest.mark.parametrize(
    ("function", "field", "words"),
    [
        (starred, "parameters.names", r"\*names: str: a model names its arguments; take a list"),
        (keywords, "parameters.names", "take a dict instead"),
        (positional, "parameters.name", "drop the /"),
        (unhinted, "parameters.name", "no type hint"),
        (unspeakable, "parameters", "name: bytes has no JSON form"),
        (lost, "parameters", "'Nowhere' is not defined"),
        (silent, "description", "say what the tool does"),
        (int, "function", "it is a function"),
        ("text", "function", "it is a function"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_refused_where_it_is_written(
    function: Any, field: str, words: str
) -> None:
    with pytest.raises(ToolDefinitionError, match=words) as caught:
        tool(function)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"timeout": 0}, "timeout is more than 0, not 0"),
        ({"concurrency": -1}, "concurrency is more than 0"),
        ({"result_limit": 0}, "result_limit is more than 0"),
        ({"attempts": 2}, "attempts is more than 1 only where idempotent=True"),
        ({"approval": "sometimes"}, "approval is 'never', 'always' or a function"),
        ({"tiemout": 1}, "tiemout"),
    ],
)
def test_a_wrong_policy_is_refused_by_its_field(policy: Any, words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        tool(**policy)(weather.function)


def test_a_strict_tool_requires_all_that_it_takes() -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        tool(strict=True)(weather.function)

    assert caught.value.field == "parameters.properties.days"
    assert tool(strict=True, description="x")(silent).spec.strict
