"""A start that outlasts its deadline because nothing can cancel it, as one in a thread."""

import time

import pytest
import trio

from tests.fakes.players import Life
from trouper.runtime import (
    Actor,
    ActorCrashed,
    Backoff,
    Children,
    StartFailed,
    StartTimeout,
    System,
    child,
    dynamic,
    on,
)
from trouper.runtime.events import ActorStarted, ChildCrashed, RuntimeEvent


class Uncancellable(Actor[Life]):
    """What an `init` is like that waits in a thread: its end comes when it comes."""

    def __init__(self, seconds: float = 3.0) -> None:
        self.seconds = seconds

    async def init(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(self.seconds)

    @on(Life)
    async def which(self, message: Life) -> int:
        return 1


async def test_a_start_that_cannot_be_cancelled_is_too_late_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    events: list[RuntimeEvent] = []

    with pytest.raises(StartTimeout, match="late: not ready within 2 s"):
        async with System(child("late", Uncancellable, start_timeout=2.0), observer=events.append):
            pytest.fail("entered")

    assert trio.current_time() == 3
    # It was never said to be ready, and its end is a crash, which its supervisor judges.
    assert not [event for event in events if isinstance(event, ActorStarted)]
    assert [event.path for event in events if isinstance(event, ChildCrashed)] == ["late", ""]


async def test_a_start_that_outlasts_its_time_in_a_thread_is_a_start_timeout() -> None:
    class InThread(Uncancellable):
        async def init(self) -> None:
            await trio.to_thread.run_sync(time.sleep, 0.1)

    with pytest.raises(StartTimeout):
        async with System(child("late", InThread, start_timeout=0.02)):
            pytest.fail("entered")


async def test_a_later_life_that_starts_too_late_is_tried_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seconds = [0.5, 3.0, 0.5]

    class Faltering(Uncancellable):
        async def init(self) -> None:
            self.seconds = seconds.pop(0)
            await super().init()

        @on(Life)
        async def which(self, message: Life) -> int:
            if len(seconds) == 2:
                raise OSError("the first life")
            return 3

    spec = child("a", Faltering, start_timeout=2.0, backoff=Backoff(initial=1.0, jitter=0.0))
    async with System(spec) as system:
        a = system.ref("a", Faltering)
        with pytest.raises(ActorCrashed):
            await a.ask(Life())

        assert await a.ask(Life(), timeout=60) == 3
        assert system.snapshot("a")[0].life == 3


async def test_a_function_that_says_too_late_that_it_is_ready_is_a_start_timeout(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def listen(task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
        task_status.started()

    with pytest.raises(StartTimeout):
        async with System(child("listen", listen, start_timeout=2)):
            pytest.fail("entered")


async def test_an_actor_that_is_stopped_in_a_start_that_cannot_be_cancelled_was_never_ready(
    autojump_clock: trio.testing.MockClock,
) -> None:
    events: list[RuntimeEvent] = []
    async with System(dynamic("some", Uncancellable), observer=events.append) as system:
        children = system.children("some", Uncancellable)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_start_refused, children)
            await trio.sleep(1)
            await children.stop("a")

    started = [event.path for event in events if isinstance(event, ActorStarted)]
    assert "some/a" not in started


async def _start_refused(children: Children[Life]) -> None:
    with pytest.raises(StartFailed):
        await children.start("a")
