"""Asks that would wait for themselves are found before they wait, whatever way they go.

And no others: what only looks like a cycle is answered.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Items,
    Note,
    Player,
    after,
    answer,
    ask_of,
    elapsed,
    player,
    playing,
)
from trouper.runtime import AskCycle, AskTimeout, Mailbox, Reject, Sink, System, child


def forward_to(path: str, message: Any) -> Callable[[Player], Awaitable[Any]]:
    async def act(actor: Player) -> Any:
        return actor.find(path, Player).forward(message)

    return act


async def test_an_actor_that_asks_itself_is_told_at_once(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle, match=r"\(a -> a\); use tell, or a task handler") as caught:
            await stage["a"].ask(Do(ask_of("a", Do(answer(1)))))

        assert caught.value.cycle == ("a", "a")
        assert watch() == 0


async def test_a_cycle_of_three_is_named_from_the_asker_round_to_it(
    autojump_clock: MockClock,
) -> None:
    async with playing("a", "b", "c") as stage:
        watch = elapsed()
        round_trip = Do(ask_of("b", Do(ask_of("c", Do(ask_of("a", Do(answer(1))))))))
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(round_trip)

        assert caught.value.cycle == ("c", "a", "b", "c")
        assert watch() == 0


async def test_an_ask_back_from_a_task_handler_is_no_cycle(autojump_clock: MockClock) -> None:
    async with playing("a", "b") as stage:
        there_and_back = InTask(ask_of("b", Do(ask_of("a", Do(answer("fine"))))))

        assert await stage["a"].ask(there_and_back) == "fine"
        assert await stage["a"].ask(InTask(ask_of("a", Do(answer("itself"))))) == "itself"


async def test_a_cycle_through_a_task_handler_that_waits_is_found(
    autojump_clock: MockClock,
) -> None:
    async with playing("a", "b") as stage:
        watch = elapsed()
        # a is held up by its own handler, while b's runs in a task.
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Do(ask_of("b", InTask(ask_of("a", Do(answer(1)))))))

        assert caught.value.cycle == ("b", "a", "b")
        assert watch() == 0


async def test_a_cycle_through_a_forward_is_found(autojump_clock: MockClock) -> None:
    async with playing("a", "gate", "b") as stage:
        watch = elapsed()
        through_gate = Do(ask_of("gate", Do(forward_to("b", Do(ask_of("a", Do(answer(1))))))))
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(through_gate)

        assert caught.value.cycle == ("b", "a", "gate", "b")
        assert watch() == 0


@pytest.mark.parametrize("kind", [Do, InTask])
async def test_a_request_is_not_forwarded_to_who_waits_for_it(
    kind: Callable[[Any], Any], autojump_clock: MockClock
) -> None:
    async with playing("a", "gate") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle):
            await stage["a"].ask(Do(ask_of("gate", kind(forward_to("a", Do(answer(1)))))))

        assert watch() == 0


async def test_a_gate_that_has_forwarded_is_free_to_be_asked(autojump_clock: MockClock) -> None:
    async with playing("a", "gate", "b") as stage:
        # b asks the gate, which has handed b's request on and waits for nothing.
        request = Do(forward_to("b", Do(ask_of("gate", Do(answer("free"))))))

        assert await stage["a"].ask(Do(ask_of("gate", request))) == "free"


async def test_a_gate_that_works_on_after_a_forward_holds_up_nobody_but_its_own_queue(
    autojump_clock: MockClock,
) -> None:
    async def forward_and_rest(actor: Player) -> Any:
        forwarded = actor.find("b", Player).forward(Do(ask_of("gate", Do(answer("free")))))
        await trio.sleep(1)
        return forwarded

    async with playing("a", "gate", "b") as stage:
        watch = elapsed()
        assert await stage["a"].ask(Do(ask_of("gate", Do(forward_and_rest)))) == "free"
        assert watch() == 1


async def test_cycles_are_found_from_each_of_several_asks_of_one_handler(
    autojump_clock: MockClock,
) -> None:
    seen: dict[str, Any] = {}

    async def ask_both(actor: Player) -> None:
        async def ask(path: str, message: Any) -> None:
            try:
                seen[path] = await actor.find(path, Player).ask(message, timeout=60)
            except AskCycle as error:
                seen[path] = error

        async with trio.open_nursery() as nursery:
            # Two wait at once; the shorter one ends first.
            nursery.start_soon(ask, "b", Do(after(1, "plain")))
            nursery.start_soon(ask, "c", Do(after(2, "longer")))
            nursery.start_soon(ask, "d", InTask(ask_after(3, "a")))

    def ask_after(seconds: float, path: str) -> Callable[[Player], Awaitable[Any]]:
        async def act(actor: Player) -> Any:
            await trio.sleep(seconds)
            return await actor.find(path, Player).ask(Do(answer(1)), timeout=60)

        return act

    async with playing("a", "b", "c", "d") as stage:
        watch = elapsed()
        await stage["a"].ask(Do(ask_both), timeout=60)

        assert (seen["b"], seen["c"]) == ("plain", "longer")
        assert seen["d"].cycle == ("d", "a", "d")
        assert watch() == 3


async def test_a_wait_for_room_is_part_of_the_chain(autojump_clock: MockClock) -> None:
    async def send_to_b(actor: Player) -> None:
        await actor.find("b", Player).send(Note("waits for room"))

    async with playing("a", player("b", mailbox=Mailbox(1))) as stage:
        watch = elapsed()
        # b waits for a, and a's handler then waits for room at b.
        asks_a = Do(ask_of("a", Do(send_to_b)))

        async def fill(_: Player) -> Any:
            stage["b"].tell(Note("fills it"))
            return await asks_a.act(_)

        with pytest.raises(AskCycle) as caught:
            await stage["b"].ask(Do(fill))

        assert caught.value.cycle == ("a", "b", "a")
        assert watch() == 0


async def test_an_actor_does_not_wait_for_room_in_its_own_mailbox(
    autojump_clock: MockClock,
) -> None:
    async def flood_itself(actor: Player) -> None:
        for number in range(3):
            await actor.ref.send(Note(number))

    heard: list[object] = []
    async with playing(player("a", heard, mailbox=Mailbox(2))) as stage:
        with pytest.raises(AskCycle):
            await stage["a"].ask(Do(flood_itself))
        await stage["a"].ask(Do(answer(1)))

        assert heard == [0, 1]


async def test_a_reader_does_not_wait_for_a_stream_that_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    async def items_after_asking_a(actor: Player, sink: Sink[Any]) -> None:
        await trio.sleep(1)
        await actor.find("a", Player).ask(Do(answer(1)), timeout=60)

    async def read_b(actor: Player) -> None:
        async with actor.find("b", Player).stream(Items(items_after_asking_a)) as items:
            async for _ in items:
                pass

    async with playing("a", "b") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Do(read_b), timeout=60)

        assert caught.value.cycle == ("b", "a", "b")
        assert watch() == 1


async def test_a_stream_whose_source_waits_for_the_reader_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async def ask_a_at_once(actor: Player, sink: Sink[Any]) -> None:
        await actor.find("a", Player).ask(Do(answer(1)), timeout=60)

    async def read_b_late(actor: Player) -> None:
        async with actor.find("b", Player).stream(Items(ask_a_at_once)) as items:
            await trio.sleep(1)
            async for _ in items:
                pass

    async with playing("a", "b") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Do(read_b_late), timeout=60)

        assert caught.value.cycle == ("a", "b", "a")
        assert watch() == 1


async def test_streams_to_oneself_from_ones_turn_are_refused_only_where_they_wait(
    autojump_clock: MockClock,
) -> None:
    async def one(_: Player, sink: Sink[Any]) -> None:
        await sink.send("item")

    async def read_itself(actor: Player) -> None:
        async with actor.ref.stream(Items(one)) as items:
            async for _ in items:
                pass

    async with playing("a") as stage:
        with pytest.raises(AskCycle):
            await stage["a"].ask(Do(read_itself))


@pytest.mark.parametrize("hook", ["init", "on_start"])
async def test_an_actor_that_asks_itself_while_it_starts_crashes_at_once(
    hook: str, autojump_clock: MockClock
) -> None:
    seen: list[tuple[tuple[str, ...], float]] = []
    watch = elapsed()

    class Eager(Player):
        async def init(self) -> None:
            if hook == "init":
                await self.ask_itself()

        async def on_start(self) -> None:
            if hook == "on_start":
                await self.ask_itself()

        async def ask_itself(self) -> None:
            try:
                await self.ref.ask(Do(answer(1)))
            except AskCycle as error:
                seen.append((error.cycle, watch()))

    async with System(child("a", Eager), signals=False) as system:
        await trio.testing.wait_all_tasks_blocked()
        assert seen == [(("a", "a"), 0)]
        assert system.snapshot("a")[0].in_hand == ()
        assert system.dead_letters == ()


async def test_an_ask_from_a_background_task_is_no_ones_turn(autojump_clock: MockClock) -> None:
    seen: list[object] = []

    async def ask_itself(actor: Player) -> None:
        seen.append(await actor.ref.ask(Do(answer("in the background")), timeout=60))

    async def start(actor: Player) -> None:
        actor.start_soon(ask_itself, actor)

    async with playing("a") as stage:
        await stage["a"].ask(Do(start))
        await trio.testing.wait_all_tasks_blocked()

        assert seen == ["in the background"]


async def test_what_is_waited_for_no_more_closes_no_cycle(autojump_clock: MockClock) -> None:
    async def ask_in_vain_then_rest(actor: Player) -> str:
        try:
            await actor.find("b", Player).ask(Do(after(2)), timeout=1)
        except AskTimeout:
            await trio.sleep(5)
        return "rested"

    async with playing("a", "b") as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage["a"].ask, Do(ask_in_vain_then_rest), 60)
        await trio.sleep(1.5)

        # a is busy but waits for nobody; b may wait for it.
        assert await stage["b"].ask(Do(ask_of("a", Do(answer("later")))), timeout=60) == "later"


async def test_a_long_chain_of_asks_is_walked_without_recursion(autojump_clock: MockClock) -> None:
    depth = 1_500
    ids = [f"p{number}" for number in range(depth)]

    def hop(number: int) -> Do:
        if number + 1 == depth:
            return Do(ask_of("p0", Do(answer(1))))

        async def act(actor: Player) -> Any:
            return await ask_of(f"p{number + 1}", hop(number + 1))(actor)

        return Do(act)

    async with playing(*ids) as stage:
        with pytest.raises(AskCycle) as caught:
            await stage["p0"].ask(hop(0), timeout=60)

        assert len(caught.value.cycle) == depth + 1


async def test_a_refusal_in_a_cycle_leaves_the_actors_in_order(autojump_clock: MockClock) -> None:
    async with playing("a", "b") as stage:
        for _ in range(3):
            with pytest.raises(AskCycle):
                await stage["a"].ask(Do(ask_of("b", Do(ask_of("a", Do(answer(1)))))))
        with pytest.raises(Reject):
            await stage["a"].ask(Do(ask_of("b", Do(lambda _: reject()))))

        assert await stage["a"].ask(Do(ask_of("b", Do(answer("still fine"))))) == "still fine"


async def reject() -> None:
    raise Reject("no")
