"""Cycles through the lines of limited handlers; a line moves as long as one of its tasks does."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    InTask,
    Limited,
    Player,
    after,
    answer,
    ask_of,
    elapsed,
    playing,
)
from trouper.runtime import AskCycle


async def test_a_task_that_waits_in_line_behind_itself_is_told_at_once(
    autojump_clock: MockClock,
) -> None:
    async with playing("a", "b") as stage:
        watch = elapsed()
        # The one place is taken by a task that waits for b, which waits for the place.
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Limited(ask_of("b", Do(ask_of("a", Limited(answer(1)))))))

        assert caught.value.cycle == ("a", "b", "a")
        assert watch() == 0


async def test_a_task_does_not_wait_for_who_waits_in_line_behind_it(
    autojump_clock: MockClock,
) -> None:
    async def ask_b_later(actor: Player) -> Any:
        await trio.sleep(1)
        return await actor.find("b", Player).ask(Do(answer(1)), timeout=60)

    async with playing("a", "b") as stage, trio.open_nursery() as nursery:
        watch = elapsed()
        seen: list[Any] = []

        async def first() -> None:
            try:
                await stage["a"].ask(Limited(ask_b_later), timeout=60)
            except AskCycle as error:
                seen.append((error.cycle, watch()))

        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()

        # b waits in line at a, behind the task that will ask b.
        assert await stage["b"].ask(Do(ask_of("a", Limited(answer("next")))), timeout=60) == "next"
        assert seen == [(("a", "b", "a"), 1)]


async def test_a_line_that_moves_is_no_cycle(autojump_clock: MockClock) -> None:
    async with playing("a", "b") as stage:
        stage["a"].tell(Limited(after(1)))
        watch = elapsed()

        # b waits in line at a, whose turn-taking handler waits for b: the line moves all the same.
        async def ask_b(actor: Player) -> Any:
            return await actor.find("b", Player).ask(Do(answer("b is free by then")), timeout=60)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage["b"].ask, Do(ask_of("a", Limited(answer(1)))), 60)
            await trio.testing.wait_all_tasks_blocked()
            assert await stage["a"].ask(Do(ask_b), timeout=60) == "b is free by then"
        assert watch() == 1


async def test_lines_that_lead_to_each_other_and_move_all_the_same_are_no_cycle(
    autojump_clock: MockClock,
) -> None:
    """a's line leads to b's and b's to a's, but each has a second place that gets free."""

    async with playing("a", "b") as stage, trio.open_nursery() as nursery:
        watch = elapsed()
        seen: list[Any] = []

        async def ask(ref: Any, message: Any) -> None:
            seen.append(await ref.ask(message, timeout=60))

        # The place of each is taken for a second by a task that waits for nobody ...
        stage["a"].tell(Limited(after(1)))
        stage["b"].tell(Limited(after(1)))
        await trio.testing.wait_all_tasks_blocked()
        # ... and in each line waits one that the other's next task will wait for.
        nursery.start_soon(ask, stage["a"], Limited(ask_of("b", InTask(answer("b")))))
        nursery.start_soon(ask, stage["b"], Limited(ask_of("a", InTask(answer("a")))))
        await trio.testing.wait_all_tasks_blocked()
        assert await stage["a"].ask(InTask(ask_of("b", Limited(answer("last")))), 60) == "last"
        assert watch() == 1
        assert sorted(seen) == ["a", "b"]


async def test_a_limited_task_does_not_ask_its_own_line(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(AskCycle) as caught:
            await stage["a"].ask(Limited(ask_of("a", Limited(answer(1)))))
        assert caught.value.cycle == ("a", "a")
        assert watch() == 0


async def test_a_limited_gate_that_works_on_after_a_forward_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    async def forward_and_rest(actor: Player) -> Any:
        forwarded = actor.find("b", Player).forward(Do(ask_of("gate", Limited(answer("free")))))
        await actor.find("c", Player).ask(Do(after(1)))
        return forwarded

    async with playing("gate", "b", "c") as stage:
        assert await stage["gate"].ask(Limited(forward_and_rest), timeout=60) == "free"
