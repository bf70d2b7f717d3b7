"""A stop in order: the queue is finished, and nothing new is let in."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    Note,
    Player,
    elapsed,
    player,
    playing,
)
from trouper.runtime import (
    ActorDown,
    Mailbox,
)


async def test_a_graceful_stop_finishes_the_queue_and_lets_only_the_actor_itself_add_to_it(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []

    async def tell_itself(actor: Player) -> None:
        await trio.sleep(1)
        actor.ref.tell(Note("from itself"))

    async with playing(player("a", heard)) as stage:
        stage["a"].tell(Do(tell_itself))
        stage["a"].tell(Note("queued"))
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()
        await trio.testing.wait_all_tasks_blocked()
        stage["a"].tell(Note("from outside"))
        with pytest.raises(ActorDown, match="it is stopping"):
            await stage["a"].send(Note("from outside"))
        await stage.system.stopped()

        assert heard == ["queued", "from itself"]
        assert stage.dead() == [("down", "from outside")]


async def test_a_stop_is_not_held_up_by_a_flood(autojump_clock: MockClock) -> None:
    heard: list[object] = []

    async def flood(stage: Any) -> None:
        while True:
            for _ in range(100):
                stage["a"].tell(Note("flood"))
            await trio.sleep(0.01)

    async def flood_itself(actor: Player) -> None:
        actor.ref.tell(Do(flood_itself))
        await trio.sleep(0.01)

    async with (
        playing(
            player("a", heard, mailbox=Mailbox(100, "drop_newest")), player("b", shutdown=2)
        ) as stage,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(flood, stage)
        stage["b"].tell(Do(flood_itself))
        await trio.sleep(1)
        watch = elapsed()
        stage.system.stop()
        await stage.system.stopped()
        assert watch() == 2  # b's grace; a's queue is finite from the stop on
        nursery.cancel_scope.cancel()
