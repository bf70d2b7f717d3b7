"""An application used where it is not there, or by the wrong kind of program: what is said."""

import asyncio

import pytest
import trio

from tests.fakes.embedded import embedded
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp, ThreadApp
from trouper.runtime.portal import PortalClosed, PortalError


def test_calls_before_the_block_are_refused_by_the_error_that_the_table_names(
    simulator: SimulatorProcess,
) -> None:
    """They were a bare PortalError, which `except PortalClosed` let through."""
    beside_threads = ThreadApp(embedded(simulator))
    for call in (
        lambda: beside_threads.session("ann"),
        beside_threads.readiness,
        beside_threads.snapshot,
        lambda: beside_threads.listening,
        beside_threads.wait_ended,
    ):
        with pytest.raises(PortalClosed, match="has not been entered; use it in a block"):
            call()

    async def main() -> None:
        app = AsyncioApp(embedded(simulator))
        for call in (lambda: app.session("ann"), app.readiness, app.snapshot, app.wait_ended):
            with pytest.raises(PortalClosed, match="has not been entered; use it in a block"):
                await call()

    asyncio.run(main())


def test_programs_on_trio_and_plain_threads_are_told_what_is_made_for_them(
    simulator: SimulatorProcess,
) -> None:
    """They got "no running event loop" from asyncio, which says nothing of what to do."""

    async def on_trio() -> None:
        with pytest.raises(PortalError, match="is for asyncio and was used inside trio"):
            await AsyncioApp(embedded(simulator)).start()

    async def on_asyncio() -> None:
        async with AsyncioApp(embedded(simulator)) as app:
            session = await app.session("ann")
            with pytest.raises(PortalError, match="no loop runs; use it in its loop, or from th"):
                await asyncio.to_thread(session.prompt, "hello")

    trio.run(on_trio)
    asyncio.run(on_asyncio())
