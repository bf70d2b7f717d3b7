"""A small MCP server of today, run as a program: `python server_of_tools.py stdio|PORT`."""

import os
import sys

import anyio
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import INVALID_PARAMS, ImageContent, TextContent

server = MCPServer("tests")


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
async def pid() -> int:
    """Tell the number of this process."""
    return os.getpid()


@server.tool()
async def hang(path: str) -> str:
    """Write the number of this process into a file, and never answer."""
    await anyio.Path(path + ".new").write_text(str(os.getpid()))
    os.rename(path + ".new", path)
    await anyio.sleep_forever()
    return ""


@server.tool()
async def fail() -> str:
    """Fail."""
    raise ValueError("it was meant to")


@server.tool()
async def picture() -> list[TextContent | ImageContent]:
    """Show a picture."""
    return [
        TextContent(type="text", text="a dot"),
        ImageContent(type="image", data="aGk=", mime_type="image/png"),
    ]


@server.tool()
async def walk(context: Context) -> str:
    """Walk, and tell how far."""
    await context.report_progress(1, 4, "a quarter")
    return "there"


@server.tool()
async def grow(context: Context) -> str:
    """Add a tool to the server."""

    async def shrunk() -> str:
        """Was not here before."""
        return "new"

    server.add_tool(shrunk, name="grown")
    await context.notify_tools_changed()
    return "grown"


@server.tool()
async def refuse() -> None:
    """Answer with an error of the protocol, as some servers do where they know no such tool."""
    raise MCPError(INVALID_PARAMS, "Unknown tool: refuse")


if __name__ == "__main__":
    print("a line of the server's log", file=sys.stderr)
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
