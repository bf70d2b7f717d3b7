"""What a background task that is cancelled knows of why: a fault, or the orderly end."""

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import Do, Player, Stage, boom, playing
from trouper.runtime import ActorError, SupervisorGaveUp, System, child
from trouper.runtime.testing import Crashes


async def _begin(stage: Stage) -> list[bool]:
    """What the actor's task says at its end of whether that is a crash."""
    said: list[bool] = []

    async def start(actor: Player) -> None:
        async def tell() -> None:
            try:
                await trio.sleep_forever()
            finally:
                said.append(actor.crashing)

        actor.start_soon(tell)

    await stage["a"].ask(Do(start))
    return said


async def test_a_fault_in_a_handler_is_known_to_what_runs_beside_it(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        said = await _begin(stage)
        with pytest.raises(ActorError):
            await stage["a"].ask(Do(boom(KeyError("in a handler"))))
        assert said == [True]


async def test_a_fault_in_a_background_task_is_known_to_the_others(
    autojump_clock: MockClock,
) -> None:
    async def start(actor: Player) -> None:
        async def fail() -> None:
            raise KeyError("beside the handlers")

        actor.start_soon(fail)
        await trio.sleep_forever()

    async with playing("a") as stage:
        said = await _begin(stage)
        with pytest.raises(ActorError):
            await stage["a"].ask(Do(start))
        assert said == [True]


async def test_a_fault_while_an_actor_begins_is_known_to_what_it_has_begun(
    autojump_clock: MockClock,
) -> None:
    said: list[bool] = []

    class Faulty(Player, background=True):
        async def on_start(self) -> None:
            self.start_soon(self.tell)
            await trio.sleep(1)
            raise KeyError("while it begins")

        async def tell(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                said.append(self.crashing)

    with pytest.raises(SupervisorGaveUp):
        async with System(child("faulty", Faulty), intensity=0, signals=False):
            await trio.sleep_forever()
    assert said == [True]


async def test_a_crash_that_a_test_orders_is_one(autojump_clock: MockClock) -> None:
    crashes = Crashes()
    async with playing("a") as stage:
        said = await _begin(stage)
        with crashes.into(stage.system):
            await crashes.now("a")
        assert said == [True]


async def test_the_orderly_end_is_no_crash(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        said = await _begin(stage)
    assert said == [False]


async def test_an_end_by_itself_is_no_crash(autojump_clock: MockClock) -> None:
    async def stop(actor: Player) -> None:
        actor.stop()

    async with playing("a") as stage:
        said = await _begin(stage)
        await stage["a"].ask(Do(stop))
        await trio.sleep(1)
        assert said == [False]


async def test_the_cancel_of_the_whole_program_is_no_crash(autojump_clock: MockClock) -> None:
    said: list[bool] = []
    with trio.move_on_after(1):
        async with playing("a") as stage:
            said = await _begin(stage)
            await trio.sleep_forever()
    assert said == [False]
