"""The configured models and assistants of one application, as requests and sessions take them."""

from collections.abc import Callable

import attrs

from ..runtime import System
from .chat import ChatRequest, Sampling
from .config import AppConfig, AssistantConfig, ModelConfig, Target as ConfiguredTarget
from .errors import ErrorKind, ProviderError, UnknownAssistant, UnknownModel
from .gate.budget import Budgets
from .gate.router import Router
from .provider.knowledge import Knowledge
from .provider.route import Route, facts_of, make_route
from .provider.target import Target
from .response_cache_setup import ResponseCacheSetup
from .session.assistant import Assistant, Company
from .session.prompt_fit import PromptFit, prompt_fit_of
from .session.prompts import SystemPrompt
from .store.ledger import Ledger
from .telemetry.observer import RequestObserver
from .telemetry.steps import NO_STEPS, Steps
from .tooling import Tools
from .tools import ToolView
from .tree import ROUTER, find_target

__all__ = ["Assistants"]


class Assistants:
    """Routes and assistants by their names, each made once, when somebody asks for it.

    `budgets` and `ledger` are called then, since they are there only while the
    system runs.
    """

    def __init__(
        self,
        config: AppConfig,
        *,
        system: System,
        knowledge: Knowledge,
        response_cache: ResponseCacheSetup,
        tools: Tools,
        budgets: Callable[[], Budgets],
        ledger: Callable[[], Ledger],
        observer: RequestObserver,
        steps: Steps = NO_STEPS,
    ) -> None:
        self._config = config
        self._system = system
        self._knowledge = knowledge
        self._response_cache = response_cache
        self._tools = tools
        self._budgets = budgets
        self._ledger = ledger
        self._observer = observer
        self._steps = steps
        self._assistants: dict[tuple[str, str], Assistant] = {}
        self._routes: dict[str, Route] = {}

    @property
    def company(self) -> Company:
        """Whom and what sessions may call upon."""
        return Company(
            assistant=self.assistant,
            with_model=self.with_model,
            tools=self._tools.directory,
            steps=self._steps,
        )

    def may_see(self, model: str) -> bool:
        """Whether one of its targets takes pictures, or nobody knows that it does not."""
        return any(
            facts_of(target).images is not False for target in self.route(model).targets.values()
        )

    def assistant(self, name: str) -> Assistant:
        """The assistant of that name; "" is the default one. Raises UnknownAssistant."""
        name = name or self._config.default_assistant
        if name not in self._config.assistants:
            raise UnknownAssistant(name, self._config.assistants)
        return self._made(name, self._config.assistants[name].model)

    def with_model(self, assistant: Assistant, model: str) -> Assistant:
        """The same assistant, who asks another of the configured models. Raises UnknownModel."""
        if model not in self._config.models:
            raise UnknownModel(model, self._config.models)
        return self._made(assistant.name, model)

    def tools(self, name: str) -> ToolView:
        """The tools that the assistant of that name may use now. Raises KeyError."""
        return self._tools.view(name)

    async def prompt_fit_of(
        self, text: str, name: str, *, session: str = "", user: str = ""
    ) -> PromptFit | None:
        """How much of `text` that assistant can read at once; None where nobody knows."""
        assistant, tools = self.assistant(name), self.tools(name).specs()
        return await prompt_fit_of(text, assistant, tools=tools, session=session, user=user)

    def _made(self, name: str, model: str) -> Assistant:
        known = self._assistants.get((name, model))
        if known is None:
            known = self._assistants[name, model] = self._make(name, model)
        return known

    def _make(self, name: str, model_name: str) -> Assistant:
        assistant, model = self._config.assistants[name], self._config.models[model_name]
        warmth = assistant.temperature
        return Assistant(
            name=name,
            prompt=_prompt(name, assistant),
            sampling=Sampling(temperature=model.temperature if warmth is None else warmth),
            max_output_tokens=assistant.max_output_tokens or model.max_output_tokens,
            reasoning_effort=assistant.reasoning_effort or model.reasoning_effort,
            context=model.context,
            route=self.route(model_name),
            model=model_name,
            small=None if assistant.small_model is None else self.route(assistant.small_model),
            tools=self._tools.patterns(name),
            max_tool_rounds=assistant.max_tool_rounds,
            approval_seconds=assistant.approval_seconds,
            kinds=tuple(kind.kind(name) for name, kind in assistant.kinds.items()),
        )

    def resolve(self, request: ChatRequest) -> tuple[Route, ChatRequest]:
        """The route of the model that is asked for, and the request with the model's defaults.

        "" is the model of the default assistant. Raises ProviderError where none
        of that name is configured.
        """
        name = request.model or self._config.assistants[self._config.default_assistant].model
        model = self._config.models.get(name)
        if model is None:
            raise ProviderError(
                kind=ErrorKind.MODEL_NOT_FOUND,
                message=f"no model {name[:80]!r} is configured; "
                f"configured are: {', '.join(self._config.models)}",
                model=name[:80],
            )
        sampling = request.sampling
        if sampling.temperature is None and model.temperature is not None:
            sampling = attrs.evolve(sampling, temperature=model.temperature)
        return self.route(name), attrs.evolve(
            request,
            sampling=sampling,
            max_output_tokens=request.max_output_tokens or model.max_output_tokens,
            reasoning_effort=request.reasoning_effort or model.reasoning_effort,
        )

    def route(self, name: str) -> Route:
        """The route of a configured model, one for all who use it."""
        known = self._routes.get(name)
        if known is None:
            model = self._config.models[name]
            router = self._system.ref(ROUTER, Router)
            known = self._routes[name] = make_route(
                [self._target(target, model) for target in model.targets],
                model.chain,
                name=name,
                router=router,
                on_midstream=model.on_midstream,
                hedge=model.hedge,
                observer=self._observer,
                caching=self._response_cache.caching(self._system, name, self._ledger()),
            )
        return known

    def _target(self, target: ConfiguredTarget, model: ModelConfig) -> Target:
        return find_target(
            self._system,
            self._config.providers[target.provider],
            target.model,
            self._knowledge,
            budgets=self._budgets(),
            first_event=model.first_event,
            idle=model.idle,
        )


def _prompt(name: str, assistant: AssistantConfig) -> SystemPrompt:
    # What it names was checked when the configuration was made.
    own = {"assistant": name, "model": assistant.model}
    return SystemPrompt.read(assistant.prompt, {**own, **assistant.variables})
