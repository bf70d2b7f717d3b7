"""The application where there is no block to enter."""

import asyncio

from tests.fakes.embedded import embedded
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.embed import AsyncioApp, ThreadApp


def test_beside_threads_it_is_started_and_stopped(simulator: SimulatorProcess) -> None:
    app = ThreadApp(embedded(simulator)).start()
    assert app.session("ann").ask("hello") == "You said: hello"
    app.stop()
    assert app.wait_ended(0)


def test_beside_asyncio_it_is_started_and_stopped(simulator: SimulatorProcess) -> None:
    async def main() -> str:
        app = await AsyncioApp(embedded(simulator)).start()
        answer = await (await app.session("ann")).ask("hello")
        await app.stop()
        await app.wait_ended()
        return answer

    assert asyncio.run(main()) == "You said: hello"
