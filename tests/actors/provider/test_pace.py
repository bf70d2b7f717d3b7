"""Busy streams read in step while the loop is late. Lag and load are made, the clock is virtual."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.policy.pacing import LATE, SAMPLE, TICKS, Pacing
from trouper.actors.provider.pace import Pace


@contextmanager
def streaming(pace: Pace) -> Generator[None]:
    pace.begin()
    try:
        yield
    finally:
        pace.end()


LAG = 2 * LATE


async def hog(clock: MockClock, seconds: float, until: Callable[[], bool]) -> None:
    """Be a loop that is `seconds` late at each look, until something is so."""
    for _ in range(1000):
        await wait_all_tasks_blocked()
        if until():
            return
        clock.jump(SAMPLE + seconds)
    raise AssertionError("it never came to that")


async def test_the_tick_rises_under_lag_and_falls_when_calm(mock_clock: MockClock) -> None:
    pace = Pace()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        with streaming(pace):
            assert not pace.paced
            await hog(mock_clock, LAG, lambda: pace.paced)
            assert pace.pacing.tick == TICKS[1]
            await hog(mock_clock, 0.0, lambda: not pace.paced)
        nursery.cancel_scope.cancel()


async def test_readers_are_let_go_together_at_the_tick(mock_clock: MockClock) -> None:
    pace = Pace()
    went: list[float] = []

    async def reader() -> None:
        await pace.wait()
        went.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        with streaming(pace):
            await hog(mock_clock, LAG, lambda: pace.pacing.tick == TICKS[-1])
            async with trio.open_nursery() as readers:
                readers.start_soon(reader)
                readers.start_soon(reader)
                began = trio.current_time()
                mock_clock.autojump_threshold = 0
            assert went[0] == went[1]
            assert went[0] - began <= TICKS[-1] + 2 * SAMPLE
        nursery.cancel_scope.cancel()


async def test_readers_that_came_at_different_times_go_at_different_times(
    autojump_clock: MockClock,
) -> None:
    pace = Pace()
    came: list[float] = []
    went: list[float] = []

    async def reader(after: float) -> None:
        await trio.sleep(after)
        came.append(trio.current_time())
        await pace.wait()
        went.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        with streaming(pace):
            nursery.start_soon(pace.run)
            await wait_all_tasks_blocked()
            pace.pacing = Pacing(len(TICKS) - 1)
            async with trio.open_nursery() as readers:
                for number in range(4):
                    readers.start_soon(reader, SAMPLE * (number + 0.5))
        nursery.cancel_scope.cancel()

    waited = [after - before for before, after in zip(came, went, strict=True)]
    assert len(set(went)) == 4
    assert all(TICKS[-1] - SAMPLE <= each <= TICKS[-1] for each in waited)


@pytest.mark.parametrize(("streams", "paced"), [(15, False), (16, True)])
async def test_a_loop_that_is_busy_paces_its_streams_where_there_are_many(
    streams: int, paced: bool, autojump_clock: MockClock
) -> None:
    pace = Pace(cpu=lambda: 0.8 * trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        with ExitStack() as open_streams:
            for _ in range(streams):
                open_streams.enter_context(streaming(pace))
            await trio.sleep(1.0)

            assert pace.paced is paced
        nursery.cancel_scope.cancel()


async def test_while_nothing_streams_it_sleeps_without_a_timer(mock_clock: MockClock) -> None:
    pace = Pace()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        with streaming(pace):
            await hog(mock_clock, LAG, lambda: pace.paced)
        mock_clock.jump(SAMPLE)
        await wait_all_tasks_blocked()

        assert not pace.paced
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")
        nursery.cancel_scope.cancel()


async def test_when_the_pacemaker_ends_nobody_waits_for_it(autojump_clock: MockClock) -> None:
    pace = Pace()
    pacemaker = trio.CancelScope()

    async def run() -> None:
        with pacemaker:
            await pace.run()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            nursery.start_soon(pace.wait)
            pace.begin()
            await wait_all_tasks_blocked()
            pace.pacing = Pacing(3)
            pacemaker.cancel()

    assert not pace.paced
