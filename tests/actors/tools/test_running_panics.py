"""What is raised by a tool is the tool's, whatever its class; only an interrupt is the program's."""

import asyncio
import types
from collections.abc import Generator, Mapping
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from trouper.actors.tools import Tool, ToolContext, tool
from trouper.actors.tools.running import ToolRunner

from .conftest import call


class Panic(BaseException):
    """As what a library in Rust raises that has hit a bug of its own (pyo3's PanicException)."""


def falling(error: BaseException) -> Tool:
    @tool
    def fall() -> None:
        """Fall, in a thread."""
        raise error

    return fall


@pytest.mark.parametrize("error", [Panic("unwrap"), asyncio.CancelledError(), GeneratorExit()])
async def test_a_panic_in_a_thread_ended_the_application_for_everybody(
    error: BaseException,
) -> None:
    result = await ToolRunner(falling(error)).run(call("fall"), ToolContext())

    assert result.is_error
    assert type(error).__name__ in result.content


async def test_a_panic_in_the_loop_is_a_crash_of_the_tool_too() -> None:
    @tool
    async def fall() -> None:
        """Fall, in the loop."""
        raise GeneratorExit

    result = await ToolRunner(fall).run(call("fall"), ToolContext())

    assert (result.content, result.is_error) == ("fall failed: GeneratorExit", True)


@types.coroutine
def forever() -> Generator[None]:
    yield


@pytest.mark.parametrize("in_trio", [True, False])
async def test_a_call_that_is_thrown_away_is_closed_as_any_coroutine(*, in_trio: bool) -> None:
    ended: list[bool] = []

    @tool
    async def wait() -> None:
        """Wait."""
        try:
            await forever()
        finally:
            ended.append(True)

    attempt = ToolRunner(wait)._attempt({}, ToolContext())

    async def begin() -> None:
        attempt.send(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin)
    with capture_logs() as logs:
        if in_trio:
            attempt.close()
        else:
            await trio.to_thread.run_sync(attempt.close)

    assert (ended, logs) == ([True], [])


async def test_an_interrupt_of_the_program_is_not_the_tools() -> None:
    with pytest.raises(KeyboardInterrupt):
        await ToolRunner(falling(KeyboardInterrupt())).run(call("fall"), ToolContext())


def test_an_approval_rule_that_panics_wants_a_person() -> None:
    def rule(arguments: Mapping[str, Any]) -> bool:
        raise (KeyboardInterrupt if arguments else Panic)

    @tool(approval=rule)
    async def wipe() -> None:
        """Wipe."""

    assert wipe.needs_approval({})
    with pytest.raises(KeyboardInterrupt):
        wipe.needs_approval({"all": True})
