"""The tools of one application: which there are, what runs them, and who may use which.

They come from four places: two that are built in, functions that the embedding
program brings along, programs and MCP servers that the configuration names. Only
what some assistant may use is run.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping

from ..runtime import ChildSpec
from .config import AppConfig, McpConfig, Secret, ToolConfig
from .config.names import BUILT_IN_TOOLS
from .errors import ConfigError
from .tools import Tool, ToolDefinitionError, ToolDirectory, ToolPolicy, ToolView, tools_spec
from .tools.calculator import calculator
from .tools.clock import clock
from .tools.mcp_server import mcp_spec
from .tools.mcp_settings import McpSettings
from .tools.process import process_tool
from .wire.converter import key_path, suggestion

__all__ = ["Tools"]

_WILD = re.compile(r"[*?]")
# What McpSettings.tool_name makes an underscore, but for what is wild.
_NO_PART = re.compile(r"[^a-zA-Z0-9_*?-]")


class Tools:
    """The tools of an application with that configuration; `own` are those of the program.

    Raises ConfigError for what an assistant names and nobody has, and
    ToolDefinitionError for two of one name; McpMissing where a server is to be
    used and the extra is not installed.
    """

    def __init__(self, config: AppConfig, own: Iterable[Tool] = ()) -> None:
        self._config = config
        self.directory = ToolDirectory()
        """What can be called now."""
        known = self._known(own)
        self._patterns = {name: self._patterns_of(name, known) for name in config.assistants}
        used = {pattern for patterns in self._patterns.values() for pattern in patterns}
        self._tools = tuple(tool for name, tool in known.items() if name in used)
        named = {tool.partition("/")[0] for tool in self._named() if "/" in tool}
        self._servers = tuple(
            mcp_spec(_settings(name, server), self.directory)
            for name, server in config.mcp.items()
            if name in named
        )

    def children(self) -> tuple[ChildSpec, ...]:
        """What must run before those who call tools; nothing where nobody does."""
        if not self._tools and not self._servers:
            return ()
        return (tools_spec(self._tools, self.directory, *self._servers),)

    def patterns(self, assistant: str) -> tuple[str, ...]:
        """What this assistant may use: names, or patterns of names, of the directory."""
        return self._patterns[assistant]

    def view(self, assistant: str) -> ToolView:
        """The tools that this assistant may use, as they come and go."""
        return self.directory.view(*self._patterns[assistant])

    def _known(self, own: Iterable[Tool]) -> Mapping[str, Tool]:
        known: dict[str, Tool] = {}
        for tool in (calculator, clock, *own, *_programs(self._config.tools)):
            if not isinstance(tool, Tool):  # pyright: ignore[reportUnnecessaryIsInstance]
                name = str(getattr(tool, "__qualname__", tool))[:64]
                raise ToolDefinitionError(
                    name, "function", "it is no tool; decorate the function with @tool"
                )
            if tool.name in known:
                why = "is built in" if tool.name in BUILT_IN_TOOLS else "is there twice"
                raise ToolDefinitionError(tool.name, "name", f"a tool of this name {why}")
            known[tool.name] = tool
        return known

    def _named(self) -> Iterator[str]:
        for assistant in self._config.assistants.values():
            yield from assistant.tools

    def _patterns_of(self, assistant: str, known: Mapping[str, Tool]) -> tuple[str, ...]:
        """What the directory calls the tools that this assistant names.

        Those of a server come and go, and stay a pattern; all others are known now.
        """
        patterns: list[str] = []
        for index, named in enumerate(self._config.assistants[assistant].tools):
            server, slash, own = named.partition("/")
            found = [_pattern(server, own)] if slash else fnmatch.filter(known, named)
            if not found:
                key = f"{key_path('assistants', assistant)}.tools[{index}]"
                raise ConfigError("configuration", [f"{key}: {_missing(named, known)}"])
            patterns += found
        return tuple(dict.fromkeys(patterns))


def _pattern(server: str, own: str) -> str:
    if not _WILD.search(own):
        return McpSettings(name=server, url="-").tool_name(own)
    return _NO_PART.sub("_", f"{server}__{own}")


def _missing(name: str, known: Iterable[str]) -> str:
    return (
        f'there is no tool "{name}": none is built in, none stands under tools, and the program '
        f"brings none; {suggestion(name, known)}"
    )


def _programs(configs: Mapping[str, ToolConfig]) -> Iterator[Tool]:
    for name, config in configs.items():
        described = {
            "name": name,
            "description": config.description,
            "parameters": dict(config.parameters),
        }
        yield process_tool(
            config.command,
            described,
            env=_revealed(config.env),
            cwd=None if config.cwd is None else str(config.cwd),
            strict=config.strict,
            timeout=config.timeout,
            concurrency=config.concurrency,
            result_limit=config.result_limit,
            approval=config.approval,
            idempotent=config.idempotent,
            attempts=config.attempts,
        )


def _settings(name: str, config: McpConfig) -> McpSettings:
    headers = _revealed(config.headers)
    if config.token is not None:
        headers["Authorization"] = f"Bearer {config.token.reveal()}"
    return McpSettings(
        name=name,
        command=config.command,
        env=_revealed(config.env),
        cwd=None if config.cwd is None else str(config.cwd),
        url=config.url,
        headers=headers,
        start_timeout=config.start_timeout,
        policy=ToolPolicy(
            timeout=config.timeout,
            concurrency=config.concurrency,
            result_limit=config.result_limit,
            approval=config.approval,
        ),
    )


def _revealed(values: Mapping[str, Secret | str]) -> dict[str, str]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in values.items()
    }
