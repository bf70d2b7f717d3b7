"""What users test their programs with: a provider that says what the test wants, and quick time.

On trio, with an application in the same loop and no socket:

    async def test_the_bot_is_patient(trouper_clock: MockClock) -> None:
        async with simulated_app({"reply": {"text": "Hello", "delay": 60}}) as (app, provider):
            assert await (await app.session("ann")).ask("hi") == "Hello"
        assert provider.requests[0].last == "hi"

Beside asyncio, threads or processes, over loopback:

    def test_ann_is_greeted(trouper_provider: SimulatedProvider) -> None:
        trouper_provider.script("Hello")
        with ThreadApp(trouper_provider.config()) as app:
            assert app.session("ann").ask("hi") == "Hello"

The fixtures come with `pytest_plugins = ["trouper.actors.testing.fixtures"]` in
conftest.py; none is installed by itself. `trouper.runtime.testing` has what is for
single actors, and lets actors crash: `where` says by which paths those of an
application are found.

Read in this order: simulated, where, fixtures.
"""

from .simulated import SimulatedProvider, simulated_app, simulated_provider, virtual_clock
from .where import provider_path, session_path, store_path, tool_path

__all__ = [
    "SimulatedProvider",
    "provider_path",
    "session_path",
    "simulated_app",
    "simulated_provider",
    "store_path",
    "tool_path",
    "virtual_clock",
]
