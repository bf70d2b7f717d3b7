"""What a host begins and does not finish: loops that are broken off, turns without their block."""

import asyncio
from typing import Any

import pytest

from tests.fakes.embedded import LONG, embedded, question
from tests.fakes.portals import run_asyncio
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp, AsyncioBot, ThreadApp, ThreadBot
from trouper.actors.errors import SessionError
from trouper.runtime.portal import PortalError
from trouper.runtime.portal.asyncio_portal import Mode

MODES: tuple[Mode, ...] = ("thread", "guest")


async def nothing_under_way(app: AsyncioApp) -> None:
    """A stream that nobody reads any more ends when its generator has been collected."""
    async with asyncio.timeout(5):
        while app.portal._thread._pending:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("mode", MODES)
def test_a_loop_that_is_broken_off_without_aclosing_stops_its_provider(
    simulator: SimulatorProcess, mode: Mode
) -> None:
    async def first_of(chunks: Any) -> None:
        async for _ in chunks:
            break

    async def main() -> None:
        simulator.script(LONG)
        async with AsyncioApp(embedded(simulator), mode=mode) as app:
            await first_of(app.stream(question()))
            await nothing_under_way(app)
            await first_of(AsyncioBot(app).respond("ann", "hello"))
            await nothing_under_way(app)

    run_asyncio(main)


def test_a_loop_in_a_thread_that_is_broken_off_stops_its_provider(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(LONG)
    with ThreadApp(embedded(simulator)) as app:
        for _ in app.stream(question()):
            break
        assert app.portal._thread._pending == set()
        simulator.script({"reply": {"text": "one.\n\ntwo.\n\nthree.", "pace": 0.05}})
        for _ in ThreadBot(app).respond("ann", "hello"):
            break
        assert app.portal._thread._pending == set()


@pytest.mark.parametrize("mode", MODES)
def test_a_turn_is_read_inside_its_block(simulator: SimulatorProcess, mode: Mode) -> None:
    """`async for event in session.prompt(...)` waited for ever for a turn that nobody began."""

    async def main() -> None:
        async with AsyncioApp(embedded(simulator), mode=mode) as app:
            session = await app.session("ann")
            with pytest.raises(SessionError, match="inside its `with` block"):
                async for _ in session.prompt("hello"):
                    pass
            with pytest.raises(SessionError, match="inside its `with` block"):
                await anext(session.prompt("hello"))
            assert await session.ask("hello") == "You said: hello"

    run_asyncio(main)


def test_a_turn_in_a_thread_is_read_inside_its_block(simulator: SimulatorProcess) -> None:
    with ThreadApp(embedded(simulator)) as app:
        session = app.session("ann")
        with pytest.raises(SessionError, match="inside its `with` block"):
            for _ in session.prompt("hello"):
                pass
        with pytest.raises(SessionError, match="inside its `with` block"):
            next(session.prompt("hello"))
        assert session.ask("hello") == "You said: hello"


def test_an_application_that_is_entered_again_keeps_the_loop_of_its_tools(
    simulator: SimulatorProcess,
) -> None:
    async def main() -> None:
        async def where() -> asyncio.AbstractEventLoop:
            await asyncio.sleep(0)
            return asyncio.get_running_loop()

        async with AsyncioApp(embedded(simulator)) as app:
            with pytest.raises(PortalError, match="runs once"):
                await asyncio.to_thread(asyncio.run, app.__aenter__())
            loop = await app.portal.call(app.host.run, where)
            assert loop is asyncio.get_running_loop()

    run_asyncio(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_turn_that_nobody_reads_does_not_hold_up_the_end(
    simulator: SimulatorProcess, mode: Mode
) -> None:
    async def main() -> None:
        simulator.script(LONG)
        async with AsyncioApp(embedded(simulator), mode=mode) as app:
            turn = (await app.session("ann")).prompt("hello")
            await turn.__aenter__()
            async with asyncio.timeout(5):
                await app.stop()

    run_asyncio(main)
