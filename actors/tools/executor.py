"""The actor that runs one tool.

One child a tool, known when the program starts: it has the places of its tool,
so that a tool which hangs is full by itself and holds up no other, and an
operator sees in the tree which tool is busy. Tools that come and go belong to an
MCP server, which is one actor (mcp_server.py) and answers the same `Run`.
"""

from ...runtime import Actor, on
from ..chat import ToolResultPart
from .definition import Tool
from .directory import Run, ToolDirectory
from .running import ToolRunner

__all__ = ["CALLS", "Executor"]

CALLS = 1_000
"""Calls of one actor that wait for a place or run; more stand in line as messages do."""


class Executor(Actor[Run]):
    """Runs the calls of one tool, each in a task that ends when nobody waits for it."""

    def __init__(self, tool: Tool, directory: ToolDirectory) -> None:
        self.patience = tool.policy.patience
        self._runner = ToolRunner(tool)
        self._directory = directory

    async def init(self) -> None:
        self._directory.offer(self.path, [self._runner.tool], self.ref)

    @on(Run, task=True, limit=CALLS)
    async def run(self, message: Run) -> ToolResultPart:
        """The result of one call, whatever the tool does."""
        return await self._runner.run(message.call, message.context, approved=message.approved)
