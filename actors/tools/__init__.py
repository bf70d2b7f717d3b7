"""Tools that a model may call: what they are, and the supervised actors that run them.

Read in this order: errors, context, fields, shapes, schema, validation, result,
tool, function, toolbox.
"""

from .context import Progress, ToolContext
from .errors import InvalidArguments, ToolDefinitionError, ToolFailed
from .function import FunctionTool, tool
from .tool import Approval, Body, Tool, ToolPolicy, described_tool
from .toolbox import Toolbox

__all__ = [
    "Approval",
    "Body",
    "FunctionTool",
    "InvalidArguments",
    "Progress",
    "Tool",
    "ToolContext",
    "ToolDefinitionError",
    "ToolFailed",
    "ToolPolicy",
    "Toolbox",
    "described_tool",
    "tool",
]
