"""Who answers in a session, and whom it may call upon besides."""

from collections.abc import Callable

import attrs

from ..chat import Sampling
from ..errors import UnknownAssistant, UnknownModel
from ..policy.adaptive import TaskKind, kind_of
from ..provider.route import Route
from ..telemetry.steps import NO_STEPS, Steps
from ..tools.directory import ToolDirectory
from .context import ContextPolicy
from .prompts import SystemPrompt

__all__ = ["Assistant", "Company"]


def _prompt(prompt: str | SystemPrompt) -> SystemPrompt:
    return SystemPrompt.of(prompt)


@attrs.frozen(kw_only=True)
class Assistant:
    """Who answers: a system prompt, the models that are asked, in their order, and the tools
    that these may call.

    `context` says what becomes of a conversation that is longer than a model's
    window. `tools` are names, or patterns of names such as `github__*`. `model` is
    what users call its model, "" where it has no name. `small` is asked for
    titles and summaries; without it a title is the first words, and a summary is
    written by the model that answers.
    `max_tool_rounds` is how often its model may ask for tools in one turn: most
    questions take two or three rounds, and what takes more than 20 mostly goes
    round in circles, each of which costs as much as the whole conversation.
    `approval_seconds` is how long a call waits for somebody to agree to it: five
    minutes, in which a person comes back to the screen. `kinds` are kinds of
    tasks whose prompts are asked with other parameters.
    """

    name: str
    prompt: SystemPrompt = attrs.field(converter=_prompt)
    route: Route
    sampling: Sampling = Sampling()
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    context: ContextPolicy = "drop_oldest"
    tools: tuple[str, ...] = ()
    model: str = ""
    small: Route | None = None
    max_tool_rounds: int = 20
    approval_seconds: float = 300.0
    kinds: tuple[TaskKind, ...] = ()

    def asked(self, prompt: str) -> "Assistant":
        """The assistant as this prompt is put to it: by what `kinds` say of what it is about."""
        kind = kind_of(prompt, self.kinds)
        if kind is None:
            return self
        sampling, warmth = self.sampling, kind.temperature
        if warmth is not None:
            sampling = attrs.evolve(sampling, temperature=warmth)
        return attrs.evolve(
            self,
            sampling=sampling,
            max_output_tokens=kind.max_output_tokens or self.max_output_tokens,
            reasoning_effort=kind.reasoning_effort or self.reasoning_effort,
        )


def _no_assistant(name: str) -> Assistant:
    raise UnknownAssistant(name, ())


def _no_model(assistant: Assistant, model: str) -> Assistant:
    raise UnknownModel(model, ())


@attrs.frozen(kw_only=True)
class Company:
    """Whom and what a session may call upon, besides the assistant that it was opened with.

    `assistant` gives the one of a name, or raises UnknownAssistant; `with_model`
    gives an assistant as it is with another model, by the name that users have
    for it, or raises UnknownModel. `tools` has all tools of the program, and
    `steps` is told of its turns and of the tools that they run.
    """

    assistant: Callable[[str], Assistant] = _no_assistant
    with_model: Callable[[Assistant, str], Assistant] = _no_model
    tools: ToolDirectory = attrs.field(factory=ToolDirectory)
    steps: Steps = NO_STEPS
