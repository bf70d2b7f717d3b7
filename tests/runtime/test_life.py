"""Plain async functions as supervised children."""

import functools

import pytest
import trio

from tests.fakes.players import Crash, Note, Play, Player, eventually, until
from trouper.runtime import (
    Actor,
    Backoff,
    SpecError,
    StartFailed,
    StartTimeout,
    SupervisorGaveUp,
    System,
    child,
    dynamic,
    on,
)
from trouper.runtime.events import ActorStarted, RuntimeEvent

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


async def test_a_function_without_task_status_is_ready_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    beats: list[float] = []

    async def beat(every: float) -> None:
        while True:
            beats.append(trio.current_time())
            await trio.sleep(every)

    async with System(child("beat", functools.partial(beat, 2.0))) as system:
        assert system.snapshot("beat")[0].kind.endswith("beat")
        await trio.sleep(5)

    assert beats == [0, 2, 4]
    assert trio.current_time() == 5


async def test_a_function_with_task_status_is_ready_when_it_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def listen(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(3)
        task_status.started()
        await trio.sleep_forever()

    play = Play()
    async with System(child("listen", listen), play.part("a")):
        assert trio.current_time() == 3


async def test_a_function_that_never_says_that_it_is_ready_times_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def listen(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    with pytest.raises(StartTimeout):
        async with System(child("listen", listen, start_timeout=7)):
            pytest.fail("entered")

    assert trio.current_time() == 7


async def test_a_function_that_returns_before_it_said_so_has_been_ready(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def prepare(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)

    async with System(child("prepare", prepare, restart="transient")) as system:
        await until(system, "prepare", "stopped")

        assert system.snapshot("prepare")[0].stopped_because == "it ended (normal)"


async def test_a_function_that_fails_before_it_is_ready_fails_the_start() -> None:
    async def listen(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("the port is taken")

    with pytest.raises(StartFailed, match="the port is taken"):
        async with System(child("listen", listen)):
            pytest.fail("entered")


async def test_a_function_that_crashes_is_restarted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    runs: list[float] = []

    async def pump() -> None:
        runs.append(trio.current_time())
        await trio.sleep(1)
        if len(runs) < 3:
            raise OSError("reset")
        await trio.sleep_forever()

    async with System(child("pump", pump, backoff=Backoff(initial=1, jitter=0))) as system:
        await trio.sleep(10)

        assert runs == [0, 1, 3]
        assert system.snapshot("pump")[0].restarts == 2


async def test_a_stopped_function_is_cancelled_and_may_clean_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    done: list[str] = []

    async def pump() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            done.append("clean")

    async with System(child("pump", pump, shutdown=5)):
        await trio.sleep(1)

    assert done == ["clean"]
    assert trio.current_time() == 3


async def test_a_function_that_fails_while_it_is_stopped_is_not_restarted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    runs: list[int] = []

    async def pump() -> None:
        runs.append(1)
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("in cleaning up")

    async with System(child("pump", pump)) as system:
        await trio.sleep(1)

    assert runs == [1]
    crash = system.snapshot("pump")[0].last_crash
    assert crash is not None
    assert crash.error == "OSError: in cleaning up"


async def test_functions_are_children_on_demand_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    done: list[str] = []

    async def job(name: str, seconds: float) -> None:
        await trio.sleep(seconds)
        done.append(name)

    async with System(dynamic("jobs", job)) as system:
        jobs = system.children("jobs", Actor)
        with pytest.raises(SpecError, match="takes no messages"):
            await jobs.start("1", "a", 3)
        await eventually(lambda: done == ["a"])


async def test_a_function_takes_no_messages() -> None:
    async with System(child("sleep", trio.sleep_forever)) as system:
        with pytest.raises(SpecError, match="sleep is a sleep_forever, which takes no messages"):
            system.ref("sleep", Player)


async def test_a_start_that_makes_no_actor_is_told_what_it_made() -> None:
    async def pump() -> None: ...

    with pytest.raises(StartFailed, match=r"returned a coroutine; give the async function itself"):
        async with System(child("pump", lambda: pump())):  # noqa: PLW0108
            pytest.fail("entered")
    with pytest.raises(StartFailed, match="its start returned 5, which is no Actor"):
        async with System(child("five", lambda: 5)):  # type: ignore[arg-type, return-value]
            pytest.fail("entered")


async def test_what_leaves_a_function_as_a_group_of_one_is_its_member(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def pump() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise OSError("reset")

    with pytest.raises(SupervisorGaveUp) as caught:
        async with System(child("pump", pump), intensity=0):
            await trio.sleep_forever()

    assert isinstance(caught.value.__cause__, OSError)


async def test_an_actor_may_end_itself_in_init_without_having_failed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Migration(Actor[Note]):
        async def init(self) -> None:
            self.stop()
            await trio.lowlevel.checkpoint()

        @on(Note)
        async def note(self, message: Note) -> None: ...

    async with System(child("migration", Migration, restart="transient")) as system:
        await until(system, "migration", "stopped")

        assert system.snapshot("migration")[0].stopped_because == "it ended (normal)"


async def test_no_life_begins_before_the_one_before_has_cleaned_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    play = Play()
    play.ends["a"] = 2.0

    async with System(play.part("a", backoff=AT_ONCE, shutdown=5)) as system:
        system.ref("a", Player).tell(Crash())
        await trio.sleep(3)

        assert play.read()[2:] == ["a ends: crashed", "a starts", "a is ready"]


async def test_a_function_that_says_twice_that_it_is_ready_has_started_once() -> None:
    seen: list[RuntimeEvent] = []

    async def connect(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        task_status.started()
        await trio.sleep_forever()

    async with System(child("connect", connect), observer=seen.append):
        pass

    assert seen.count(ActorStarted("connect", 1)) == 1
