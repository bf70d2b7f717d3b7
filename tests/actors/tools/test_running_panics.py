"""What is raised by a tool is the tool's, whatever its class; only an interrupt is the program's."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

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
