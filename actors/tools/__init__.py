"""Tools that a model may call: what they are, and the supervised actors that run them.

Read in this order: errors, context, fields, shapes, schema, validation, result,
definition, function, process, toolbox, running, directory, executor, supervision,
calls. Two tools come with us, calculator and clock. What speaks MCP needs an extra
and is imported by itself: mcp_settings, mcp_server, mcp_link.
"""

from .calls import CallHooks, run_calls
from .context import Progress, ToolContext
from .definition import Approval, Body, Tool, ToolPolicy, described_tool
from .directory import ToolDirectory, ToolView
from .errors import InvalidArguments, ToolDefinitionError, ToolFailed
from .function import FunctionTool, tool
from .process import process_tool
from .supervision import tools_spec
from .toolbox import Toolbox

__all__ = [
    "Approval",
    "Body",
    "CallHooks",
    "FunctionTool",
    "InvalidArguments",
    "Progress",
    "Tool",
    "ToolContext",
    "ToolDefinitionError",
    "ToolDirectory",
    "ToolFailed",
    "ToolPolicy",
    "ToolView",
    "Toolbox",
    "described_tool",
    "process_tool",
    "run_calls",
    "tool",
    "tools_spec",
]
