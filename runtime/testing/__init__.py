"""What users test their actors with: a probe for others, one actor alone, crashes on order.

    async def test_a_gate_hands_on_what_it_is_asked() -> None:
        probe = Probe(answer=lambda message: Completion("hello"))
        async with running(lambda: Gate(probe.ref), probe.spec()) as gate:
            assert await gate.ask(Complete("hi")) == Completion("hello")
            assert await probe.receive(Complete) == Complete("hi")

    async def test_no_order_is_lost(trouper_crashes: Crashes) -> None:
        async with System(child("shop", Shop)) as system:
            with trouper_crashes.into(system, Crash("shop", at=2)):
                ...

Use them with trio.testing.MockClock: hours pass in milliseconds then, and a
wait for what never comes costs nothing. `fixtures` is for pytest: who wants it
says `pytest_plugins = ["trouper.runtime.testing.fixtures"]` in conftest.py.

Read in this order: probe, crash, crashing, fixtures.
"""

from .crash import Crash, Crashed, Moment, Passed
from .crashing import Crashes
from .probe import Probe, running

__all__ = ["Crash", "Crashed", "Crashes", "Moment", "Passed", "Probe", "running"]
