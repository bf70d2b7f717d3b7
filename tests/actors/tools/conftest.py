"""A house of tools: their executors in a running tree, and calls of them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import orjson
import pytest

from trouper.actors.chat import ToolCallPart, ToolResultPart
from trouper.actors.tools import (
    CallHooks,
    Tool,
    ToolContext,
    ToolDirectory,
    run_calls,
    tools_spec,
)
from trouper.runtime import ChildSpec, System


def call(name: str, id: str = "1", **arguments: Any) -> ToolCallPart:
    return ToolCallPart(id, name, orjson.dumps(arguments).decode())


@attrs.frozen
class House:
    """Tools that run, as a session sees them."""

    system: System
    directory: ToolDirectory

    async def calls(
        self, *calls: ToolCallPart, hooks: CallHooks | None = None
    ) -> tuple[ToolResultPart, ...]:
        view = self.directory.view("*")
        context = ToolContext(session="alice")
        return await run_calls(calls, view, context, hooks or CallHooks())

    async def call(self, name: str, /, **arguments: Any) -> ToolResultPart:
        (result,) = await self.calls(call(name, **arguments))
        return result


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def house() -> OpenHouse:
    @asynccontextmanager
    async def open_house(
        *tools: Tool, servers: tuple[ChildSpec, ...] = ()
    ) -> AsyncGenerator[House]:
        directory = ToolDirectory()
        spec = tools_spec(tools, directory, *servers)
        async with System(spec, signals=False) as system:
            yield House(system, directory)

    return open_house
