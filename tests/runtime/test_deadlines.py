"""The deadlines of asks: each is met, and none is kept for longer than it is needed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock

from trouper.runtime import AskTimeout
from trouper.runtime.deadlines import Deadlines
from trouper.runtime.replies import Promise


@asynccontextmanager
async def running() -> AsyncGenerator[Deadlines]:
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.run)
        await trio.testing.wait_all_tasks_blocked()
        yield deadlines
        nursery.cancel_scope.cancel()


def asked(deadlines: Deadlines, timeout: float) -> Promise:
    promise = Promise()
    deadlines.add(promise, "a", trio.current_time(), timeout)
    return promise


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0]) | st.floats(0, 10), max_size=30))
def test_every_deadline_is_met_at_its_time(timeouts: list[float]) -> None:
    late: list[float] = []

    async def wait(promise: Promise, timeout: float) -> None:
        began = trio.current_time()
        await promise.settled()
        with pytest.raises(AskTimeout):
            promise.result()
        late.append(abs(trio.current_time() - began - timeout))

    async def main() -> None:
        async with running() as deadlines, trio.open_nursery() as nursery:
            for timeout in timeouts:
                nursery.start_soon(wait, asked(deadlines, timeout), timeout)
        assert len(deadlines) == 0

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert len(late) == len(timeouts)
    assert max(late, default=0) < 1e-6


async def test_answered_asks_leave_when_they_come_to_the_head(autojump_clock: MockClock) -> None:
    async with running() as deadlines:
        first, second = asked(deadlines, 5), asked(deadlines, 5)
        second.succeed(None)
        deadlines.settled(5)
        assert len(deadlines) == 2
        first.succeed(None)
        deadlines.settled(5)
        assert len(deadlines) == 0


async def test_one_slow_ask_does_not_keep_all_that_were_answered_behind_it(
    autojump_clock: MockClock,
) -> None:
    async with running() as deadlines:
        slow = asked(deadlines, 60)
        for _ in range(10_000):
            asked(deadlines, 60).succeed(None)
            deadlines.settled(60)

        assert slow.pending
        assert len(deadlines) < 600


async def test_timeouts_that_are_used_once_leave_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    async with running() as deadlines:
        for number in range(10_000):
            asked(deadlines, 60 + number / 1000).succeed(None)
            deadlines.settled(60 + number / 1000)

        assert len(deadlines._lanes) < 100


async def test_a_deadline_may_pass_before_its_asker_says_that_it_has_ended(
    autojump_clock: MockClock,
) -> None:
    async with running() as deadlines:
        promise = asked(deadlines, 5)
        await trio.sleep(6)
        assert promise.abandoned
        deadlines.settled(5)
        assert len(deadlines) == 0
