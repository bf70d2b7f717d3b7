"""A tool as a value: what a model is told of it, how it runs, and what it may take.

Tools are made by `@tool` (function.py), by `process_tool` (process.py), by
`described_tool` from a given schema, or by an MCP server (mcp_server.py). All is
checked when one is made, with an error that names the field, so that a wrong
tool is found at import and not by a model.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypedDict, Unpack

import attrs
import structlog

from ..chat import ToolCallPart, ToolSpec
from .context import ToolContext
from .errors import ToolDefinitionError
from .schema import check_schema
from .validation import ArgumentCheck

__all__ = ["Approval", "Body", "Policy", "Tool", "ToolPolicy", "described_tool", "policy_of"]

Body = Callable[[Mapping[str, Any], ToolContext], Awaitable[object]]
"""How a tool runs: awaited with the checked arguments, it returns the result."""

Approval = Literal["never", "always"] | Callable[[Mapping[str, Any]], bool]
"""Whether a person is asked before a call: never, always, or where this says so of its arguments."""

_log = structlog.get_logger("trouper.tools")

# What OpenAI and Anthropic both take; a dot or a slash is refused with a 400.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# Characters. OpenAI's limit for the description of a function is 1,024, but it is
# not enforced everywhere, and MCP servers write more; beyond this it is a mistake.
_LONGEST_DESCRIPTION = 8_192


def _positive(policy: "ToolPolicy", field: "attrs.Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ValueError(f"{field.name} is more than 0, not {value!r}")


@attrs.frozen(kw_only=True)
class ToolPolicy:
    """What one tool may take, and what is asked before.

    `timeout` is in seconds and holds for one call with all its attempts. 30 is
    as long as a person waits for a chat bot before giving up on it. Waiting for
    a place takes as long again at most.
    `concurrency` is how many calls run at once over all sessions: 8, so that a
    model that calls a tool in parallel is served and a site behind it not flooded.
    `result_limit` is in characters; 32,000 are some 8,000 tokens, which a model
    still has room for several times. What is over is cut, with a notice.
    `idempotent` says that a second run does no harm: `attempts`, the first try
    included, may be more than one only then, and after a crash of the process
    the model is told that it may call again. No call is made again by itself.
    `approval` is "never", "always", or a function of the arguments that says whether
    a person has to agree to such a call before it is run.
    `patience` is in seconds: a call that takes longer is called stuck in the
    console. 20, since a person wonders before the time is up.

    Raises ValueError for a number that is not above 0, and for `attempts` of what is
    not `idempotent`; whatever makes a tool says that as a ToolDefinitionError.
    """

    timeout: float = attrs.field(default=30.0, validator=_positive)
    concurrency: int = attrs.field(default=8, validator=_positive)
    result_limit: int = attrs.field(default=32_000, validator=_positive)
    approval: Approval = "never"
    idempotent: bool = False
    attempts: int = attrs.field(default=1, validator=_positive)
    patience: float = attrs.field(default=20.0, validator=_positive)

    def __attrs_post_init__(self) -> None:
        if self.attempts > 1 and not self.idempotent:
            raise ValueError("attempts is more than 1 only where idempotent=True")
        if not callable(self.approval) and self.approval not in ("never", "always"):
            raise ValueError(
                f"approval is 'never', 'always' or a function of the arguments, "
                f"not {self.approval!r}"
            )


class Policy(TypedDict, total=False):
    """The fields of `ToolPolicy`, as keywords."""

    timeout: float
    concurrency: int
    result_limit: int
    approval: Approval
    idempotent: bool
    attempts: int
    patience: float


def policy_of(tool: str, fields: Policy) -> ToolPolicy:
    """The policy that these keywords say. Raises ToolDefinitionError."""
    try:
        return ToolPolicy(**fields)
    except (TypeError, ValueError) as fault:
        raise ToolDefinitionError(tool, "policy", str(fault)) from None


@attrs.frozen(kw_only=True, eq=False)
class Tool:
    """One tool. `schema` is the JSON schema of its arguments, an object's.

    Its `name`, 1 to 64 letters, digits, hyphens and underscores, and its `description`,
    at most 8,192 characters, are what a model is told; `body` is how it runs, and
    `policy` what it may take. `strict` asks the provider to hold the model to the schema, which wants all
    properties to be required and no others allowed. Raises ToolDefinitionError.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    body: Body = attrs.field(repr=False)
    policy: ToolPolicy = ToolPolicy()
    strict: bool = False
    _check: ArgumentCheck = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ToolDefinitionError(
                self.name, "name", "it is 1 to 64 letters, digits, - or _, for all providers"
            )
        if not self.description.strip():
            raise ToolDefinitionError(
                self.name, "description", "it is empty; say what the tool does and when to use it"
            )
        if len(self.description) > _LONGEST_DESCRIPTION:
            raise ToolDefinitionError(
                self.name, "description", f"it has more than {_LONGEST_DESCRIPTION} characters"
            )
        check_schema(self.name, self.schema, strict=self.strict)
        object.__setattr__(self, "_check", ArgumentCheck(self.name, self.schema))

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model is told of it."""
        return ToolSpec(self.name, self.description, self.schema, self.strict)

    def arguments(self, call: ToolCallPart) -> dict[str, Any]:
        """The checked arguments of a call. Raises InvalidArguments, for the model to read."""
        return self._check.arguments(call)

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a person has to agree to a call with these arguments.

        Where the rule itself fails one has to: it cannot say that it is harmless.
        """
        approval = self.policy.approval
        if not callable(approval):
            return approval == "always"
        try:
            return bool(approval(arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as fault:  # noqa: BLE001 - whatever it is, a person decides
            _log.warning("approval rule crashed", tool=self.name, exc_info=fault)
            return True

    @property
    def longest(self) -> float:
        """Seconds that a call may take at most, waiting for a place included."""
        return 2 * self.policy.timeout


def described_tool(
    description: Mapping[str, Any],
    body: Body,
    *,
    strict: bool = False,
    **policy: Unpack[Policy],
) -> Tool:
    """A tool from a given description and `body`, an async function of (arguments, context).

    The description is `{"name", "description", "parameters"}`, by itself or under
    `"schema"` or `"function"`; `strict` is as for `Tool`. Further keywords are those of `ToolPolicy`.
    Raises ToolDefinitionError.
    """
    inner: Any = description
    for key in ("schema", "function"):
        inner = inner.get(key, inner) if isinstance(inner, Mapping) else inner
    if not isinstance(inner, Mapping):
        raise ToolDefinitionError("?", "schema", "it is an object with name and description")
    name = inner.get("name")
    if not isinstance(name, str):
        raise ToolDefinitionError("?", "name", "it is missing, or is no text")
    unknown = inner.keys() - {"name", "description", "parameters", "strict"}
    if unknown:
        raise ToolDefinitionError(
            name, min(map(str, unknown)), "it is no field: name, description, parameters, strict"
        )
    words = inner.get("description", "")
    if not isinstance(words, str):
        raise ToolDefinitionError(name, "description", "it is a text")
    return Tool(
        name=name,
        description=words,
        schema=inner.get("parameters") or {"type": "object", "properties": {}},
        body=body,
        policy=policy_of(name, policy),
        strict=strict or inner.get("strict") is True,
    )
