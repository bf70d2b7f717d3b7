"""What users write in their tests; both type checkers must accept it. Never run."""

from collections import deque
from pathlib import Path
from typing import assert_type

import attrs
from trio.testing import MockClock

from trouper.actors import App
from trouper.actors.testing import (
    SimulatedProvider,
    provider_path,
    session_path,
    simulated_app,
    simulated_provider,
    store_path,
    tool_path,
    virtual_clock,
)
from trouper.runtime import Actor, Ref, Request, System, child, on
from trouper.runtime.testing import Crash, Crashed, Crashes, Moment, Passed, Probe, running

pytest_plugins = ["trouper.actors.testing.fixtures"]


@attrs.frozen
class Weigh(Request[float]):
    thing: str


class Shop(Actor[Weigh]):
    def __init__(self, scales: Ref[object]) -> None:
        self._scales = scales

    @on(Weigh)
    async def weigh(self, message: Weigh) -> float:
        return await self._scales.ask(message)


async def test_one_actor_alone(trouper_clock: MockClock) -> None:
    scales = Probe(answer=lambda message: 2.96)
    async with running(lambda: Shop(scales.ref), scales.spec()) as shop:
        assert_type(await shop.ask(Weigh("a bag")), float)
        assert_type(await scales.receive(Weigh, timeout=1), Weigh)


async def test_crashes(trouper_crashes: Crashes, trouper_seed: int) -> None:
    moment: Moment = "wait"
    orders = [
        Crash("shop"),
        Crash("shop", at=3, message=Weigh, moment=moment),
        Crash("*", chance=0.1, times=5),
    ]
    async with System(child("shop", lambda: Shop(Probe().ref))) as system:
        with trouper_crashes.into(system, *orders) as crashes:
            assert_type(crashes, Crashes)
            await crashes.now("shop")
    assert_type(crashes.happened, list[Crashed])
    assert_type(crashes.passed, deque[Passed])
    again = [place.crash("end") for place in crashes.passed]
    assert_type(again, list[Crash])
    assert_type(Crashes(seed=trouper_seed).report(), str)


async def test_an_application(trouper_crashes: Crashes, tmp_path: Path) -> None:
    rule = {"reply": {"text": "Hello", "delay": 60}, "times": 1}
    async with simulated_app(rule, "Bye", store=tmp_path / "kept.db") as (app, provider):
        assert_type(app, App)
        assert_type(provider, SimulatedProvider)
        for path in (provider_path("any"), store_path(), session_path("ann"), tool_path("dice")):
            with trouper_crashes.into(app.system, Crash(path)):
                await trouper_crashes.now(path)


def test_on_loopback(trouper_provider: SimulatedProvider) -> None:
    with simulated_provider("Hello") as another:
        another.script({"fault": {"kind": "status", "status": 503}})
        assert_type(another.base_url, str)
    assert_type(virtual_clock(), MockClock)
