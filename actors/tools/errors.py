"""What goes wrong with tools.

TrouperError
├── ToolDefinitionError    a tool is written wrongly; raised where it is made
├── McpMissing             an MCP server is configured and the extra is not installed
├── McpNotReached          an MCP server does not start, or nobody answers at its URL
├── McpServerLost          it did, and is gone; it is started again (mcp_server.py)
└── ActorError
    └── ToolFailed         a call gave no result; its text is read by the model
        └── InvalidArguments   ... because what the model sent does not fit the tool
"""

from ...runtime import ActorError, TrouperError

__all__ = ["InvalidArguments", "McpMissing", "McpNotReached", "ToolDefinitionError", "ToolFailed"]


class ToolDefinitionError(TrouperError, ValueError):
    """A tool is written wrongly: `field` of `tool` says where, `problem` what and what to do."""

    def __init__(self, tool: str, field: str, problem: str) -> None:
        super().__init__(tool, field, problem)
        self.tool = tool
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"tool {self.tool!r}: {self.field}: {self.problem}"


class McpMissing(TrouperError):
    """The optional package that speaks MCP is not installed: `pip install 'trouper[mcp]'`."""

    def __str__(self) -> str:
        return "tools of an MCP server need the extra: pip install 'trouper[mcp]'"


class McpNotReached(TrouperError):
    """The MCP `server` of that name does not start, or nobody answers at its URL; `why` is what the
    system says. It is tried again, for as long as the program runs."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(server, why)
        self.server = server
        self.why = why

    def __str__(self) -> str:
        return (
            f"the MCP server {self.server} is not reached: {self.why}; see mcp.{self.server} in "
            f"the configuration. It is tried again"
        )


class ToolFailed(ActorError):
    """Raise it in a tool to tell the model, in plain words, why there is no result.

    Its text is the result of the call as it stands: write what was wrong and what
    the model may do about it. Any other exception is a fault of the tool: it is
    logged with its traceback, and the model reads one line of it.
    """


class InvalidArguments(ToolFailed):
    """The arguments of a call do not fit the tool; the text says which, and what would."""
