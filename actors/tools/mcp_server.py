"""An MCP server as a supervised actor, and its tools as tools of ours.

The connection is the actor's life: where the server is lost the actor crashes,
and its supervisor starts both again. What the server offers stays offered
meanwhile, and a call waits for the next life as any message does.
"""

import importlib.util
from functools import partial
from typing import Any

import structlog
import trio

from ...runtime import Actor, Backoff, ChildSpec, TrouperError, child, on
from ..chat import ToolResultPart
from .definition import Tool
from .directory import Run, ToolDirectory
from .errors import McpMissing, ToolDefinitionError
from .executor import CALLS
from .mcp_settings import McpSettings
from .running import ToolRunner, failed

__all__ = ["McpServer", "McpServerLost", "mcp_spec"]

_log = structlog.get_logger("trouper.tools")

# A server that cannot be reached is tried again for as long as the program runs:
# twice a minute at last, which is cheap for both.
_BACKOFF = Backoff(initial=0.5, maximum=30.0, reset_after=60.0)
# Its stdin is closed, then it is asked, then killed, with 2 s after each.
_SHUTDOWN = 7.0


class McpServerLost(TrouperError):
    """The MCP `server` of that name has ended, or its connection; `words` is the end of what it
    said. Its supervisor starts it again, and what it offered stays offered meanwhile."""

    def __init__(self, server: str, words: str = "") -> None:
        super().__init__(server, words)
        self.server = server
        self.words = words

    def __str__(self) -> str:
        said = f"; it said last: {self.words}" if self.words else ""
        return f"the MCP server {self.server} is gone{said}"


def mcp_spec(settings: McpSettings, directory: ToolDirectory) -> ChildSpec:
    """The child that keeps the MCP server of `settings`, and offers its tools in `directory`, for
    `tools_spec`.

    It is ready at once: a server that takes its time, or is not there, does not
    hold up the program. Raises McpMissing where the extra is not installed.
    """
    if importlib.util.find_spec("mcp") is None:
        raise McpMissing
    return child(
        f"mcp:{settings.name}",
        partial(McpServer, settings, directory),
        backoff=_BACKOFF,
        shutdown=_SHUTDOWN,
        poison=0,
    )


class McpServer(Actor[Run], background=True):
    """Keeps one MCP server, and runs the calls of its tools."""

    def __init__(self, settings: McpSettings, directory: ToolDirectory) -> None:
        self._settings = settings
        self._directory = directory
        self._runners: dict[str, ToolRunner] = {}
        self._ready = trio.Event()

    async def on_start(self) -> None:
        self.start_soon(self._serve)
        with trio.fail_after(self._settings.start_timeout):
            await self._ready.wait()

    @on(Run, task=True, limit=CALLS)
    async def run(self, message: Run) -> ToolResultPart:
        """The result of one call of one of the server's tools."""
        runner = self._runners.get(message.call.name)
        if runner is None:
            server = self._settings.name
            return failed(message.call, f"the server {server} has no such tool any more")
        return await runner.run(message.call, message.context, approved=message.approved)

    async def _serve(self) -> None:
        # Not at the top: the package is an extra, and 0.9 s of imports.
        from .mcp_link import open_link  # noqa: PLC0415

        async with open_link(self._settings) as link:
            self.start_soon(self._watch, link)
            await self._take_tools(link)
            self._ready.set()
            async for _ in link.changed:
                await self._take_tools(link)

    # A link's type is of the extra, and not known here.

    async def _watch(self, link: Any) -> None:
        """Crash at once where the server is gone: what is asked from then on waits for the
        next life, while this one still cleans up."""
        await link.lost.wait()
        raise McpServerLost(self._settings.name, " / ".join(link.last_words))

    async def _take_tools(self, link: Any) -> None:
        """Offer what the server has now; a tool that has not changed keeps its places."""
        described = await link.tools()
        # From here on nothing is awaited: a call finds the old ones or the new ones.
        runners: dict[str, ToolRunner] = {}
        for one in described:
            tool = self._tool(one, link)
            if tool is not None:
                old = self._runners.get(tool.name)
                same = old is not None and old.tool.spec == tool.spec
                runners[tool.name] = old if old is not None and same else ToolRunner(tool)
        self._runners = runners
        tools = [runner.tool for runner in runners.values()]
        taken = self._directory.offer(self.path, tools, self.ref)
        for name in taken:
            _log.warning("tool is offered twice", tool=name, server=self._settings.name)
        _log.info("mcp server offers tools", server=self._settings.name, tools=len(tools))

    def _tool(self, described: Any, link: Any) -> Tool | None:
        """A tool of the server as ours. One that is wrongly described is left out."""
        own = str(described.name)
        try:
            return Tool(
                name=self._settings.tool_name(own),
                # Many servers leave it out; a name is better than no tool.
                description=described.description or described.title or own,
                schema=described.input_schema,
                body=partial(link.call, own),
                policy=self._settings.policy,
            )
        except ToolDefinitionError as fault:
            _log.warning("tool is left out", tool=own, server=self._settings.name, error=str(fault))
            return None
