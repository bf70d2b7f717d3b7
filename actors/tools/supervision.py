"""The part of a program's tree that runs its tools."""

from collections.abc import Iterable
from functools import partial

from ...runtime import Backoff, ChildSpec, child, supervisor
from .definition import Tool
from .directory import ToolDirectory
from .executor import Executor

__all__ = ["TOOLS", "tools_spec"]

TOOLS = "tools"
"""The id of the supervisor of all tools."""

# A tool's crash is the result of a call, so an executor that crashes is a fault
# of ours. With this backoff none can crash so often in a minute, and it comes
# back within 5 s, as the gates before a provider do.
_BACKOFF = Backoff(initial=0.2, maximum=5.0, reset_after=30.0)
_CRASHES, _PERIOD = 30, 60.0
# Nearly all that an executor handles is one type of message.
_NO_POISON = 0


def tools_spec(
    tools: Iterable[Tool], directory: ToolDirectory, *servers: ChildSpec, id: str = TOOLS
) -> ChildSpec:
    """A supervisor of one executor a tool, and of MCP servers (`mcp_spec`).

    The tools offer themselves in `directory`, which sessions read. `id` is the
    supervisor's. Raises SpecError for two tools of one name.
    """
    executors = tuple(
        child(
            tool.name,
            partial(Executor, tool, directory),
            backoff=_BACKOFF,
            poison=_NO_POISON,
            # What a tool is doing is for a turn that is ending as well.
            shutdown=2.0,
        )
        for tool in tools
    )
    children = (*executors, *servers)
    # That of all children together; one alone never uses up what the others have.
    crashes = _CRASHES * max(1, len(children))
    return supervisor(id, *children, intensity=crashes, period=_PERIOD)
