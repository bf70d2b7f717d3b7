"""How soon children come back, and when their supervisor gives up."""

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
    ActorError,
    ActorUnavailable,
    Backoff,
    DeadReason,
    SupervisorGaveUp,
    System,
    child,
    dynamic,
    supervisor,
)
from trouper.runtime.events import ChildRestarting, GaveUp, Poisoned, RuntimeEvent

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


def delays(seen: list[RuntimeEvent]) -> list[float]:
    return [event.delay for event in seen if isinstance(event, ChildRestarting)]


async def crash(system: System, path: str) -> None:
    """Let an actor crash, and wait until it is back."""
    before = system.snapshot(path)[0].life
    system.ref(path, Player).tell(Crash())
    await eventually(lambda: system.snapshot(path)[0].life > before)
    await until(system, path, "running")


@pytest.mark.parametrize(("chance", "share"), [(0.0, 1.0), (0.5, 0.9), (1.0, 0.8)])
async def test_each_crash_in_a_row_waits_longer_up_to_the_maximum(
    play: Play, autojump_clock: trio.testing.MockClock, chance: float, share: float
) -> None:
    seen: list[RuntimeEvent] = []
    backoff = Backoff(initial=1, factor=2, maximum=5, jitter=0.2, first=0.5, reset_after=60)
    part = play.part("a", backoff=backoff, poison=0)

    async with System(part, intensity=99, observer=seen.append, chance=lambda: chance) as system:
        ref = system.ref("a", Player)
        for wait in (0.5, 1, 2, 4, 5, 5):
            crashed_at = trio.current_time()
            ref.tell(Crash(ValueError(wait)))
            await ref.ask(Life(), timeout=60)
            assert trio.current_time() == pytest.approx(crashed_at + wait * share)

    assert delays(seen) == pytest.approx([wait * share for wait in (0.5, 1, 2, 4, 5, 5)])


