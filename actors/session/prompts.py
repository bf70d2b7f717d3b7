"""What a model is told before a conversation: a template, and what is known when a turn begins.

It is made anew for each turn, for a conversation may go on for days and
`{date}` is today. A prompt that names nothing of that kind stays the same text,
which is what a provider's cache of prompts lives on.
"""

import datetime
import functools
from collections.abc import Iterable, Mapping

import attrs

from ..chat import Message, TextPart, ToolSpec
from ..policy.prompts import BUILT_IN, Template

__all__ = ["SystemPrompt"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Characters of a tool's description in the list; the model is told all of it with the tool.
_LONGEST_LINE = 200


def _no_values() -> Mapping[str, str]:
    return {}


@attrs.frozen
class SystemPrompt:
    """A template, and the values of those of its variables that are the same in each turn."""

    template: Template
    values: Mapping[str, str] = attrs.field(factory=_no_values, hash=False)

    @classmethod
    def read(cls, text: str, values: Mapping[str, str]) -> "SystemPrompt":
        """The prompt whose template is `text`. Raises PromptError, also for a variable that has
        no value here and is not built in."""
        template = Template.parse(text)
        template.render({**dict.fromkeys(BUILT_IN, ""), **values})
        return cls(template, dict(values))

    @classmethod
    def of(cls, prompt: "str | SystemPrompt") -> "SystemPrompt":
        """A text as it is, in which braces are nothing but braces; or the prompt itself."""
        if isinstance(prompt, SystemPrompt):
            return prompt
        return cls(Template((prompt,) if prompt else ()))

    def __bool__(self) -> bool:
        """Whether there is one at all."""
        return bool(self.template.pieces)

    def messages(
        self,
        *,
        session: str = "",
        user: str = "",
        model: str = "",
        tools: Iterable[ToolSpec] = (),
        today: datetime.date | None = None,
    ) -> tuple[Message, ...]:
        """What goes before the conversation: one message, or none where there is no prompt.

        `model` is told where the turn's is not the assistant's own. Raises
        PromptError for a prompt that was not made by `read`.
        """
        if not self:
            return ()
        names = self.template.names
        if not names:
            return _as_it_is(self.template)
        day = today or datetime.datetime.now().astimezone().date()
        values = {
            **self.values,
            "date": day.isoformat(),
            "weekday": _WEEKDAYS[day.weekday()],
            "session": session,
            "user": user,
        }
        if model:
            values["model"] = model
        if "tools" in names:
            values["tools"] = _listed(tools)
        return (Message("system", (TextPart(self.template.render(values)),)),)


# A server has thousands of sessions with the same few prompts.
@functools.lru_cache(maxsize=64)
def _as_it_is(template: Template) -> tuple[Message, ...]:
    return (Message("system", (TextPart(template.render({})),)),)


def _listed(tools: Iterable[ToolSpec]) -> str:
    return "\n".join(_line(tool) for tool in tools) or "none"


def _line(tool: ToolSpec) -> str:
    words = " ".join(tool.description.split())
    if len(words) > _LONGEST_LINE:
        words = f"{words[: _LONGEST_LINE - 3]}..."
    return f"- {tool.name}: {words}"
