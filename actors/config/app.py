"""The whole configuration, and how its tables name each other.

A file is only one way to make it: `AppConfig(providers={...}, ...)` is another,
with the same checks.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import attrs

from ..errors import ConfigError
from ..wire.converter import key_path, shown, suggestion
from . import checks
from .provider import ProviderConfig
from .server import ServerConfig

__all__ = ["AppConfig", "AssistantConfig", "ModelConfig", "Target", "dangling"]


def _targets(values: "Iterable[str | Target]") -> "tuple[Target, ...]":
    targets: list[Target] = []
    for index, value in enumerate(checks.items("ModelConfig", "targets", values)):
        try:
            targets.append(value if isinstance(value, Target) else Target.parse(value))
        except ValueError as error:
            raise ConfigError("ModelConfig", [f"targets[{index}]: {error}"]) from error
    return tuple(targets)


def _providers(values: Mapping[str, ProviderConfig]) -> Mapping[str, ProviderConfig]:
    return MappingProxyType(dict(values))


def _models(values: "Mapping[str, ModelConfig]") -> "Mapping[str, ModelConfig]":
    return MappingProxyType(dict(values))


def _assistants(values: "Mapping[str, AssistantConfig]") -> "Mapping[str, AssistantConfig]":
    return MappingProxyType(dict(values))


@attrs.frozen
class Target:
    """A model of a provider. `model` is the provider's own name for it."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: object) -> "Target":
        """The target that "provider/model" names. The model's name may have slashes of its own.

        Raises ValueError.
        """
        provider, _, model = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not checks.is_name(provider) or not model.isprintable() or not 1 <= len(model) <= 256:
            raise ValueError(f'must be "provider/model", not {shown(text)}')
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@attrs.frozen(kw_only=True)
class ModelConfig:
    """What users ask for by a name: a chain of targets, tried in this order.

    None leaves `temperature` and `max_output_tokens` (with reasoning) to the provider.
    """

    targets: tuple[Target, ...] = attrs.field(converter=_targets)
    temperature: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.within(0, 2))
    )
    max_output_tokens: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 10_000_000))
    )

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        if not self.targets:
            yield 'targets: names nothing; at least one "provider/model" is needed'
        for index, target in enumerate(self.targets):
            if target in self.targets[:index]:
                yield f'targets[{index}]: "{target}" is in this chain already'


@attrs.frozen(kw_only=True)
class AssistantConfig:
    """A model with a system prompt; `prompt` "" says nothing to the model."""

    model: str = attrs.field(metadata=checks.name())
    prompt: str = attrs.field(default="", metadata=checks.text(1_000_000))

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class AppConfig:
    """The whole configuration. The tables are in the order of the file and cannot be changed."""

    server: ServerConfig = attrs.field(factory=ServerConfig)
    providers: Mapping[str, ProviderConfig] = attrs.field(
        factory=dict[str, ProviderConfig], converter=_providers, hash=False
    )
    models: Mapping[str, ModelConfig] = attrs.field(
        factory=dict[str, ModelConfig], converter=_models, hash=False
    )
    assistants: Mapping[str, AssistantConfig] = attrs.field(
        factory=dict[str, AssistantConfig], converter=_assistants, hash=False
    )

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def default_assistant(self) -> str:
        """The name of the assistant of who asks for none: "default", or else the first one."""
        return "default" if "default" in self.assistants else next(iter(self.assistants))

    def _across(self) -> Iterator[str]:
        for key, provider in self.providers.items():
            if key != provider.name:
                yield f'{key_path("providers", key)}: holds the provider "{provider.name}"'
        targets = {name: model.targets for name, model in self.models.items()}
        models = {name: assistant.model for name, assistant in self.assistants.items()}
        yield from dangling(self.providers, targets, models)


def dangling(
    providers: Iterable[str],
    targets: Mapping[str, Iterable[Target | None]],
    models: Mapping[str, str | None],
) -> Iterator[str]:
    """The faults of names that name nothing, and of tables that are empty.

    `targets` are those of each model and `models` the one of each assistant;
    None stands for one that cannot be read and is a fault of its own.
    """
    configured = list(providers)
    for table, names, example in (
        ("providers", configured, "[providers.openai]"),
        ("models", targets, "[models.default]"),
        ("assistants", models, "[assistants.default]"),
    ):
        if not names:
            yield f"{table}: none is configured, and at least one is needed; add {example}"
        # A provider's name is checked where the provider is made.
        for name in () if table == "providers" else names:
            if not checks.is_name(name):
                yield (
                    f"{key_path(table, name)}: a name has up to 64 letters, digits, dots, "
                    "hyphens and underscores"
                )
    for name, chain in targets.items():
        for index, target in enumerate(chain):
            if target is not None and configured and target.provider not in configured:
                key = key_path(key_path(key_path("models", name), "targets"), index)
                yield (
                    f'{key}: no provider "{target.provider}" is configured; '
                    f"{suggestion(target.provider, configured)}"
                )
    for name, model in models.items():
        if model is not None and targets and model not in targets:
            key = key_path(key_path("assistants", name), "model")
            yield f'{key}: no model "{model}" is configured; {suggestion(model, targets)}'