async def test_a_quiet_life_begins_the_count_anew(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    backoff = Backoff(initial=1, jitter=0, reset_after=30)

    async with System(
        play.part("a", backoff=backoff), intensity=99, observer=seen.append
    ) as system:
        await crash(system, "a")
        await crash(system, "a")
        await trio.sleep(29)
        await crash(system, "a")
        await trio.sleep(31)
        await crash(system, "a")

    assert delays(seen) == [0, 1, 2, 0]


async def test_a_supervisor_never_sleeps_while_its_children_back_off(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    slow = play.part("a", backoff=Backoff(first=100, jitter=0))

    async with System(slow, play.part("b"), play.part("c", restart="temporary")) as system:
        system.ref("a", Player).tell(Crash())
        await until(system, "a", "backoff")
        since = trio.current_time()
        await crash(system, "b")
        system.ref("c", Player).tell(Crash())
        await until(system, "c", "stopped")
        assert trio.current_time() - since < 0.1

        assert await system.ref("a", Player).ask(Life(), timeout=101) == 2
        assert trio.current_time() == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("nested", [False, True])
async def test_a_stop_during_backoff_is_immediate(
    play: Play, autojump_clock: trio.testing.MockClock, nested: bool
) -> None:
    part = play.part("a", backoff=AT_ONCE if nested else Backoff(first=100, jitter=0))
    if nested:
        part = supervisor("sub", part, intensity=0, backoff=Backoff(first=100, jitter=0))
    path = "sub" if nested else "a"

    async with System(part, play.part("b")) as system:
        system.ref("sub/a" if nested else "a", Player).tell(Crash())
        await until(system, path, "backoff")
        retry_in = system.snapshot(path)[0].retry_in
        assert retry_in == pytest.approx(100, abs=0.01)

    assert trio.current_time() < 0.1
    assert system.snapshot(path)[0].state == "stopped"
    assert system.snapshot(path)[0].retry_in is None


async def test_a_dynamic_supervisor_in_backoff_stops_at_once_and_says_it_is_restarting(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    many = dynamic("many", Player, restart="permanent", intensity=0)

    async with System(many) as system:
        children = system.children("many", Player)
        for _ in range(2):
            ref = await children.start("a", "a", play)
            ref.tell(Crash())
            await until(system, "many", "running")
            await eventually(lambda: "a" not in children)
        await until(system, "many", "backoff")
        with pytest.raises(ActorUnavailable) as caught:
            await children.start("b", "b", play)
        assert caught.value.retry_at > trio.current_time()

    assert trio.current_time() < 0.1


async def test_the_intensity_is_exact_to_the_restart_and_to_the_second(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    part = play.part("a", backoff=AT_ONCE, poison=0)

    with pytest.raises(SupervisorGaveUp) as caught:
        async with System(part, intensity=3, period=10) as system:
            ref = system.ref("a", Player)
            for at in (0, 1, 2, 10.5, 11.5):
                await trio.sleep_until(at)
                ref.tell(Crash(ValueError(at)))
                assert await ref.ask(Life()) > 1
            # The fourth within ten seconds: those at 2, 10.5, 11.5, and this one.
            await trio.sleep_until(12)
            ref.tell(Crash(ValueError("the last")))
            await trio.sleep_forever()

    assert trio.current_time() == 12
    assert play.lives == {"a": 6}
    assert (caught.value.path, caught.value.restarts, caught.value.period) == ("system", 3, 10)
    assert str(caught.value.__cause__) == "the last"


async def test_ends_without_a_crash_count_as_restarts(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async def once() -> None:
        """Ends at once, and yet is permanent."""

    with pytest.raises(SupervisorGaveUp) as caught:
        async with System(child("once", once)):
            await trio.sleep_forever()

    assert caught.value.__cause__ is None


async def test_whoever_waits_for_a_child_that_is_given_up_hears_it_at_once(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[tuple[float, type[ActorError]]] = []
    play.ends["b"] = 4.0

    async def ask(path: str, question: Hang | Life) -> None:
        with pytest.raises(ActorError) as caught:
            await system.ref(path, Player).ask(question, timeout=60)
        told.append((trio.current_time(), type(caught.value)))

    with pytest.raises(SupervisorGaveUp):
        async with (
            System(play.part("a"), play.part("b"), intensity=0) as system,
            trio.open_nursery() as nursery,
        ):
            system.ref("a", Player).tell(Crash())
            nursery.start_soon(ask, "a", Life())
            await trio.sleep_forever()

    assert told == [(0.0, ActorDown)]
    assert trio.current_time() == 4.0


async def test_escalation_climbs_level_by_level_and_refs_stay_good(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    part = play.part("a", backoff=AT_ONCE, poison=0)
    inner = supervisor("inner", part, play.part("b"), intensity=1, backoff=AT_ONCE)
    outer = supervisor("outer", inner, play.part("c"), intensity=1, backoff=AT_ONCE)

    async with System(outer, play.part("d"), observer=seen.append) as system:
        ref, sibling = system.ref("outer/inner/a", Player), system.ref("outer/inner/b", Player)
        for number in range(1, 4):
            ref.tell(Crash())
            await trio.sleep(0.1)
            assert await ref.ask(Life()) == number + 1
            assert await sibling.ask(Life()) == 1 + number // 2
        assert play.lives == {"a": 4, "b": 2, "c": 1, "d": 1}
        ref.tell(Crash())
        await trio.sleep(0.1)

        # The second time of `inner` is one too many for `outer`.
        assert await ref.ask(Life()) == 5
        assert play.lives == {"a": 5, "b": 3, "c": 2, "d": 1}

    assert [event.path for event in seen if isinstance(event, GaveUp)] == [
        "outer/inner",
        "outer/inner",
        "outer",
    ]


async def test_a_root_that_gives_up_leaves_the_system_as_one_plain_exception(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    last = ValueError("the last")
    inner = supervisor("inner", play.part("a"), intensity=0)

    with pytest.raises(SupervisorGaveUp) as caught:
        async with System(inner, play.part("b"), intensity=0) as system:
            with pytest.raises(ActorDown):
                system.ref("inner/a", Player).tell(Crash(last))
                await trio.sleep(1)
                pytest.fail("the block was not cancelled")

    assert caught.value.path == "system"
    assert isinstance(caught.value.__cause__, SupervisorGaveUp)
    assert caught.value.__cause__.path == "inner"
    assert caught.value.__cause__.__cause__ is last
    assert play.alive == set()


async def test_what_the_block_saw_of_the_fall_does_not_hide_why_it_fell(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async def ask() -> None:
        await system.ref("a", Player).ask(Life(), timeout=60)

    with pytest.raises(SupervisorGaveUp):
        async with (
            System(play.part("a"), intensity=0) as system,
            trio.open_nursery() as nursery,
        ):
            system.ref("a", Player).tell(Crash())
            nursery.start_soon(ask)
            nursery.start_soon(ask)


async def test_the_restart_of_a_subtree_that_fails_to_start_is_tried_again(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", None, OSError("no"), None)
    sub = supervisor("sub", play.part("a", backoff=AT_ONCE), play.part("b"), intensity=0)

    async with System(sub) as system:
        system.ref("sub/a", Player).tell(Crash())
        await trio.sleep(5)

        assert await system.ref("sub/a", Player).ask(Life()) == 3
        last = system.snapshot("sub")[0].last_crash
        assert last is not None
        assert last.error.startswith("StartFailed: sub/a: it did not start")


async def test_a_message_that_always_crashes_its_actor_is_poison(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    part = play.part("a", backoff=AT_ONCE, poison=3)

    async with System(part, play.part("b"), intensity=3, observer=seen.append) as system:
        ref = system.ref("a", Player)
        for _ in range(3):
            ref.tell(Crash())
        with pytest.raises(ActorDown, match="poisoned: Crash crashed it 3 times in a row"):
            await ref.ask(Life())

        assert Poisoned("a", "Crash", 3) in seen
        # It used up nothing of what the supervisor allows to the others.
        assert await system.ref("b", Player).ask(Life()) == 1


async def test_crashes_of_another_kind_between_are_no_poison(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", None, None, None, OSError("no message in hand"))
    part = play.part("a", backoff=AT_ONCE, poison=3)

    async with System(part, intensity=99) as system:
        ref = system.ref("a", Player)
        for error in (ValueError(), ValueError(), KeyError(), ValueError(), ValueError()):
            ref.tell(Crash(error))
            await trio.sleep(0.1)

        assert await ref.ask(Life()) == 7


async def test_an_actor_that_does_not_queue_between_lives_refuses_asks_and_keeps_tells(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    backoff = Backoff(first=5, jitter=0)
    told: list[float] = []

    async def ask() -> None:
        with pytest.raises(ActorUnavailable) as caught:
            await ref.ask(Life(), timeout=60)
        told.append(caught.value.retry_at)

    async with (
        System(play.part("a", backoff=backoff, while_down="reject")) as system,
        trio.open_nursery() as nursery,
    ):
        ref = system.ref("a", Player)
        ref.tell(Crash())
        ref.tell(Note("kept"))
        nursery.start_soon(ask)
        await trio.sleep(1)
        assert told == [5.0]
        ref.tell(Note("refused"))
        with pytest.raises(ActorUnavailable):
            await ref.send(Note("refused"))
        assert [letter.reason for letter in system.dead_letters] == [
            DeadReason.CRASHED,
            DeadReason.UNAVAILABLE,
        ]
        await trio.sleep(5)

        assert await ref.ask(Notes()) == ("kept",)


async def test_a_crash_with_a_stop_on_its_way_is_not_restarted(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", backoff=AT_ONCE)) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash())
        ref.tell(Crash())
        system.stop()

    assert play.lives == {"a": 1}


async def test_a_child_that_ends_normally_counts_no_crash(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", backoff=AT_ONCE)) as system:
        ref = system.ref("a", Player)
        ref.tell(Finish())

        assert await ref.ask(Life()) == 2
        assert system.snapshot("a")[0].last_crash is None
