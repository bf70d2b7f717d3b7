"""How children on demand end, each by itself and all together."""

import functools

import pytest
import trio

from tests.fakes.players import (
    Crash,
    Finish,
    Hang,
    Life,
    Note,
    Notes,
    Play,
    Player,
    eventually,
    until,
)
from trouper.runtime import (
    ActorDown,
    Backoff,
    ChildExists,
    Children,
    ChildSpec,
    SupervisorGaveUp,
    System,
    dynamic,
)
from trouper.runtime.events import ActorStopped, ChildCrashed, RuntimeEvent, Unkillable

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


def players(play: Play, **options: object) -> ChildSpec:
    return dynamic("players", functools.partial(Player, play=play), **options)  # type: ignore[arg-type]


def of(system: System) -> Children[Life | Note | Notes | Crash | Hang | Finish]:
    return system.children("players", Player)


async def test_a_child_that_is_stopped_right_after_its_crash_does_not_come_back(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    crashed = trio.Event()

    def observe(event: RuntimeEvent) -> None:
        if isinstance(event, ChildCrashed):
            crashed.set()

    spec = players(play, restart="permanent", backoff=AT_ONCE, intensity=99)
    async with System(spec, observer=observe) as system:
        children = of(system)
        # Whether the supervisor or this test hears first is chance: both, in twenty times.
        for number in range(20):
            crashed = trio.Event()
            ref = await children.start("1", str(number))
            ref.tell(Crash())
            await crashed.wait()
            await children.stop("1")
            assert "1" not in children
        await trio.sleep(1)

        assert play.alive == set()


async def test_a_child_is_stopped_out_of_its_backoff_at_once(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    backoff = Backoff(first=60, jitter=0)
    async with System(players(play, restart="permanent", backoff=backoff)) as system:
        ref = await of(system).start("1", "a")
        ref.tell(Crash())
        await until(system, "players/1", "backoff")
        await of(system).stop("1")

        assert trio.current_time() < 0.1
        assert len(of(system)) == 0


async def test_a_stop_goes_on_without_a_caller_that_was_cancelled(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(players(play, shutdown=5)) as system:
        children = of(system)
        ref = await children.start("1", "a")
        ref.tell(Hang())
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await children.stop("1")
        assert "1" in children
        await eventually(lambda: "1" not in children)

        assert play.read()[-1] == "a ends: killed"
        assert trio.current_time() <= 6.01


async def test_a_child_that_cannot_be_killed_keeps_its_id_until_it_ends(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    async with System(players(play, shutdown=1), observer=seen.append) as system:
        children = of(system)
        ref = await children.start("1", "a")
        ref.tell(Hang(30, shielded=True))
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("never read"))
        await children.stop("1")

        assert [event.path for event in seen if isinstance(event, Unkillable)] == ["players/1"]
        assert children.get("1") is None
        with pytest.raises(ActorDown):
            await ref.ask(Life())
        with pytest.raises(ChildExists):
            await children.start("1", "b")
        await trio.sleep(30)
        await children.start("1", "b")

    assert [e.path for e in seen if isinstance(e, ActorStopped)].count("players/1") == 2


async def test_crashes_beyond_the_intensity_end_all_children_at_once(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    options = {"restart": "permanent", "intensity": 1, "backoff": AT_ONCE}
    async with System(players(play, **options)) as system:
        children = of(system)
        ref, other = await children.start("1", "a"), await children.start("2", "b")
        other.tell(Hang(2))
        ref.tell(Crash())
        await ref.ask(Life())
        ref.tell(Crash())
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ActorDown, match="starts no more children"):
            await children.start("3", "c")
        await trio.sleep(2.5)

        # It waited for the message in hand of the other, and for nothing else.
        assert play.read()[-1] == "b ends: shutdown"
        assert (len(children), system.snapshot("players")[0].life) == (0, 2)
        with pytest.raises(ActorDown, match="its supervisor gave up"):
            await ref.ask(Life())
        assert await (await children.start("1", "a")).ask(Life()) == 3


async def test_a_crashed_child_does_not_hold_up_the_stop_of_the_others(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(SupervisorGaveUp):
        async with System(
            players(play, restart="permanent", intensity=0, shutdown=60), intensity=0
        ) as system:
            (await of(system).start("1", "a")).tell(Crash())
            await trio.sleep_forever()

    assert trio.current_time() == 0


async def test_a_child_that_is_poisoned_is_given_up_alone(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    spec = players(play, restart="permanent", backoff=AT_ONCE, poison=2)
    async with System(spec) as system:
        children = of(system)
        ref, other = await children.start("1", "a"), await children.start("2", "b")
        ref.tell(Crash())
        ref.tell(Crash())
        with pytest.raises(ActorDown, match="poisoned: Crash crashed it 2 times in a row"):
            await ref.ask(Life())

        assert list(children) == ["2"]
        assert await other.ask(Life()) == 1


async def test_children_that_crash_at_once_with_the_last_straw_do_not_hold_up_the_end(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    spec = players(play, restart="permanent", intensity=0, shutdown=60)
    async with System(spec) as system:
        children = of(system)
        refs = [await children.start(id, id) for id in "abc"]
        for ref in refs:
            ref.tell(Crash())
        await eventually(lambda: len(children) == 0)

        assert trio.current_time() < 0.1


async def test_those_that_cannot_be_killed_are_reported_when_all_are_stopped(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    async with System(players(play, shutdown=2), observer=seen.append) as system:
        for id in "ab":
            ref = await of(system).start(id, id)
            ref.tell(Hang(30, shielded=id == "a"))
        await trio.testing.wait_all_tasks_blocked()

    assert [event.path for event in seen if isinstance(event, Unkillable)] == ["players/a"]
    assert trio.current_time() == 30
