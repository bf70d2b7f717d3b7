"""Whom users talk with: a model, a system prompt, and the tools that it may use."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import attrs

from ..policy.prompts import fault_of_name, faults_of_prompt
from ..wire.converter import ALLOWED, CHECK, key_path, shown
from . import checks
from .kinds import KindConfig
from .models import EFFORTS

__all__ = ["AssistantConfig", "LongText"]

LongText = Literal["refuse", "split"]

# A name, or a pattern of names; behind a slash those of an MCP server.
_TOOL = re.compile(r"[A-Za-z0-9_*?-]{1,64}|[A-Za-z0-9_-]{1,32}/[!-~]{1,128}")


def _tools(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("AssistantConfig", "tools", values)


def _variables(values: Mapping[str, str]) -> Mapping[str, str]:
    return checks.frozen(values)


def _kinds(values: Mapping[str, KindConfig]) -> Mapping[str, KindConfig]:
    return checks.frozen(values)


def _texts() -> checks.Metadata:
    wanted = "a table of texts"

    def check(value: object) -> str | None:
        if not isinstance(value, Mapping):
            return f"must be {wanted}, not {shown(value)}"
        table: Mapping[Any, object] = value  # pyright: ignore[reportUnknownVariableType]
        for name, text in table.items():
            if not isinstance(text, str):
                return f"must be {wanted}, and {key_path('', name)} is {shown(text)}"
        return None

    return {CHECK: check, ALLOWED: wanted}


@attrs.frozen(kw_only=True)
class AssistantConfig:
    """Whom users talk with: a model with a system prompt, and the tools that it may use."""

    model: str = attrs.field(metadata=checks.name())
    """Which of the models it is."""
    description: str = attrs.field(default="", metadata=checks.text(1_000))
    """What it is good for, in a line, for those who choose among assistants."""
    prompt: str = attrs.field(default="", metadata=checks.text(1_000_000))
    """What the model is told before each conversation; nothing if empty. `{name}` is a variable,
    `{{` and `}}` are braces."""
    variables: Mapping[str, str] = attrs.field(
        factory=dict[str, str], converter=_variables, hash=False, metadata=_texts()
    )
    """The values of the prompt's variables, by their names, beside those that are built in."""
    tools: tuple[str, ...] = attrs.field(
        default=(),
        converter=_tools,
        metadata=checks.told('a list of names and patterns, such as "clock" or "github/*"'),
    )
    """The tools that it may use: `clock`, `calculator`, those under `tools`, those that the
    program brings along, and those of MCP servers as "server/tool". `*` is any run of letters."""
    small_model: str | None = attrs.field(default=None, metadata=checks.optional(checks.name()))
    """Which of the models writes titles and summaries; without it the one of `model`."""
    temperature: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.within(0, 2))
    )
    """How freely words are chosen; without it as the model is configured."""
    max_output_tokens: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 10_000_000))
    )
    """The longest answer, its reasoning included; without it as the model is configured."""
    reasoning_effort: str | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("reasoning effort", EFFORTS))
    )
    """How long the model thinks before it answers; without it as the model is configured."""
    kinds: Mapping[str, KindConfig] = attrs.field(
        factory=dict[str, KindConfig], converter=_kinds, hash=False
    )
    """Kinds of tasks that the model is asked differently for, the first that fits; without any,
    all prompts are asked alike."""
    # Each part is a call that is paid for, which nobody expects who has not asked for it.
    long_text: LongText = attrs.field(
        default="refuse", metadata=checks.one_of("way with a long text", get_args(LongText))
    )
    """What a bot does with a text that is longer than the model's window: an error (refuse), or it
    is read part by part, and the answers become one (split)."""
    # Most questions take two or three rounds; what takes more mostly goes round in circles, and
    # each costs as much as the whole conversation.
    max_tool_rounds: int = attrs.field(default=20, metadata=checks.whole(1, 1_000))
    """How often in a turn the model may ask for tools, as many at once as it likes."""
    # A person comes back to the screen within them.
    approval_seconds: float = attrs.field(default=300.0, metadata=checks.seconds())
    """Seconds that a person has to agree to a call that needs it; then it is not run."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        for name in self.variables:
            fault = fault_of_name(name)
            if fault is not None:
                yield f"{key_path('variables', name)}: {fault}"
        yield from faults_of_prompt(self.prompt, self.variables)
        for name in self.kinds:
            if not checks.is_name(name):
                yield (
                    f"{key_path('kinds', name)}: a name has up to 64 letters, digits, dots, hyphens "
                    "and underscores"
                )
        for index, tool in enumerate(self.tools):
            if not isinstance(tool, str) or not _TOOL.fullmatch(tool):  # pyright: ignore[reportUnnecessaryIsInstance]
                yield (
                    f'tools[{index}]: must be the name of a tool, such as "clock", or '
                    f'"server/tool" for one of an MCP server, not {shown(tool)}'
                )
            elif tool in self.tools[:index]:
                yield f"tools[{index}]: {shown(tool)} is in this list already"
