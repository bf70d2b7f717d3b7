"""The whole configuration, and how its tables name each other.

A file is only one way to make it: `AppConfig(providers={...}, ...)` is another,
with the same checks.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from ..policy.budget import Budget
from ..wire.converter import key_path
from . import checks
from .budgets import BudgetConfig
from .models import ModelConfig
from .names import Names
from .provider import ProviderConfig
from .server import ServerConfig
from .store import StoreConfig
from .telemetry import TelemetryConfig

__all__ = ["AppConfig", "AssistantConfig"]

T = TypeVar("T")


def _frozen(values: Mapping[str, T]) -> Mapping[str, T]:
    # What is no table is left as it is, for the check to say.
    return MappingProxyType(dict(values)) if isinstance(values, Mapping) else values  # pyright: ignore[reportUnnecessaryIsInstance]


# One of these for each table: mypy does not see through a converter that is generic.


def _providers(values: Mapping[str, ProviderConfig]) -> Mapping[str, ProviderConfig]:
    return _frozen(values)


def _models(values: Mapping[str, ModelConfig]) -> Mapping[str, ModelConfig]:
    return _frozen(values)


def _assistants(values: "Mapping[str, AssistantConfig]") -> "Mapping[str, AssistantConfig]":
    return _frozen(values)


def _budgets(values: Mapping[str, BudgetConfig]) -> Mapping[str, BudgetConfig]:
    return _frozen(values)


def _overrides(values: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return _frozen(values)


@attrs.frozen(kw_only=True)
class AssistantConfig:
    """Whom users talk with: a model with a system prompt."""

    model: str = attrs.field(metadata=checks.name())
    """Which of the models it is."""
    prompt: str = attrs.field(default="", metadata=checks.text(1_000_000))
    """What the model is told before each conversation; nothing if empty."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class AppConfig:
    """The whole configuration. The tables are in the order of the file and cannot be changed."""

    server: ServerConfig = attrs.field(factory=ServerConfig)
    """Where clients connect."""
    store: StoreConfig = attrs.field(factory=StoreConfig)
    """Where conversations and costs are kept."""
    providers: Mapping[str, ProviderConfig] = attrs.field(
        factory=dict[str, ProviderConfig], converter=_providers, hash=False
    )
    """Who answers. Needs one at least."""
    models: Mapping[str, ModelConfig] = attrs.field(
        factory=dict[str, ModelConfig], converter=_models, hash=False
    )
    """What users ask for by a name. Needs one at least."""
    assistants: Mapping[str, AssistantConfig] = attrs.field(
        factory=dict[str, AssistantConfig], converter=_assistants, hash=False
    )
    """Whom users talk with. Needs one at least."""
    facts: Mapping[str, Mapping[str, Any]] = attrs.field(
        factory=dict[str, Mapping[str, Any]],
        converter=_overrides,
        hash=False,
        metadata=checks.table(),
    )
    """What is known of models, by "provider/model", where the built-in table is wrong or silent."""
    prices: Mapping[str, Mapping[str, Any]] = attrs.field(
        factory=dict[str, Mapping[str, Any]],
        converter=_overrides,
        hash=False,
        metadata=checks.table(),
    )
    """What models cost, by "provider/model" or "provider/*", in dollars a million tokens."""
    budgets: Mapping[str, BudgetConfig] = attrs.field(
        factory=dict[str, BudgetConfig], converter=_budgets, hash=False
    )
    """How much may be spent."""
    telemetry: TelemetryConfig = attrs.field(factory=TelemetryConfig)
    """What is told to those who watch."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def default_assistant(self) -> str:
        """The name of the assistant of who asks for none: "default", or else the first one."""
        return "default" if "default" in self.assistants else next(iter(self.assistants))

    @property
    def limits(self) -> tuple[Budget, ...]:
        """The budgets as calls are held against them."""
        return tuple(budget.budget(name) for name, budget in self.budgets.items())

    def _across(self) -> Iterator[str]:
        for key, provider in self.providers.items():
            if key != provider.name:
                yield f'{key_path("providers", key)}: holds the provider "{provider.name}"'
        yield from Names(
            providers=tuple(self.providers),
            targets={name: tuple(model.places()) for name, model in self.models.items()},
            models={name: assistant.model for name, assistant in self.assistants.items()},
            budgets=self.budgets,
            only={
                name: (budget.scope, budget.only)
                for name, budget in self.budgets.items()
                if budget.only is not None
            },
            facts=self.facts,
            prices=self.prices,
        ).faults()
