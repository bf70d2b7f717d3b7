"""What the tables of a configuration call each other, and what names nothing.

The same faults are found in a file of which some tables cannot be read as in a
configuration that was made in Python: `Names` holds what is left of either.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import attrs

from ..catalog.models import ModelCatalog
from ..catalog.overrides import price_overrides
from ..errors import ConfigError
from ..wire.converter import key_path, shown, suggestion
from . import checks
from .chain import Target

__all__ = ["BUILT_IN_TOOLS", "Names", "NamesOfAssistant"]

BUILT_IN_TOOLS = ("calculator", "clock")
"""The tools that come with us; an assistant has them where its `tools` say so."""

# What every provider takes in the name of a function.
_TOOL = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Two underscores are between a server's name and its tool's: with more of them one server's
# pattern would have the tools of another.
_SERVER = re.compile(r"(?!.*__)(?!.*_\Z)[A-Za-z0-9_-]{1,32}")


@attrs.frozen
class NamesOfAssistant:
    """What an assistant names: its models, None where one cannot be read or is left out."""

    model: str | None
    small_model: str | None = None
    tools: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Names:
    """Names of providers, and who says them. What cannot be read is left out: it is a fault of
    its own, and naming it is not another.

    `targets` are those of each model, each with its place in the chain ("[1]",
    "[1][0]"); `only` is what each budget is for, with its scope. `tools` are
    programs, `servers` those of MCP. `facts` and `prices` are raw tables.
    """

    providers: tuple[str, ...] = ()
    targets: Mapping[str, tuple[tuple[str, Target], ...]]
    assistants: Mapping[str, NamesOfAssistant]
    tools: Collection[str] = ()
    servers: Collection[str] = ()
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
        for name, assistant in self.assistants.items():
            yield from self._assistant(key_path("assistants", name), assistant)
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
            ("assistants", self.assistants, "[assistants.default]"),
        ):
            if not names:
                yield f"{table}: none is configured, and at least one is needed; add {example}"
        # A provider's name is checked where the provider is made.
        for table, named in (
            ("models", self.targets),
            ("assistants", self.assistants),
            ("budgets", self.budgets),
        ):
            for name in named:
                if not checks.is_name(name):
                    yield (
                        f"{key_path(table, name)}: a name has up to 64 letters, digits, dots, "
                        "hyphens and underscores"
                    )

        for table, named, pattern, wanted in (
            ("tools", self.tools, _TOOL, "64 letters, digits, hyphens and underscores"),
            (
                "mcp",
                self.servers,
                _SERVER,
                ("32 letters, digits, hyphens and single underscores, and does not end with one"),
            ),
        ):
            for name in named:
                if not pattern.fullmatch(name):
                    yield f"{key_path(table, name)}: a name here has up to {wanted}"
                elif table == "tools" and name in BUILT_IN_TOOLS:
                    yield f"{key_path(table, name)}: this tool is built in; call yours otherwise"

    def _assistant(self, key: str, names: NamesOfAssistant) -> Iterator[str]:
        for part, model in (("model", names.model), ("small_model", names.small_model)):
            if model is not None and self.targets and model not in self.targets:
                yield (
                    f'{key}.{part}: no model "{model}" is configured; '
                    f"{suggestion(model, self.targets)}"
                )
        for index, tool in enumerate(names.tools):
            server, slash, _ = tool.partition("/")
            if slash and server not in self.servers:
                yield (
                    f'{key}.tools[{index}]: no MCP server "{server}" is configured under mcp; '
                    f"{suggestion(server, self.servers)}"
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
                _ = ModelCatalog(tables) if table == "facts" else price_overrides(tables)
            except ConfigError as error:
                for fault in error.faults:
                    yield f"{table}.{fault}"
