"""Whose grants are: each is one call, and is given back whatever becomes of its owner."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import (
    Acquire,
    GetLevel,
    Holder,
    LimiterLevel,
    LimiterMessage,
    Settle,
)
from trouper.actors.policy.bucket import Demand, RateLimits
from trouper.runtime import Ref, Reject
from trouper.runtime.testing import running

# A thousand tokens a second, ten thousand at once.
TOKENS = RateLimits(tokens_per_minute=60_000, burst=10)


@asynccontextmanager
async def limiter(
    limits: RateLimits = TOKENS, *, max_in_flight: int | None = None
) -> AsyncGenerator[Ref[LimiterMessage]]:
    async with running(lambda: Limiter("openai", limits, max_in_flight=max_in_flight)) as ref:
        yield ref


async def acquire(ref: Ref[LimiterMessage], tokens: int, holder: Holder | None = None) -> Acquire:
    message = Acquire(Demand(tokens), holder=holder or Holder(Demand(tokens)))
    await ref.ask(message, timeout=inf)
    return message


async def level(ref: Ref[LimiterMessage]) -> LimiterLevel:
    return await ref.ask(GetLevel())


async def tokens(ref: Ref[LimiterMessage]) -> float:
    told = (await level(ref)).tokens
    assert told is not None
    return told.level


async def test_an_acquire_is_one_call_however_often_it_is_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref, trio.open_nursery() as nursery:
        first = await acquire(ref, 8_000)
        assert (await ref.ask(first)).waited == 0
        assert await tokens(ref) == 2_000
        second = Acquire(Demand(4_000))
        nursery.start_soon(lambda: ref.ask(second, timeout=inf))
        await wait_all_tasks_blocked()
        with pytest.raises(Reject, match="stands in line already"):
            await ref.ask(second)


async def test_what_a_dead_owner_held_is_taken_back_and_its_estimate_kept(
    autojump_clock: MockClock,
) -> None:
    async with limiter(max_in_flight=1) as ref:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, ref, 4_000)  # and it ends without a word
        assert (await level(ref)).in_flight == 0
        assert await tokens(ref) == 6_000


async def test_a_line_behind_a_dead_owner_moves_on_within_a_second(
    autojump_clock: MockClock,
) -> None:
    async with limiter(RateLimits(), max_in_flight=1) as ref:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, ref, 1)
        began = trio.current_time()
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(acquire, ref, 1)
        assert trio.current_time() - began <= 3


async def test_owners_that_die_do_not_pile_up_where_nobody_waits(
    autojump_clock: MockClock,
) -> None:
    async with running(lambda: Limiter("openai", RateLimits())) as ref:
        for _ in range(300):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(acquire, ref, 1)
        mine = [await acquire(ref, 1) for _ in range(100)]
        state = await level(ref)
    assert state.in_flight == len(mine)
    assert state.granted == 400


async def test_without_an_owner_a_grant_lasts_until_it_is_settled(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        free = await acquire(ref, 1, holder=Holder(Demand(1), task=None))
        assert (await level(ref)).in_flight == 1
        free.holder.result = Demand(2_000)
        assert (await level(ref)).in_flight == 0
        assert await tokens(ref) == 8_000


async def test_a_grant_that_crosses_with_the_leave_of_its_asker_is_given_back(
    autojump_clock: MockClock,
) -> None:
    """However many steps the leave comes after what lets it go."""

    async def cross(ref: Ref[LimiterMessage], first: Acquire, steps: int) -> bool:
        """Let the next go, and cancel it so many steps later; whether it went."""
        leaving = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            # No owner that could be found dead: only the limiter can give it back.
            async def asks() -> None:
                with leaving:
                    granted.append(await acquire(ref, 1, Holder(Demand(1), task=None)))

            granted: list[Acquire] = []
            nursery.start_soon(asks)
            await wait_all_tasks_blocked()
            ref.tell(Settle(first))
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            leaving.cancel()
        for each in granted:
            ref.tell(Settle(each))
        return bool(granted)

    async with limiter(RateLimits(), max_in_flight=1) as ref:
        went: set[bool] = set()
        for steps in [0, 1, 2, 3, 4, 5, 6, 8] * 4:
            first = await acquire(ref, 1)
            went.add(await cross(ref, first, steps))
            await wait_all_tasks_blocked()
            state = await level(ref)
            assert (state.in_flight, state.waiting) == (0, 0), f"after {steps} steps"
    assert went == {True, False}
