"""Tools of an asyncio program: those that are async run in its loop, the others in threads."""

import asyncio
import contextvars
import sys
import threading
from typing import Any

import pytest

from tests.fakes.bots import calls
from tests.fakes.embedded import LONG, embedded
from tests.fakes.portals import run_asyncio
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp
from trouper.actors.session.events import PermissionAsked
from trouper.actors.tools import ToolContext, tool
from trouper.runtime.portal.asyncio_portal import Mode

MODES: tuple[Mode, ...] = ("thread", "guest")

WHO = contextvars.ContextVar("WHO", default="nobody")


def test_an_async_tool_runs_in_the_hosts_loop_and_a_sync_one_in_a_thread(
    simulator: SimulatorProcess,
) -> None:
    seen: dict[str, Any] = {}

    @tool
    async def book(table: str, context: ToolContext) -> str:
        """Book a table."""
        seen["loop"] = asyncio.get_running_loop()
        await asyncio.sleep(0)
        context.report("looking", 0.5)
        return f"table {table} is {context.session}'s"

    @tool
    def price(dish: str) -> str:
        """Tell a price."""
        seen["thread"] = threading.current_thread()
        return f"{dish} costs 7"

    async def main() -> None:
        async with AsyncioApp(embedded(simulator, "book", "price"), tools=[book, price]) as app:
            session = await app.session("alice")
            simulator.script(calls("book", table="4"), {"reply": {"text": "Done."}})
            booked = await session.ask("a table")
            simulator.script(calls("price", dish="soup"), {"reply": {"text": "Seven."}})
            priced = await session.ask("a price")

            assert seen["loop"] is asyncio.get_running_loop()
            assert seen["thread"] is not threading.current_thread()
        assert [(one.name, one.result) for one in booked.tools] == [("book", "table 4 is alice's")]
        assert [(one.arguments, one.is_error) for one in priced.tools] == [
            ('{"dish":"soup"}', False)
        ]
        assert booked == "Done."

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_an_async_tool_is_cancelled_with_its_turn_and_may_clean_up(
    simulator: SimulatorProcess, mode: Mode
) -> None:
    async def main() -> None:
        begun, over = asyncio.Event(), asyncio.Event()

        @tool
        async def wait() -> str:
            """Wait."""
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.01)
                over.set()
            return ""

        simulator.script(calls("wait"))
        async with AsyncioApp(embedded(simulator, "wait"), tools=[wait], mode=mode) as app:
            async with (await app.session("alice")).prompt("go"):
                await begun.wait()
            await over.wait()

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_that_fails_or_that_the_host_cancels_is_told_to_the_model(
    simulator: SimulatorProcess, mode: Mode
) -> None:
    @tool
    async def broken(how: str) -> str:
        """Break."""
        if how == "sys.exit":
            sys.exit("bye")
        if how == "panic":
            raise BaseException("a bug in Rust")
        if how == "closed":
            raise GeneratorExit
        if how == "cancelled":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)
        raise OSError("the printer is on fire")

    async def main() -> None:
        async with AsyncioApp(embedded(simulator, "broken"), tools=[broken], mode=mode) as app:
            session = await app.session("alice")
            for how, told in (
                ("fire", "printer"),
                ("cancelled", "was cancelled by the program"),
                ("sys.exit", "SystemExit: bye"),
                ("panic", "BaseException: a bug in Rust"),
                ("closed", "broken failed: GeneratorExit"),
            ):
                simulator.script(calls("broken", how=how), {"reply": {"text": "A pity."}})
                answer = await session.ask("go")
                assert answer.tools[0].is_error
                assert told in answer.tools[0].result

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_the_context_of_whoever_opened_the_application_reaches_its_tools(
    simulator: SimulatorProcess, mode: Mode
) -> None:
    @tool
    async def who() -> str:
        """Tell who asks."""
        return WHO.get()

    async def main() -> None:
        WHO.set("ann")
        simulator.script(calls("who"), {"reply": {"text": "Ann."}})
        async with AsyncioApp(embedded(simulator, "who"), tools=[who], mode=mode) as app:
            answer = await (await app.session("alice")).ask("who?")
        assert answer.tools[0].result == "ann"

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_person_is_asked_before_a_call_is_run(simulator: SimulatorProcess, mode: Mode) -> None:
    @tool(approval="always")
    async def delete() -> str:
        """Delete all."""
        return "gone"

    async def main() -> None:
        simulator.script(calls("delete"), {"reply": {"text": "Done."}})
        async with AsyncioApp(embedded(simulator, "delete"), tools=[delete], mode=mode) as app:
            session = await app.session("alice")
            async with session.prompt("go") as turn:
                async for event in turn:
                    if isinstance(event, PermissionAsked):
                        assert await session.permit(event.call_id, granted=True)
        assert turn.answer.tools[0].result == "gone"

    run_asyncio(main)


def test_as_a_guest_it_needs_no_thread_of_its_own(simulator: SimulatorProcess) -> None:
    @tool
    async def where() -> str:
        """Tell where this runs."""
        await asyncio.sleep(0)
        return str(threading.current_thread() is threading.main_thread())

    async def main() -> None:
        config = embedded(simulator, "where")
        async with AsyncioApp(config, tools=[where], mode="guest") as app:
            assert await app.portal.call_sync(threading.current_thread) is threading.main_thread()
            session = await app.session("alice")
            assert await session.ask("one") == "You said: one"
            simulator.script(calls("where"), {"times": 1, "reply": {"text": "There."}}, LONG)
            assert (await session.ask("where?")).tools[0].result == "True"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await session.ask("a book")
            assert (await app.readiness()).ready

    run_asyncio(main)
