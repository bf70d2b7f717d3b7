"""What the tables of a configuration call each other, and what names nothing.

The same faults are found in a file of which some tables cannot be read as in a
configuration that was made in Python: `Names` holds what is left of either.
"""

from collections.abc import Iterable, Iterator, Mapping

import attrs

from ..catalog.models import Models
from ..catalog.overrides import price_overrides
from ..errors import ConfigError
from ..wire.converter import key_path, shown, suggestion
from . import checks
from .chain import Target

__all__ = ["Names"]


@attrs.frozen(kw_only=True)
class Names:
    """Names of providers, and who says them. What cannot be read is left out: it is a fault of
    its own, and naming it is not another.

    `targets` are those of each model, each with its place in the chain ("[1]",
    "[1][0]"); `models` the one of each assistant, None where it cannot be
    read; `only` what each budget is for, with its scope. `facts` and `prices`
    are raw tables.
    """

    providers: tuple[str, ...] = ()
    targets: Mapping[str, tuple[tuple[str, Target], ...]]
    models: Mapping[str, str | None]
    budgets: Iterable[str] = ()
    only: Mapping[str, tuple[str, str]]
    facts: Mapping[str, object]
    prices: Mapping[str, object]

    def faults(self) -> Iterator[str]:
        """Whole sentences about names that name nothing, and tables that are empty."""
        yield from self._tables()
        for name, chain in self.targets.items():
            for place, target in chain:
                yield from self._provider(
                    f"{key_path('models', name)}.targets{place}", target.provider
                )
        for name, model in self.models.items():
            if model is not None and self.targets and model not in self.targets:
                key = key_path(key_path("assistants", name), "model")
                yield f'{key}: no model "{model}" is configured; {suggestion(model, self.targets)}'
        for name, (scope, only) in self.only.items():
            key = key_path(key_path("budgets", name), "only")
            if scope == "provider":
                yield from self._provider(key, only)
            elif scope == "model":
                yield from self._provider_of(key, only)
        yield from self._overrides()

    def _tables(self) -> Iterator[str]:
        for table, names, example in (
            ("providers", self.providers, "[providers.openai]"),
            ("models", self.targets, "[models.default]"),
            ("assistants", self.models, "[assistants.default]"),
        ):
            if not names:
                yield f"{table}: none is configured, and at least one is needed; add {example}"
        # A provider's name is checked where the provider is made.
        for table, named in (
            ("models", self.targets),
            ("assistants", self.models),
            ("budgets", self.budgets),
        ):
            for name in named:
                if not checks.is_name(name):
                    yield (
                        f"{key_path(table, name)}: a name has up to 64 letters, digits, dots, "
                        "hyphens and underscores"
                    )

    def _provider(self, key: str, provider: str) -> Iterator[str]:
        if self.providers and provider not in self.providers:
            yield (
                f'{key}: no provider "{provider}" is configured; '
                f"{suggestion(provider, self.providers)}"
            )

    def _provider_of(self, key: str, model: str) -> Iterator[str]:
        try:
            yield from self._provider(key, Target.parse(model).provider)
        except ValueError:
            return

    def _overrides(self) -> Iterator[str]:
        for table, raw in (("facts", self.facts), ("prices", self.prices)):
            tables: dict[str, Mapping[str, object]] = {}
            for name, entry in raw.items():
                key = key_path(table, name)
                try:
                    target = Target.parse(name)
                except ValueError:
                    yield f'{key}: must be called "provider/model"'
                    continue
                if not isinstance(entry, Mapping):
                    yield f"{key}: must be a table, not {shown(entry)}"
                    continue
                yield from self._provider(key, target.provider)
                if table == "facts" and target.model == "*":
                    yield f"{key}: is no model; only prices are given for all of a provider's"
                tables[name] = entry
            try:
                _ = Models(tables) if table == "facts" else price_overrides(tables)
            except ConfigError as error:
                for fault in error.faults:
                    yield f"{table}.{fault}"
