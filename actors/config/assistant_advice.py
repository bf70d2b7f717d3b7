"""What an operator should know of assistants and tools that are right, and may still not do."""

import fnmatch
import importlib.util
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ..catalog.facts import ModelFacts
from ..catalog.validation import validate
from ..chat import ChatRequest, Sampling, ToolSpec
from ..wire.converter import key_path, suggestion
from .addresses import is_loopback
from .app import AppConfig
from .assistants import AssistantConfig
from .chain import Target
from .kinds import KindConfig
from .names import BUILT_IN_TOOLS
from .tools import McpConfig, ToolConfig

__all__ = ["COMMANDS", "warnings_of_assistants", "warnings_of_tools"]

COMMANDS = ("help", "new", "no", "stop", "yes")
"""The words of `bot.commands`, which this package must not import."""

_SOME_TOOL = ToolSpec("some", "", {"type": "object", "properties": {}})


def warnings_of_assistants(
    config: AppConfig, facts: Callable[[Target], ModelFacts], own: Collection[str] | None
) -> Iterator[str]:
    """What is to be said of assistants. `own` are the tools that the program brings, None where
    nobody knows them."""
    for name, assistant in config.assistants.items():
        key = key_path("assistants", name)
        if name.lower() in COMMANDS:
            yield f"{key}: bots have a command of this name, so nobody can ask it there"
        if own is None:
            yield from _of_its_tools(key, assistant, config)
        model = config.models[assistant.model]
        if assistant.long_text == "split" and model.context == "refuse":
            yield (
                f"{key}.long_text: a text is read part by part in one conversation, which its model "
                'refuses to shorten; say context = "drop_oldest" for the model'
            )
        for where, asked in _asked(key, assistant):
            for target in dict.fromkeys(model.targets):
                for words in validate(asked, facts(target)):
                    yield f"{where}.{words}"


def _of_its_tools(key: str, assistant: AssistantConfig, config: AppConfig) -> Iterator[str]:
    known = (*BUILT_IN_TOOLS, *config.tools)
    for index, tool in enumerate(assistant.tools):
        if "/" not in tool and not fnmatch.filter(known, tool):
            yield (
                f"{key}.tools[{index}]: nothing here is called {tool}; a program that brings it has "
                f"to open the application, which `trouper serve` does not; {suggestion(tool, known)}"
            )


def _asked(key: str, assistant: AssistantConfig) -> Iterator[tuple[str, ChatRequest]]:
    """What is asked of the model beyond what the model's own table says, and where that stands."""
    tools = (_SOME_TOOL,) if assistant.tools else ()
    yield key, _request(assistant, tools)
    for name, kind in assistant.kinds.items():
        yield key_path(f"{key}.kinds", name), _request(kind, ())


def _request(said: AssistantConfig | KindConfig, tools: tuple[ToolSpec, ...]) -> ChatRequest:
    return ChatRequest(
        model="",
        messages=(),
        tools=tools,
        sampling=Sampling(temperature=said.temperature),
        max_output_tokens=said.max_output_tokens,
        reasoning_effort=said.reasoning_effort,
    )


def warnings_of_tools(config: AppConfig) -> Iterator[str]:
    """What is to be said of programs and MCP servers, on this machine."""
    named = {tool for assistant in config.assistants.values() for tool in assistant.tools}
    for name, tool in config.tools.items():
        key = key_path("tools", name)
        if not any(fnmatch.fnmatchcase(name, one) for one in named):
            yield f"{key}: no assistant uses it, so it is never run"
        yield from _of_command(key, tool)
    servers = {tool.partition("/")[0] for tool in named if "/" in tool}
    for name, server in config.mcp.items():
        key = key_path("mcp", name)
        if name not in servers:
            yield f'{key}: no assistant uses one of its tools, as "{name}/*", so it is not started'
        elif importlib.util.find_spec("mcp") is None:
            yield f"{key}: it needs the extra, which is not installed: pip install 'trouper[mcp]'"
        if server.command:
            yield from _of_command(key, server)
        else:
            yield from _of_url(key, server)


def _of_command(key: str, config: ToolConfig | McpConfig) -> Iterator[str]:
    program = config.command[0]
    if "/" in program and config.cwd is not None:
        program = str(config.cwd / Path(program).expanduser())
    if shutil.which(program) is None:
        yield f"{key}.command: there is no program {config.command[0]} on this machine"
    if config.cwd is not None and not config.cwd.is_dir():
        yield f"{key}.cwd: there is no folder {config.cwd} on this machine"


def _of_url(key: str, server: McpConfig) -> Iterator[str]:
    url = urlsplit(server.url)
    host = url.hostname or ""
    if url.scheme == "http" and not is_loopback(host) and (server.token or server.headers):
        yield (
            f"{key}.url: what it is shown goes to {host} in clear, for everybody on the way to "
            "read; use https"
        )
