"""Starting left to right, stopping right to left, and how long an end may take."""

import pytest
import trio

from tests.fakes.players import Hang, Life, Note, Notes, Play, Player
from trouper.runtime import (
    Actor,
    ActorDown,
    ActorError,
    StartFailed,
    StartTimeout,
    System,
    child,
    dynamic,
    on,
    supervisor,
)
from trouper.runtime.cell import Exit
from trouper.runtime.events import RuntimeEvent, Unkillable


@pytest.fixture
def play() -> Play:
    return Play()


async def test_each_child_is_ready_before_the_next_starts(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("a", 2.0)
    play.plan("c", 1.0)
    group = supervisor("group", play.part("b"), play.part("c"))

    async with System(play.part("a"), group, play.part("d")):
        started = play.read()
        ready_at = trio.current_time()

    assert ready_at == 3.0
    assert started == [
        *("a starts", "a is ready", "b starts", "b is ready"),
        *("c starts", "c is ready", "d starts", "d is ready"),
    ]
    assert play.read() == [f"{name} ends: shutdown" for name in "dcba"]


async def test_children_that_need_an_earlier_one_find_it_when_they_start(play: Play) -> None:
    class Later(Actor[Note]):
        async def init(self) -> None:
            self.heard = await self.find("first", Player).ask(Life())
            play.write(f"later heard {self.heard}")

        @on(Note)
        async def note(self, message: Note) -> None: ...

    async with System(play.part("first"), child("later", Later)):
        assert play.read()[-1] == "later heard 1"


async def test_a_first_start_that_fails_stops_what_was_started_and_raises_its_cause(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    cause = OSError("the file is locked")
    play.plan("c", cause)

    with pytest.raises(StartFailed) as caught:
        async with System(play.part("a"), play.part("b"), play.part("c"), play.part("d")):
            pytest.fail("entered")

    assert caught.value.path == "c"
    assert caught.value.__cause__ is cause
    assert "the file is locked" in str(caught.value)
    assert play.read() == [
        *("a starts", "a is ready", "b starts", "b is ready", "c starts"),
        *("c ends: start_failed", "b ends: shutdown", "a ends: shutdown"),
    ]


async def test_a_failed_start_deep_in_the_tree_names_the_leaf_and_its_cause(play: Play) -> None:
    cause = OSError("no")
    play.plan("b", cause)
    inner = supervisor("inner", play.part("b"))

    with pytest.raises(StartFailed) as caught:
        async with System(play.part("a"), supervisor("outer", inner)):
            pytest.fail("entered")

    assert caught.value.path == "outer/inner/b"
    assert caught.value.__cause__ is cause
    assert play.read()[-1] == "a ends: shutdown"


async def test_a_start_may_take_its_start_timeout_and_no_longer(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.plan("quick", 1.99)
    play.plan("slow", 60.0)

    with pytest.raises(StartTimeout, match="slow: not ready within 2 s; move slow work") as caught:
        async with System(
            play.part("quick", start_timeout=2.0), play.part("slow", start_timeout=2.0)
        ):
            pytest.fail("entered")

    assert trio.current_time() == 3.99
    assert caught.value.__cause__ is None


async def test_on_start_may_take_longer_and_holds_up_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Slow(Actor[Life]):
        async def on_start(self) -> None:
            await trio.sleep(100)

        @on(Life)
        async def which(self, message: Life) -> int:
            return 1

    async with System(child("slow", Slow)) as system:
        assert trio.current_time() == 0
        assert await system.ref("slow", Slow).ask(Life(), timeout=101) == 1
        assert trio.current_time() == 100


async def test_a_stop_drains_the_queue_within_shutdown_and_refuses_new_messages(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    answers: list[object] = []

    async def ask(question: Hang | Notes) -> None:
        try:
            answers.append(await ref.ask(question, timeout=60))
        except ActorError as error:
            answers.append(type(error))

    async with trio.open_nursery() as nursery, System(play.part("a", shutdown=5)) as system:
        ref = system.ref("a", Player)
        nursery.start_soon(ask, Hang(3))
        await trio.testing.wait_all_tasks_blocked()
        ref.tell(Note("in time"))
        nursery.start_soon(ask, Notes())
        await trio.testing.wait_all_tasks_blocked()
        system.stop()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ActorDown, match="it is stopping"):
            await ref.ask(Life())

    assert set(answers) == {None, ("in time",)}
    assert trio.current_time() == 3


async def test_what_is_not_done_within_shutdown_is_cancelled_and_its_askers_told(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[tuple[float, str]] = []

    async def ask(question: Hang | Life) -> None:
        with pytest.raises(ActorDown) as caught:
            await ref.ask(question, timeout=60)
        told.append((trio.current_time(), caught.value.detail))

    async with trio.open_nursery() as nursery, System(play.part("a", shutdown=5)) as system:
        ref = system.ref("a", Player)
        nursery.start_soon(ask, Hang())
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, Life())
        await trio.testing.wait_all_tasks_blocked()

    assert told == [
        (5.0, "it was stopped before it answered this request"),
        (5.0, "it was stopped"),
    ]
    assert play.read()[-1] == "a ends: killed"


async def test_shutdown_zero_cancels_at_once(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", shutdown=0)) as system:
        system.ref("a", Player).tell(Hang())
        await trio.testing.wait_all_tasks_blocked()

    assert trio.current_time() == 0
    assert play.read()[-1] == "a ends: killed"


async def test_cleaning_up_is_waited_for_before_the_next_is_stopped(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    play.ends["b"] = 4.0

    async with System(play.part("a"), play.part("b", shutdown=5), observer=seen.append) as system:
        system.ref("b", Player).tell(Hang())
        await trio.testing.wait_all_tasks_blocked()

    # 5 s for the message in hand, then 4 of the 5 s that `terminate` may take.
    assert trio.current_time() == 9.0
    assert play.read()[-2:] == ["b ends: killed", "a ends: shutdown"]
    assert not any(isinstance(event, Unkillable) for event in seen)


async def test_cleaning_up_that_takes_too_long_is_cut_off(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    play.ends["a"] = 60.0

    async with System(play.part("a", shutdown=2)):
        pass

    assert trio.current_time() == 2.0
    assert play.read()[-1] == "a is ready"


async def test_askers_of_a_crashed_actor_do_not_wait_until_it_has_cleaned_up(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    class Untidy(Actor[Life]):
        @on(Life)
        async def which(self, message: Life) -> int:
            raise ValueError

        async def terminate(self, reason: Exit) -> None:
            await trio.sleep(3)

    async with System(child("a", Untidy)) as system:
        with pytest.raises(ActorError):
            await system.ref("a", Untidy).ask(Life(), timeout=60)

        assert trio.current_time() == 0


async def test_a_child_that_cannot_be_killed_is_reported_with_where_it_is(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[RuntimeEvent] = []
    answers: list[tuple[float, str]] = []

    class Stubborn(Actor[Hang]):
        @on(Hang)
        async def hang(self, message: Hang) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(message.seconds)

    async def ask() -> None:
        with pytest.raises(ActorDown) as caught:
            await system.ref("b", Stubborn).ask(Hang(60), timeout=100)
        answers.append((trio.current_time(), caught.value.detail))

    async with (
        trio.open_nursery() as nursery,
        System(play.part("a"), child("b", Stubborn, shutdown=5), observer=seen.append) as system,
    ):
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        play.read()

    (event,) = [event for event in seen if isinstance(event, Unkillable)]
    assert event.path == "b"
    assert any("Stubborn.hang" in line for line in event.stack)
    assert answers == [(6.0, "it was cancelled and does not end")]
    # The others have long been stopped; only the task itself is waited for.
    assert play.read() == ["a ends: shutdown"]
    assert trio.current_time() == 60.0


@pytest.mark.parametrize("nested", [False, True])
async def test_a_stop_during_a_start_is_immediate(
    play: Play, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, nested: bool
) -> None:
    play.plan("b", 8.0)
    slow = play.part("b")
    system = System(play.part("a"), supervisor("inner", slow) if nested else slow, play.part("c"))

    async def stop() -> None:
        await trio.sleep(1)
        system.stop()

    nursery.start_soon(stop)
    with pytest.raises(StartFailed, match="it was stopped before all its children were ready"):
        await system.__aenter__()

    assert trio.current_time() == 1.0
    assert play.read() == [
        *("a starts", "a is ready", "b starts", "b ends: shutdown", "a ends: shutdown")
    ]


async def test_the_children_of_a_dynamic_supervisor_stop_at_once_under_one_deadline(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(dynamic("many", Player, max_children=1000, shutdown=5)) as system:
        many = system.children("many", Player)
        for number in range(1000):
            ref = await many.start(str(number), str(number), play)
            ref.tell(Hang())
        await trio.testing.wait_all_tasks_blocked()
        assert len(many) == 1000

    assert trio.current_time() == 5.0
    assert play.alive == set()
    assert sum(line.endswith("ends: killed") for line in play.read()) == 1000
