"""An application used where it is not there, or by the wrong kind of program: what is said."""

import asyncio

import pytest

from tests.fakes.embedded import embedded
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp, ThreadApp
from trouper.runtime.portal import PortalClosed


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
