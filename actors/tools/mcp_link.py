"""One connection to an MCP server, by the protocol's own SDK. Needs the extra `mcp`.

The SDK's client is entered and left by one task, that of whoever opens a link.
It does not tell when its server is gone: for a program this is seen at the end
of its output, for HTTP at the first request that fails.
"""

import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
import attrs
import httpx2
import structlog
import trio
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.types import (
    CONNECTION_CLOSED,
    CallToolResult,
    Tool as McpTool,
    ToolListChangedNotification,
)

from ..redaction import redact_text
from .context import ToolContext
from .errors import McpNotReached, ToolFailed
from .mcp_settings import McpSettings
from .result import as_text

__all__ = ["McpLink", "open_link"]

_log = structlog.get_logger("trouper.tools")

_MOST_PAGES = 100
_MOST_TOOLS = 1_000
"""Of one server. Providers take some 128 in a request; this is against one that never ends."""
_LISTEN_AGAIN = 5.0
"""Seconds before a server that has stopped telling of changes is asked to tell again."""
_STDERR_LINES = 10
_LONGEST_LINE = 500


@attrs.define(eq=False)
class McpLink:
    """A server that answers. `changed` has an item when its tools are others, `lost` is
    set when it is gone; `last_words` is the end of what it wrote to stderr."""

    settings: McpSettings
    client: Client
    changed: trio.MemoryReceiveChannel[None]
    lost: trio.Event
    last_words: deque[str]

    async def tools(self) -> list[McpTool]:
        """All tools that the server has now. Raises MCPError."""
        found: list[McpTool] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.client.list_tools(cursor=cursor, cache_mode="bypass")
            found += page.tools
            cursor = page.next_cursor
            if not cursor or len(found) >= _MOST_TOOLS:
                break
        return found[:_MOST_TOOLS]

    async def call(self, name: str, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """The result of the server's tool `name`. Raises ToolFailed."""

        async def told(progress: float, total: float | None, message: str | None) -> None:
            context.report(message or "", progress / total if total else None)

        try:
            result = await self.client.call_tool(name, dict(arguments), progress_callback=told)
        except MCPError as error:
            # Some servers answer so where they know no such tool, others by is_error.
            if error.code != CONNECTION_CLOSED:
                raise ToolFailed(f"the server {self.settings.name} says: {error}") from error
            self.lost.set()
            raise ToolFailed(
                f"the server {self.settings.name} was lost in the middle of this call, and is "
                f"started again; whether the call was carried out is not known"
            ) from error
        text = _text(result)
        if result.is_error:
            raise ToolFailed(text or f"{name} failed and did not say why")
        return text


@asynccontextmanager
async def open_link(settings: McpSettings) -> AsyncGenerator[McpLink]:
    """A link for the length of a block. Raises McpNotReached where nobody answers."""
    words: deque[str] = deque(maxlen=_STDERR_LINES)
    is_open = False
    try:
        async with _linked(settings, words) as link:
            is_open = True
            yield link
    except ExceptionGroup as group:
        whole, rest = group.split((OSError, httpx2.HTTPError, MCPError))
        if is_open or whole is None or rest is not None:
            raise
        said = f"; it said last: {' / '.join(words)}" if words else ""
        raise McpNotReached(settings.name, f"{_first(whole)}{said}") from None


def _first(group: BaseException) -> str:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return str(group) or type(group).__name__


@asynccontextmanager
async def _linked(settings: McpSettings, last_words: deque[str]) -> AsyncGenerator[McpLink]:
    change, changed = trio.open_memory_channel[None](1)
    lost = trio.Event()

    def tell() -> None:
        with suppress(trio.WouldBlock):  # it is told already
            change.send_nowait(None)

    async def hear(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            tell()

    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        if settings.url:
            http = httpx2.AsyncClient(
                headers=dict(settings.headers),
                # The pool's and the connection's. An answer may take as long as its tool may.
                timeout=httpx2.Timeout(30.0, read=settings.policy.timeout + 30.0),
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(settings.url, http_client=http)
        else:
            stderr = await stack.enter_async_context(_lines_of(nursery, settings, last_words))
            transport = _watched(_program(settings, stderr), lost.set)
        client = await stack.enter_async_context(Client(transport, message_handler=hear))
        link = McpLink(settings, client, changed, lost, last_words)
        nursery.start_soon(_follow, link, tell)
        yield link


async def _follow(link: McpLink, tell: Callable[[], None]) -> None:
    """Hear of changes where the protocol is so new that one has to ask to be told (2026-07-28)."""
    tools = link.client.server_capabilities.tools
    if tools is None or not tools.list_changed:
        return
    try:
        while True:
            try:
                async with link.client.listen(tools_list_changed=True) as events:
                    tell()  # of what has changed before it listened
                    async for _ in events:
                        tell()
            except SubscriptionLost:
                pass  # as a proxy's timeout has it; the server itself may be well
            await trio.sleep(_LISTEN_AGAIN)
    except ListenNotSupportedError:
        pass  # older: it tells unasked, as a notification
    except MCPError as error:
        if error.code == CONNECTION_CLOSED:
            link.lost.set()
        _log.info("mcp server tells no changes", server=link.settings.name, error=str(error))


def _program(settings: McpSettings, stderr: Any) -> Any:
    program, *arguments = settings.command
    parameters = StdioServerParameters(
        command=program, args=arguments, env=dict(settings.env), cwd=settings.cwd
    )
    return stdio_client(parameters, errlog=stderr)


@asynccontextmanager
async def _watched(transport: Any, on_end: Callable[[], None]) -> AsyncGenerator[tuple[Any, Any]]:
    """A transport that says when its other side has ended."""
    async with transport as (read, write), trio.open_nursery() as nursery:
        put, got = anyio.create_memory_object_stream[Any](0)

        async def hand_on() -> None:
            async with put:
                try:
                    async for message in read:
                        await put.send(message)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass  # the client was left
            on_end()

        nursery.start_soon(hand_on)
        yield got, write
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _lines_of(
    nursery: trio.Nursery, settings: McpSettings, last_words: deque[str]
) -> AsyncGenerator[Any]:
    """A file for a program to write its log to, which becomes lines of ours."""
    reading, writing = os.pipe()

    async def read() -> None:
        rest = b""
        async with trio.lowlevel.FdStream(reading) as stream:
            while data := await stream.receive_some(16 * 1024):
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_LONGEST_LINE:]
                for line in lines:
                    text = redact_text(line[:_LONGEST_LINE].decode("utf-8", "replace")).strip()
                    last_words.append(text)
                    _log.debug("mcp server says", server=settings.name, line=text)

    nursery.start_soon(read)
    # The server gets a copy of it when it is started.
    with os.fdopen(writing, "w") as file:
        yield file


def _text(result: CallToolResult) -> str:
    """What of a result a model can read; the rest is named."""
    parts = [_part(block) for block in result.content]
    if not parts and result.structured_content is not None:
        return as_text(result.structured_content)
    return "\n".join(parts)


def _part(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            text = getattr(block.resource, "text", None)
            return str(text) if text is not None else f"[{block.resource.uri}, not shown]"
        case "resource_link":
            return f"[{block.name}: {block.uri}]"
        case _:
            return f"[{block.type}: {block.mime_type}, not shown]"
