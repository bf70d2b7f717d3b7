"""Whether a JSON schema can be that of a tool's arguments, said by field."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema_rs import ValidationError, Validator, validator_for

from .errors import ToolDefinitionError

__all__ = ["check_schema", "compiled"]


def compiled(tool: str, schema: Mapping[str, Any]) -> Validator:
    """The schema's validator, of the draft that it names, else of 2020-12.

    Nothing is fetched: a schema may come from a stranger, and has to be whole.
    Formats are checked, since a model is better told of a wrong date than a tool.
    Raises ToolDefinitionError.
    """
    try:
        return validator_for(dict(schema), offline=True, validate_formats=True)
    except ValidationError as fault:
        where = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault.instance_path
        )
        problem = fault.message.replace("\n", " ")[:300]
        raise ToolDefinitionError(tool, f"parameters{where}", problem) from None
    except (TypeError, ValueError) as fault:  # what is no JSON, or is nested too deeply
        raise ToolDefinitionError(tool, "parameters", str(fault)[:300]) from None


def check_schema(tool: str, schema: Any, *, strict: bool) -> None:
    """Raises ToolDefinitionError unless this is the schema of an object, well made."""
    if not isinstance(schema, Mapping):
        raise ToolDefinitionError(tool, "parameters", "it is a JSON schema, an object")
    if schema.get("type") != "object":
        raise ToolDefinitionError(
            tool, "parameters.type", f'it is "object", not {schema.get("type")!r}'
        )
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise ToolDefinitionError(tool, "parameters.properties", "it is an object of schemas")
    required = schema.get("required", [])
    if not isinstance(required, list):
        raise ToolDefinitionError(tool, "parameters.required", "it is a list of names")
    for number, name in enumerate(required):
        if not isinstance(name, str) or name not in properties:
            raise ToolDefinitionError(
                tool, f"parameters.required[{number}]", f"{name!r} is none of the properties"
            )
    compiled(tool, schema)
    if strict:
        for where, problem in _not_strict(schema, "parameters"):
            raise ToolDefinitionError(tool, where, problem)


def _not_strict(schema: Any, where: str) -> Iterator[tuple[str, str]]:
    """What OpenAI's strict mode refuses (its guide "Structured outputs", supported schemas)."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            if schema.get("additionalProperties") is not False:
                yield f"{where}.additionalProperties", "a strict tool wants it to be false"
            for name in properties:
                if name not in schema.get("required", ()):
                    yield (
                        f"{where}.properties.{name}",
                        "a strict tool requires all its properties; let it take null instead",
                    )
        for key, inner in schema.items():
            yield from _not_strict(inner, f"{where}.{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from _not_strict(inner, f"{where}[{number}]")
