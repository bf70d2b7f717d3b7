"""What becomes of the work when its asker is gone: timed out, or cancelled."""

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Act,
    Do,
    InTask,
    Limited,
    Note,
    Player,
    after,
    answer,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import ActorCrashed, AskTimeout


def traced(trace: list[str], seconds: float) -> Act:
    """Note the begin, and the end or the cancellation."""

    async def act(_: Player) -> str:
        trace.append("began")
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            trace.append("cancelled")
            raise
        trace.append("ended")
        return "late"

    return act


async def test_an_ask_times_out_at_its_time_and_says_of_whom(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(AskTimeout, match=r"a: no answer within 0\.25 s") as caught:
            await stage["a"].ask(Do(after(9)), timeout=0.25)

        assert watch() == 0.25
        assert caught.value.seconds == 0.25


@pytest.mark.parametrize("timeout", [0, -3])
async def test_a_timeout_that_is_over_already_ends_at_once(
    timeout: float, autojump_clock: MockClock
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(AskTimeout):
            await stage["a"].ask(Do(after(9)), timeout=timeout)
        assert watch() == 0


async def test_a_timeout_that_is_no_number_is_refused(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard)) as stage:
        with pytest.raises(ValueError, match="not a number"):
            await stage["a"].ask(Do(answer(1)), timeout=math.nan)


async def test_the_default_timeout_is_five_seconds(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(AskTimeout):
            await stage["a"].ask(Do(after(9)))
        assert watch() == 5


async def test_without_a_timeout_an_ask_waits_as_long_as_it_takes(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        assert await stage["a"].ask(Do(after(86_400, "next day")), timeout=math.inf) == "next day"
        assert watch() == 86_400


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_queued_request_that_nobody_waits_for_is_skipped(
    how: str, autojump_clock: MockClock
) -> None:
    trace: list[str] = []
    async with playing("a") as stage:
        stage["a"].tell(Do(after(2)))
        await leave_after(1, how, stage["a"], Do(traced(trace, 1)))
        await stage["a"].ask(Do(answer(1)))

        assert trace == []


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_request_in_line_that_nobody_waits_for_is_skipped(
    how: str, autojump_clock: MockClock
) -> None:
    trace: list[str] = []
    async with playing("a") as stage:
        stage["a"].tell(Limited(after(2)))
        await leave_after(1, how, stage["a"], Limited(traced(trace, 1)))
        await stage["a"].ask(Limited(answer(1)))

        assert trace == []


@pytest.mark.parametrize("how", ["timeout", "cancel"])
@pytest.mark.parametrize("kind", [InTask, Limited])
async def test_a_task_handler_that_nobody_waits_for_is_cancelled(
    kind: Any, how: str, autojump_clock: MockClock
) -> None:
    trace: list[str] = []
    async with playing("a") as stage:
        await leave_after(1, how, stage["a"], kind(traced(trace, 5)))
        await trio.testing.wait_all_tasks_blocked()

        assert trace == ["began", "cancelled"]
        assert stage.system.snapshot("a")[0].in_hand == ()
        assert await stage["a"].ask(kind(answer("the place is free"))) == "the place is free"
        assert stage.system.snapshot("a")[0].life == 1


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_handler_in_its_turn_works_on_and_its_late_answer_is_dropped(
    how: str, autojump_clock: MockClock
) -> None:
    trace: list[str] = []
    async with playing("a") as stage:
        await leave_after(1, how, stage["a"], Do(traced(trace, 5)))
        assert trace == ["began"]
        watch = elapsed()
        await stage["a"].ask(Do(answer(1)))

        assert watch() == 4
        assert trace == ["began", "ended"]
        assert stage.dead() == []


async def test_a_late_refusal_is_dropped_as_a_late_answer_is(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        await leave_after(1, "timeout", stage["a"], Do(boom(AskTimeout("x", 1), seconds=2)))
        await stage["a"].ask(Do(answer(1)))
        assert stage.dead() == []


async def test_a_task_handler_may_take_its_time_to_clean_up(autojump_clock: MockClock) -> None:
    done: list[float] = []

    async def slow_to_leave(_: Player) -> None:
        try:
            await trio.sleep(60)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            done.append(watch())

    async with playing("a") as stage:
        watch = elapsed()
        await leave_after(1, "timeout", stage["a"], InTask(slow_to_leave))
        assert watch() == 1
        await trio.sleep(5)
        assert done == [4]
        assert await stage["a"].ask(Do(answer("lives"))) == "lives"


@pytest.mark.parametrize("order", ["answer first", "cancel first"])
async def test_an_answer_and_a_cancel_in_one_pass_of_the_scheduler(
    order: str, autojump_clock: MockClock
) -> None:
    """Whichever comes first counts, and neither is lost or an error."""
    go = trio.Event()
    seen: list[object] = []

    async def wait_for_go(_: Player) -> str:
        await go.wait()
        return "answer"

    async with playing("a") as stage, trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def asker() -> None:
            with scope:
                seen.append(await stage["a"].ask(Do(wait_for_go)))
            seen.append(scope.cancelled_caught)

        nursery.start_soon(asker)
        await trio.testing.wait_all_tasks_blocked()
        cell = stage["a"]._cell
        if order == "answer first":
            cell.current.reply.succeed("answer")
            scope.cancel()
        else:
            scope.cancel()
            cell.current.reply.succeed("answer")
        go.set()
        await trio.testing.wait_all_tasks_blocked()

        assert seen == (["answer", False] if order == "answer first" else [True])
        assert await stage["a"].ask(Do(answer("goes on"))) == "goes on"


async def test_an_answer_at_the_very_time_of_the_deadline_is_one_or_the_other(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        for _ in range(20):
            try:
                assert await stage["a"].ask(Do(after(1, "in time")), timeout=1) == "in time"
            except AskTimeout:
                pass
        assert await stage["a"].ask(Do(answer("goes on"))) == "goes on"


async def test_an_asker_cancelled_before_it_waits_has_asked_for_nothing(
    autojump_clock: MockClock,
) -> None:
    trace: list[str] = []
    async with playing("a") as stage:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stage["a"].ask(InTask(traced(trace, 5)))
        await stage["a"].ask(Do(answer(1)))

        assert scope.cancelled_caught
        assert trace == []


async def test_a_crash_reaches_an_asker_that_has_a_deadline_left(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        with pytest.raises(ActorCrashed):
            await stage["a"].ask(Do(boom(ValueError(), seconds=3)), timeout=4)
        assert watch() == 3
        await trio.sleep(10)  # the deadline of an ask that has ended wakes nobody


async def test_a_sooner_deadline_is_met_though_a_later_one_was_set_first(
    autojump_clock: MockClock,
) -> None:
    ended: list[tuple[float, float]] = []

    async with playing("a") as stage, trio.open_nursery() as nursery:
        watch = elapsed()

        async def ask(timeout: float) -> None:
            with pytest.raises(AskTimeout):
                await stage["a"].ask(InTask(after(99)), timeout=timeout)
            ended.append((timeout, watch()))

        for timeout in (30, 10, 20, 10, 5):
            nursery.start_soon(ask, timeout)
            await trio.testing.wait_all_tasks_blocked()

    assert ended == [(5, 5), (10, 10), (10, 10), (20, 20), (30, 30)]


async def leave_after(seconds: float, how: str, ref: Any, message: Any) -> None:
    """Ask, and leave after a while without an answer."""
    if how == "timeout":
        with pytest.raises(AskTimeout):
            await ref.ask(message, timeout=seconds)
    else:
        with trio.move_on_after(seconds) as scope:
            await ref.ask(message, timeout=60)
        assert scope.cancelled_caught


async def test_notes_are_kept_when_their_teller_is_gone(autojump_clock: MockClock) -> None:
    heard: list[object] = []
    async with playing(player("a", heard)) as stage:
        stage["a"].tell(Do(after(2)))
        with trio.move_on_after(1):
            stage["a"].tell(Note("told"))
            await stage["a"].send(Note("sent"))
            await trio.sleep_forever()
        await stage["a"].ask(Do(answer(1)))
        assert heard == ["told", "sent"]
