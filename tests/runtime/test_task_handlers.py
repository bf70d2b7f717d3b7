"""Handlers in tasks of their own, their limits and lines, and background tasks."""

from typing import Any

import attrs
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
    ask_of,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import (
    Actor,
    ActorCrashed,
    ActorDown,
    ActorError,
    Mailbox,
    MailboxFull,
    Request,
    SpecError,
    System,
    child,
    on,
)


@attrs.frozen
class Job(Request[int]):
    number: int


class Pool(Actor[Job]):
    """Three at once."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0

    @on(Job, task=True, limit=3)
    async def job(self, message: Job) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        await trio.sleep(1)
        self.running -= 1
        return message.number


async def test_a_limit_is_how_many_run_at_once_and_the_rest_go_in_order(
    autojump_clock: MockClock,
) -> None:
    pool = Pool()
    done: list[tuple[int, float]] = []

    async with System(child("pool", lambda: pool), signals=False) as system:
        ref = system.ref("pool", Pool)
        watch = elapsed()

        async def ask(number: int) -> None:
            done.append((await ref.ask(Job(number), timeout=60), watch()))

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(ask, number)
                await trio.testing.wait_all_tasks_blocked()
            assert system.snapshot("pool")[0].depth == 5

    assert pool.most == 3
    assert sorted(done) == [(n, n // 3 + 1) for n in range(8)]


async def test_without_a_limit_all_run_at_once(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(stage["a"].ask, InTask(after(1)))
        assert watch() == 1


async def test_other_messages_do_not_wait_behind_a_line(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        for _ in range(3):
            stage["a"].tell(Limited(after(1)))
        assert await stage["a"].ask(Do(answer("at once"))) == "at once"
        assert await stage["a"].ask(InTask(answer("at once"))) == "at once"
        assert watch() == 0


async def test_a_line_holds_as_many_as_the_mailbox_and_refuses_one_more(
    autojump_clock: MockClock,
) -> None:
    async with playing(player("a", mailbox=Mailbox(2))) as stage:
        for _ in range(3):
            stage["a"].tell(Limited(after(1)))
            await trio.testing.wait_all_tasks_blocked()
        watch = elapsed()
        with pytest.raises(MailboxFull):
            await stage["a"].ask(Limited(answer(1)))
        assert watch() == 0
        stage["a"].tell(Limited(answer(1)))
        await trio.testing.wait_all_tasks_blocked()
        assert [reason for reason, _ in stage.dead()] == ["overflow"]


async def test_a_crash_tells_all_that_run_and_keeps_the_line_for_the_next_life(
    autojump_clock: MockClock,
) -> None:
    seen: dict[str, Any] = {}

    async def ask(stage: Any, name: str, message: Any) -> None:
        try:
            seen[name] = await stage["a"].ask(message, timeout=60), watch()
        except ActorError as error:
            seen[name] = type(error), watch()

    async with playing("a") as stage:
        watch = elapsed()
        async with trio.open_nursery() as nursery:
            for name, message in {
                "crashes": Limited(boom(ValueError("fatal"), seconds=1)),
                "runs beside it": InTask(after(9)),
                "in line 1": Limited(answer("first")),
                "in line 2": Limited(answer("second")),
                "in its turn": Do(after(9)),
                "queued": Do(answer("third")),
            }.items():
                nursery.start_soon(ask, stage, name, message)
                await trio.testing.wait_all_tasks_blocked()

        assert seen == {
            "crashes": (ActorCrashed, 1),
            "runs beside it": (ActorCrashed, 1),
            "in its turn": (ActorCrashed, 1),
            "in line 1": ("first", 1),
            "in line 2": ("second", 1),
            "queued": ("third", 1),
        }
        assert stage.crash("a").message == "Limited"  # and not what else was in hand


async def test_a_line_is_told_when_its_actor_is_not_restarted(
    autojump_clock: MockClock,
) -> None:
    async with playing(player("a", restart="temporary")) as stage:
        watch = elapsed()
        stage["a"].tell(Limited(boom(ValueError(), seconds=1)))
        stage["a"].tell(Limited(answer("told")))
        with pytest.raises(ActorDown):
            await stage["a"].ask(Limited(answer(1)))
        assert watch() == 1
        assert [reason for reason, _ in stage.dead()] == ["crashed", "down"]


async def test_several_handlers_that_crash_at_once_are_one_crash(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        go = trio.Event()

        async def crash_at_go(_: Player) -> None:
            await go.wait()
            raise ValueError

        for _ in range(3):
            stage["a"].tell(InTask(crash_at_go))
        await trio.testing.wait_all_tasks_blocked()
        go.set()
        await trio.testing.wait_all_tasks_blocked()

        assert stage.system.snapshot("a")[0].life == 2
        assert isinstance(stage.crash("a").exception, ExceptionGroup)
        assert stage.crash("a").message == "InTask"
        assert [reason for reason, _ in stage.dead()] == ["crashed"] * 3


async def test_a_drain_ends_when_task_handlers_have_and_answers_what_they_ask_themselves(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []
    seen: list[object] = []

    async def tell_and_ask_itself(actor: Player) -> str:
        await trio.sleep(1)
        actor.ref.tell(Note("from a task that drains"))
        return str(await actor.ref.ask(Do(answer("by itself")), timeout=60))

    async with trio.open_nursery() as nursery, playing(player("a", heard)) as stage:
        watch = elapsed()

        async def ask() -> None:
            seen.append(await stage["a"].ask(InTask(tell_and_ask_itself), timeout=60))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()
        await stage.system.stopped()
        assert watch() == 1

    assert seen == ["by itself"]
    assert heard == ["from a task that drains"]


async def test_a_drain_serves_the_line_to_its_end(autojump_clock: MockClock) -> None:
    done: list[int] = []

    def one(number: int) -> Act:
        async def act(_: Player) -> None:
            await trio.sleep(1)
            done.append(number)

        return act

    async with playing(player("a", shutdown=10)) as stage:
        watch = elapsed()
        for number in range(4):
            stage["a"].tell(Limited(one(number)))
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()
        await stage.system.stopped()

        assert done == [0, 1, 2, 3]
        assert watch() == 4


async def stop_itself(actor: Player) -> None:
    actor.stop()


async def test_an_actor_that_stops_itself_lets_its_tasks_end(autojump_clock: MockClock) -> None:
    seen: list[object] = []
    async with playing(player("a", restart="temporary")) as stage, trio.open_nursery() as nursery:
        watch = elapsed()

        async def ask() -> None:
            seen.append(await stage["a"].ask(InTask(after(2, "done"))))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await stage["a"].ask(Do(stop_itself))
        with pytest.raises(ActorDown):
            await stage["a"].ask(Do(answer("queued, and not begun")))
        assert watch() == 2
    assert seen == ["done"]


async def test_an_actor_that_stops_itself_waits_for_its_tasks_no_longer_than_its_shutdown(
    autojump_clock: MockClock,
) -> None:
    async with playing(player("a", restart="temporary", shutdown=3)) as stage:
        watch = elapsed()
        stage["a"].tell(InTask(ask_of("a", Do(answer("never")), timeout=float("inf"))))
        stage["a"].tell(InTask(after(86_400)))
        stage["a"].tell(Do(stop_itself))
        with pytest.raises(ActorDown):
            await stage["a"].ask(Do(answer(1)), timeout=60)
        assert watch() <= 3
        assert "stopped" in [reason for reason, _ in stage.dead()]


# Background tasks.


async def test_a_background_task_runs_beside_the_handlers_and_ends_with_the_actor(
    autojump_clock: MockClock,
) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await trio.sleep(1)
            ticks.append(watch())

    async def start(actor: Player) -> None:
        actor.start_soon(tick)

    async with playing("a") as stage:
        watch = elapsed()
        await stage["a"].ask(Do(start))
        await stage["a"].ask(Do(after(3.5)))
        stage.system.stop()
        await stage.system.stopped()
        assert watch() == 3.5
    assert ticks == [1, 2, 3]


async def test_a_crash_in_a_background_task_is_a_crash_of_the_actor(
    autojump_clock: MockClock,
) -> None:
    async def fail() -> None:
        await trio.sleep(1)
        raise ActorError("here it is a crash, too: nobody asked")

    async def start(actor: Player) -> None:
        actor.start_soon(fail)

    async with playing("a") as stage:
        await stage["a"].ask(Do(start))
        with pytest.raises(ActorCrashed, match="nobody asked"):
            await stage["a"].ask(Do(after(9)), timeout=60)
        assert stage.crash("a").message is None  # the message in hand had no part in it


async def test_a_background_task_that_ends_is_forgotten(autojump_clock: MockClock) -> None:
    async def start(actor: Player) -> None:
        for _ in range(100):
            actor.start_soon(trio.sleep, 1)

    async with playing("a") as stage:
        await stage["a"].ask(Do(start))
        await trio.sleep(2)
        assert stage["a"]._cell.life._background == set()


async def test_a_background_task_started_while_the_actor_leaves_does_not_hold_it_up(
    autojump_clock: MockClock,
) -> None:
    async def restart_itself(actor: Player) -> None:
        try:
            await trio.sleep_forever()
        finally:
            actor.start_soon(trio.sleep_forever)

    async def start(actor: Player) -> None:
        actor.start_soon(restart_itself, actor)

    async with playing(player("a", shutdown=50)) as stage:
        await stage["a"].ask(Do(start))
        watch = elapsed()
        stage.system.stop()
        await stage.system.stopped()
        assert watch() == 0


async def test_a_task_handler_may_use_the_background_until_it_ends(
    autojump_clock: MockClock,
) -> None:
    async def feed(send: trio.MemorySendChannel[int]) -> None:
        await trio.sleep(2)
        await send.send(42)

    async def wait_for_feed(actor: Player) -> int:
        send, receive = trio.open_memory_channel[int](1)
        actor.start_soon(feed, send)
        return await receive.receive()

    seen: list[int] = []
    async with trio.open_nursery() as nursery, playing("a") as stage:

        async def ask() -> None:
            seen.append(await stage["a"].ask(InTask(wait_for_feed)))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()
    assert seen == [42]


async def test_start_soon_is_for_actors_that_say_background(autojump_clock: MockClock) -> None:
    class Plain(Actor[Note]):
        @on(Note)
        async def note(self, message: Note) -> None:
            with pytest.raises(SpecError, match="background=True"):
                self.start_soon(trio.sleep, 1)
            told.set()

    told = trio.Event()
    async with System(child("plain", Plain), signals=False) as system:
        system.ref("plain", Plain).tell(Note("try"))
        with trio.fail_after(1):
            await told.wait()
