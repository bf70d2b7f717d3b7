"""An MCP server of 2025, by hand: it initializes, notifies unasked, and answers by is_error.

Its first argument is a folder: what it does there is what a test looks at.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
TOOLS: list[dict[str, Any]] = [
    {"name": "old.name/with:signs", "inputSchema": {"type": "object"}},
    {"name": "x" * 70, "title": "Long", "inputSchema": {"type": "object"}},
    {"name": "wrong", "description": "Its schema is none.", "inputSchema": {"type": "object"}},
    {"name": "lost", "description": "Ends the server.", "inputSchema": {"type": "object"}},
    {"name": "grow", "description": "Adds one.", "inputSchema": {"type": "object"}},
    {"name": "drop", "description": "Takes all away.", "inputSchema": {"type": "object"}},
    {"name": "unknown", "description": "Not there.", "inputSchema": {"type": "object"}},
    {"name": "ask", "description": "Says no.", "inputSchema": {"type": "object"}},
]
TOOLS[2]["inputSchema"] = {"type": "object", "properties": {"a": {"type": "strin"}}}


def say(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def tools(request: dict[str, Any]) -> dict[str, Any]:
    # Two pages, of which the second is never the last one where there is a file.
    if request.get("params", {}).get("cursor"):
        more = {"nextCursor": "again"} if (FOLDER / "endless").exists() else {}
        return {"tools": TOOLS[1:], **more}
    return {"tools": TOOLS[:1], "nextCursor": "2"}


def call(name: str) -> dict[str, Any]:
    if name == "lost":
        print("I have seen enough", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "grow":
        TOOLS.append({"name": "grown", "description": "New.", "inputSchema": {"type": "object"}})
        say({"method": "notifications/tools/list_changed"})
    if name == "drop":
        del TOOLS[:]
        say({"method": "notifications/tools/list_changed"})
    if name == "unknown":
        return {"content": [{"type": "text", "text": f"Unknown tool: {name}"}], "isError": True}
    if name == "ask":
        return {"content": [], "isError": True}
    resource = {"uri": "test:///r", "text": "a text"}
    blob = {"uri": "test:///b", "blob": "aGk="}
    link = {"type": "resource_link", "uri": "test:///l", "name": "l"}
    contents = [
        {"type": "text", "text": f"{name} was called"},
        {"type": "resource", "resource": resource},
        {"type": "resource", "resource": blob},
        link,
    ]
    return {"content": contents} if name != "grow" else {"content": [], "structuredContent": {}}


for line in sys.stdin:
    request = json.loads(line)
    method, id = request.get("method"), request.get("id")
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "old", "version": "1"}
        version = "2025-11-25"
        say(
            {
                "id": id,
                "result": {
                    "protocolVersion": version,
                    "capabilities": capabilities,
                    "serverInfo": info,
                },
            }
        )
    elif method == "tools/list":
        say({"id": id, "result": tools(request)})
    elif method == "tools/call":
        say({"id": id, "result": call(request["params"]["name"])})
    elif id is not None:
        say({"id": id, "error": {"code": -32601, "message": "there is no such method"}})
