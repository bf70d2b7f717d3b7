"""The whole configuration, and how its tables name each other.

A file is only one way to make it: `AppConfig(providers={...}, ...)` is another,
with the same checks.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..policy.budget import Budget
from ..wire.converter import key_path
from . import addresses, checks
from .assistants import AssistantConfig
from .budgets import BudgetConfig
from .console import ConsoleConfig
from .models import ModelConfig
from .names import Names, NamesOfAssistant
from .provider import ProviderConfig
from .server import ServerConfig
from .store import StoreConfig
from .telemetry import TelemetryConfig
from .tools import McpConfig, ToolConfig

__all__ = ["AppConfig"]

# One of these for each table: mypy does not see through a converter that is generic.


def _providers(values: Mapping[str, ProviderConfig]) -> Mapping[str, ProviderConfig]:
    return checks.frozen(values)


def _models(values: Mapping[str, ModelConfig]) -> Mapping[str, ModelConfig]:
    return checks.frozen(values)


def _assistants(values: Mapping[str, AssistantConfig]) -> Mapping[str, AssistantConfig]:
    return checks.frozen(values)


def _tools(values: Mapping[str, ToolConfig]) -> Mapping[str, ToolConfig]:
    return checks.frozen(values)


def _mcp(values: Mapping[str, McpConfig]) -> Mapping[str, McpConfig]:
    return checks.frozen(values)


def _budgets(values: Mapping[str, BudgetConfig]) -> Mapping[str, BudgetConfig]:
    return checks.frozen(values)


def _overrides(values: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return checks.frozen(values)


@attrs.frozen(kw_only=True)
class AppConfig:
    """The whole configuration. The tables are in the order of the file and cannot be changed.

    Each table checks itself when it is made, as this does across them, and raises
    ConfigError with all that is wrong, each fault beginning with its key.
    """

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
    tools: Mapping[str, ToolConfig] = attrs.field(
        factory=dict[str, ToolConfig], converter=_tools, hash=False
    )
    """Programs that assistants may run."""
    mcp: Mapping[str, McpConfig] = attrs.field(
        factory=dict[str, McpConfig], converter=_mcp, hash=False
    )
    """MCP servers, whose tools assistants may use."""
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
    console: ConsoleConfig = attrs.field(factory=ConsoleConfig)
    """Who may look into it while it runs, and mend it."""

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
        console, host = self.console, self.server.host
        if console.web and not console.origins and not addresses.is_loopback(host):
            yield (
                f"console.web: {self.server.listen} can be reached from other machines; name the "
                'address under which the page may be opened, origins = ["https://..."], or listen '
                "on 127.0.0.1"
            )
        yield from Names(
            providers=tuple(self.providers),
            targets={name: tuple(model.places()) for name, model in self.models.items()},
            assistants={
                name: NamesOfAssistant(one.model, one.small_model, one.tools)
                for name, one in self.assistants.items()
            },
            tools=self.tools,
            servers=self.mcp,
            budgets=self.budgets,
            only={
                name: (budget.scope, budget.only)
                for name, budget in self.budgets.items()
                if budget.only is not None
            },
            facts=self.facts,
            prices=self.prices,
        ).faults()
