"""Entering and leaving a system, whatever happens in its block."""

import threading

import pytest
import trio

from tests.fakes.players import Crash, Hang, Life, Note, Play, Player
from trouper.runtime import (
    ActorCrashed,
    ActorDown,
    Backoff,
    SpecError,
    StartTimeout,
    SupervisorGaveUp,
    System,
    child,
    supervisor,
)


@pytest.fixture
def play() -> Play:
    return Play()


async def test_an_exception_in_the_block_stops_the_tree_in_order_and_is_raised_as_itself(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    error = KeyError("mine")

    with pytest.raises(KeyError) as caught:
        async with System(play.part("a"), play.part("b")) as system:
            system.ref("b", Player).tell(Hang(2))
            await trio.testing.wait_all_tasks_blocked()
            raise error

    assert caught.value is error
    assert trio.current_time() == 2
    assert play.read()[-2:] == ["b ends: shutdown", "a ends: shutdown"]


async def test_an_actors_error_that_the_block_lets_out_is_raised_as_itself(play: Play) -> None:
    with pytest.raises(ActorCrashed) as caught:
        async with System(play.part("a")) as system:
            await system.ref("a", Player).ask(Crash())  # type: ignore[arg-type]

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_cancel_from_outside_cancels_the_tree_and_passes(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    system = System(play.part("a"), play.part("b"))

    with trio.move_on_after(3) as scope:
        async with system:
            system.ref("b", Player).tell(Hang())
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert trio.current_time() == 3
    assert play.alive == set()
    assert {actor.state for actor in system.snapshot()} == {"stopped"}
    with pytest.raises(ActorDown):
        await system.ref("a", Player).ask(Life())


async def test_a_cancel_while_the_tree_starts_passes(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("b", 9.0)

    with trio.move_on_after(3) as scope:
        async with System(play.part("a"), play.part("b")):
            pytest.fail("entered")

    assert scope.cancelled_caught
    assert play.alive == set()


async def test_a_cancel_while_the_tree_stops_passes(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(3) as scope:
        async with System(play.part("a", shutdown=60)) as system:
            system.ref("a", Player).tell(Hang())
            await trio.testing.wait_all_tasks_blocked()

    assert scope.cancelled_caught
    assert trio.current_time() == 3


async def test_a_cancel_while_the_tree_stops_does_not_hide_the_blocks_error(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(KeyError), trio.move_on_after(3):
        async with System(play.part("a", shutdown=60)) as system:
            system.ref("a", Player).tell(Hang())
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError


@pytest.mark.parametrize("grave", [SystemExit(3), KeyboardInterrupt()])
async def test_an_exit_inside_an_actor_leaves_the_system_as_itself(
    play: Play, grave: BaseException
) -> None:
    sub = supervisor("sub", play.part("a"))

    with pytest.raises(type(grave)) as caught:
        async with System(sub, play.part("b")) as system:
            system.ref("sub/a", Player).tell(Crash(grave))
            await trio.sleep_forever()

    assert caught.value is grave
    assert play.alive == set()


async def test_stopping_from_inside_ends_the_tree_and_then_the_block(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a"), play.part("b")) as system:
        ref = system.ref("a", Player)
        system.stop()
        system.stop()
        await system.stopped()
        assert play.alive == set()
        with pytest.raises(ActorDown, match="it was stopped"):
            await ref.ask(Life())
        await trio.sleep(1)
        pytest.fail("the block was not cancelled")

    assert system.stopped_by is None
    system.stop()
    await system.stopped()


async def test_a_system_is_used_inside_its_block_and_once(play: Play) -> None:
    system = System(play.part("a"))
    system.stop()
    await system.stopped()
    with pytest.raises(SpecError, match="not running"):
        system.ref("a", Player)
    async with system:
        pass
    with pytest.raises(SpecError, match="runs once"):
        async with system:
            pytest.fail("entered")


async def test_refs_are_found_by_path_and_checked_by_kind(play: Play) -> None:
    class Understudy(Player):
        pass

    under = child("u", lambda: Understudy("u", play))
    async with System(play.part("a"), supervisor("sub", play.part("b")), under) as system:
        assert system.ref("sub/b", Player).path == "sub/b"
        assert await system.ref("u", Player).ask(Life()) == 1
        with pytest.raises(SpecError, match="no actor at 'sub/c'; beside it are: sub/b"):
            system.ref("sub/c", Player)
        with pytest.raises(SpecError, match="no actor at 'nobody/here'; beside it are: none"):
            system.ref("nobody/here", Player)
        with pytest.raises(SpecError, match=r"a is a Player, not a .*Understudy"):
            system.ref("a", Understudy)
        with pytest.raises(SpecError, match="sub is a supervisor, which takes no messages"):
            system.ref("sub", Player)


async def test_systems_stand_beside_each_other_and_inside_each_other(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    other = Play()

    async with System(play.part("a")) as outer, System(other.part("a"), intensity=9) as inner:
        inner.ref("a", Player).tell(Crash())
        assert await inner.ref("a", Player).ask(Life()) == 2
        assert await outer.ref("a", Player).ask(Life()) == 1

    async def run(system: System, seconds: float) -> None:
        async with system:
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, System(Play().part("a")), 2)
        nursery.start_soon(run, System(Play().part("a")), 1)


async def test_a_system_that_falls_inside_another_is_the_others_blocks_error(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(SupervisorGaveUp):
        async with System(play.part("a")), System(Play().part("b"), intensity=0) as inner:
            inner.ref("b", Player).tell(Crash())
            await trio.sleep_forever()

    assert play.read()[-1] == "a ends: shutdown"


def test_a_system_runs_outside_the_main_thread() -> None:
    play = Play()

    async def main() -> int:
        async with System(play.part("a")) as system:
            return await system.ref("a", Player).ask(Life())

    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(trio.run(main)))
    thread.start()
    thread.join(10)

    assert answers == [1]
    assert play.read()[-1] == "a ends: shutdown"


async def test_a_start_timeout_is_not_its_own_cause(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", 99.0)
    with pytest.raises(StartTimeout) as caught:
        async with System(supervisor("sub", play.part("a"))):
            pytest.fail("entered")

    assert caught.value.path == "sub/a"
    assert caught.value.__cause__ is None


async def test_dead_letters_are_kept_up_to_a_bound(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", restart="temporary", backoff=Backoff())) as system:
        ref = system.ref("a", Player)
        ref.tell(Crash())
        await trio.sleep(1)
        for number in range(300):
            ref.tell(Note(str(number)))

        letters = system.dead_letters
        assert len(letters) == 256
        assert letters[-1].message == Note("299")
