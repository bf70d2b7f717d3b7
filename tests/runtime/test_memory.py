"""Nothing is kept of a message that is done: no growth, and no work for the garbage collector."""

import gc
import sys
import weakref
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Act,
    Do,
    InTask,
    Items,
    Limited,
    Note,
    Player,
    Stage,
    after,
    answer,
    ask_of,
    player,
    playing,
)
from trouper.runtime import ActorError, AskTimeout, Mailbox, Reject, Sink
from trouper.runtime.mailbox import Envelope
from trouper.runtime.replies import Promise


def kept() -> int:
    return sum(isinstance(thing, (Envelope, Promise)) for thing in gc.get_objects())


def forward_to(path: str, message: Any) -> Act:
    async def act(actor: Player) -> Any:
        return actor.find(path, Player).forward(message)

    return act


async def read(stage: Stage) -> None:
    async def three(_: Player, sink: Sink[Any]) -> None:
        for item in range(3):
            await sink.send(item)

    async with stage["a"].stream(Items(three)) as items:
        async for _ in items:
            pass


async def refuse(_: Player) -> None:
    await trio.sleep(0.1)
    raise Reject("no")


async def refused(stage: Stage) -> None:
    try:
        await stage["a"].ask(Do(ask_of("b", InTask(refuse))))
    except ActorError:
        pass


async def timed_out(stage: Stage) -> None:
    try:
        await stage["a"].ask(InTask(after(1)), timeout=0.5)
    except AskTimeout:
        pass


async def cancelled(stage: Stage) -> None:
    with trio.move_on_after(0.5):
        await stage["a"].ask(Do(ask_of("b", Do(after(1)))), timeout=3600)
    await trio.sleep(1)


async def told(stage: Stage) -> None:
    stage["a"].tell(Note("told"))
    await stage["b"].send(Note("sent"))


WAYS: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "ask": lambda stage: stage["a"].ask(Do(answer(1))),
    "ask on": lambda stage: stage["a"].ask(Do(ask_of("b", Do(answer(1))))),
    "ask on from tasks": lambda stage: stage["a"].ask(InTask(ask_of("b", Limited(answer(1))))),
    "ask that waits": lambda stage: stage["a"].ask(Do(ask_of("b", Do(after(0.1))))),
    "ask without timeout": lambda stage: stage["a"].ask(Do(answer(1)), timeout=inf),
    "forward": lambda stage: stage["a"].ask(Do(forward_to("b", InTask(answer(1))))),
    "stream": read,
    "refusal": refused,
    "timeout": timed_out,
    "cancel": cancelled,
    "tell and send": told,
}


@pytest.mark.parametrize("way", WAYS)
async def test_messages_leave_nothing_behind_and_no_cycles(
    way: str, autojump_clock: MockClock
) -> None:
    heard: Any = _Deaf()
    async with playing(player("a", heard), player("b", heard)) as stage:
        for _ in range(10):
            await WAYS[way](stage)
        await trio.sleep(100)
        gc.collect()
        gc.disable()
        try:
            before = kept()
            for _ in range(200):
                await WAYS[way](stage)
            await trio.testing.wait_all_tasks_blocked()
            # Some deadlines and the message last read may stay a while; not 200 of them.
            assert kept() - before < 20
        finally:
            gc.enable()


class _Deaf(list[Any]):
    """Hears and forgets."""

    def append(self, _item: Any) -> None:
        pass


async def test_ten_thousand_asks_between_two_actors_leave_no_growth(
    autojump_clock: MockClock,
) -> None:
    async with playing("a", "b") as stage:

        async def ask(times: int) -> None:
            for _ in range(times):
                await stage["a"].ask(Do(ask_of("b", Do(answer(1)))))

        await ask(500)
        gc.collect()
        before = sys.getallocatedblocks()
        await ask(10_000)
        gc.collect()
        # A block for every fifth ask would be a leak.
        assert sys.getallocatedblocks() - before < 2_000


async def test_an_idle_actor_does_not_hold_on_to_its_last_message(
    autojump_clock: MockClock,
) -> None:
    class Big:
        pass

    async with playing("a") as stage:
        for kind in (Do, InTask, Limited):
            big = Big()
            gone = weakref.ref(big)

            async def act(_: Player, payload: Big = big) -> None:
                await trio.sleep(0.1)

            message = kind(act)
            await stage["a"].ask(message)
            del big, act, message
            await trio.testing.wait_all_tasks_blocked()
            gc.collect()
            assert gone() is None


async def test_messages_that_nobody_waits_for_any_more_hold_no_more_than_the_mailbox_does(
    autojump_clock: MockClock,
) -> None:
    async with playing(player("a", mailbox=Mailbox(8, "drop_oldest"))) as stage:
        stage["a"].tell(Do(after(1000)))
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        before = kept()
        for _ in range(500):
            with trio.CancelScope() as scope, trio.move_on_after(0):
                await stage["a"].ask(Do(answer(1)), timeout=3600)
            assert not scope.cancelled_caught
        gc.collect()
        assert kept() - before < 40


async def test_tasks_that_have_ended_act_for_nobody(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        hands = stage.system._environment.hands
        before = len(hands)
        for _ in range(50):
            await stage["a"].ask(InTask(answer(1)))
        assert len(hands) == before
