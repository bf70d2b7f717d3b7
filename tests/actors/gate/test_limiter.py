"""The limiter, as those who call through it see it. In virtual time."""

import pickle
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import (
    Acquire,
    GetLevel,
    Holder,
    Level,
    LimiterLevel,
    LimiterMessage,
    Observe,
    Pause,
    Priority,
    Settle,
)
from trouper.actors.policy.bucket import NOTHING, Demand, RateLimits
from trouper.actors.wire.rate_limits import Allowance, RateSnapshot
from trouper.runtime import AskTimeout, Ref
from trouper.runtime.testing import running

# A thousand tokens a second, ten thousand at once.
TOKENS = RateLimits(tokens_per_minute=60_000, burst=10)


@asynccontextmanager
async def limiter(
    limits: RateLimits = TOKENS, *, max_in_flight: int | None = None, max_waiting: int = 1_000
) -> AsyncGenerator[Ref[LimiterMessage]]:
    async with running(
        lambda: Limiter("openai", limits, max_in_flight=max_in_flight, max_waiting=max_waiting)
    ) as ref:
        yield ref


async def acquire(ref: Ref[LimiterMessage], tokens: int, **more: object) -> Acquire:
    message = Acquire(Demand(tokens), **more)  # type: ignore[arg-type]
    await ref.ask(message, timeout=inf)
    return message


async def level(ref: Ref[LimiterMessage]) -> LimiterLevel:
    return await ref.ask(GetLevel())


async def tokens(ref: Ref[LimiterMessage]) -> float:
    told = (await level(ref)).tokens
    assert told is not None
    return told.level


async def refusal(call: Callable[[], Awaitable[object]]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call()
    assert caught.value.kind is ErrorKind.LIMITER_TIMEOUT
    return caught.value


def told(remaining: int) -> RateSnapshot:
    return RateSnapshot(tokens=Allowance(remaining=remaining))


async def test_calls_within_the_burst_go_at_once_and_the_next_waits_for_its_tokens(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        began = trio.current_time()
        for _ in range(4):
            assert (await ref.ask(Acquire(Demand(2_500)))).waited == 0
        assert trio.current_time() == began

        grant = await ref.ask(Acquire(Demand(2_000)), timeout=inf)

        assert grant.waited == pytest.approx(2)
        assert trio.current_time() - began == pytest.approx(2)


async def test_a_settled_call_gives_back_what_it_did_not_take(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        first = await acquire(ref, 8_000)
        ref.tell(Settle(first, Demand(1_000, 500)))
        assert await tokens(ref) == 8_500
        ref.tell(Settle(first, NOTHING))
        assert await tokens(ref) == 8_500, "only the first word counts"


async def test_a_call_of_which_nobody_knows_keeps_its_estimate(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        ref.tell(Settle(await acquire(ref, 8_000)))
        assert await tokens(ref) == 2_000
        assert (await level(ref)).in_flight == 0


async def test_who_waits_goes_as_soon_as_others_give_back(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        first = await acquire(ref, 10_000)
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            nursery.start_soon(acquire, ref, 5_000)
            await trio.sleep(1)
            ref.tell(Settle(first, Demand(6_000)))
        assert trio.current_time() - began == pytest.approx(1)


async def test_a_large_call_at_the_head_is_not_overtaken_by_small_ones(
    autojump_clock: MockClock,
) -> None:
    order: list[int] = []

    async def call(ref: Ref[LimiterMessage], size: int) -> None:
        await acquire(ref, size)
        order.append(size)

    async with limiter() as ref:
        await acquire(ref, 9_000)
        async with trio.open_nursery() as nursery:
            for size in (9_500, 500, 400, 300):
                nursery.start_soon(call, ref, size)
                await wait_all_tasks_blocked()
            assert order == []

    assert order == [9_500, 500, 400, 300]


async def test_those_whom_a_person_waits_for_go_first_and_batches_last(
    autojump_clock: MockClock,
) -> None:
    order: list[str] = []

    async def call(ref: Ref[LimiterMessage], name: str, priority: Priority) -> None:
        await acquire(ref, 2_000, priority=priority)
        order.append(name)

    async with limiter() as ref:
        await acquire(ref, 10_000)
        async with trio.open_nursery() as nursery:
            for name, priority in (
                ("batch", Priority.BATCH),
                ("normal 1", Priority.NORMAL),
                ("normal 2", Priority.NORMAL),
                ("person", Priority.INTERACTIVE),
            ):
                nursery.start_soon(call, ref, name, priority)
                await wait_all_tasks_blocked()

    assert order == ["person", "normal 1", "normal 2", "batch"]


async def test_a_call_that_cannot_go_by_its_deadline_is_refused_at_once(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        await acquire(ref, 10_000)
        began = trio.current_time()
        error = await refusal(lambda: acquire(ref, 5_000, deadline=began + 4))

        assert trio.current_time() == began
        assert await tokens(ref) == 0
        assert (await level(ref)).refused == 1

    assert error.retry_after == pytest.approx(5)
    assert (error.provider, error.retryable, error.scope) == ("openai", True, "key")
    assert "its turn comes in 5.0 s and the call has 4.0 s" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


async def test_the_wait_that_is_foretold_counts_those_who_go_before(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref, trio.open_nursery() as nursery:
        await acquire(ref, 10_000)
        nursery.start_soon(acquire, ref, 3_000)
        nursery.start_soon(lambda: acquire(ref, 4_000, priority=Priority.BATCH))
        await wait_all_tasks_blocked()
        soon = trio.current_time() + 1
        normal = await refusal(lambda: acquire(ref, 2_000, deadline=soon))
        batch = await refusal(lambda: acquire(ref, 2_000, priority=Priority.BATCH, deadline=soon))

        assert normal.retry_after == pytest.approx(5)
        assert batch.retry_after == pytest.approx(9)


async def test_a_call_that_was_promised_its_turn_and_did_not_get_it_ends_at_its_deadline(
    autojump_clock: MockClock,
) -> None:
    async with limiter(max_in_flight=1) as ref:
        await acquire(ref, 100)
        began = trio.current_time()
        error = await refusal(lambda: acquire(ref, 100, deadline=began + 3))

        assert trio.current_time() - began == pytest.approx(3)
        assert (await level(ref)).waiting == 0

    assert "its turn did not come by the call's deadline" in str(error)


async def test_calls_under_way_are_limited_in_number(autojump_clock: MockClock) -> None:
    async with limiter(RateLimits(), max_in_flight=2) as ref:
        first = await acquire(ref, 1)
        await acquire(ref, 1)
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            nursery.start_soon(acquire, ref, 1)
            await trio.sleep(100)
            full = await level(ref)
            ref.tell(Settle(first))
        assert trio.current_time() - began == pytest.approx(100)
        assert (full.in_flight, full.max_in_flight, full.waiting) == (2, 2, 1)
        assert full.next_in is None


async def test_the_line_has_a_bound(autojump_clock: MockClock) -> None:
    async with limiter(max_waiting=2) as ref, trio.open_nursery() as nursery:
        await acquire(ref, 10_000)
        for _ in range(2):
            nursery.start_soon(acquire, ref, 2_000)
        await wait_all_tasks_blocked()
        error = await refusal(lambda: acquire(ref, 1_000))

        assert "2 calls wait already" in str(error)
        assert error.retry_after == pytest.approx(5)


async def test_who_gave_up_is_skipped_and_takes_nothing(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        await acquire(ref, 10_000)
        with pytest.raises(AskTimeout):
            await ref.ask(Acquire(Demand(10_000)), timeout=2)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, ref, 9_000)
            await wait_all_tasks_blocked()
            nursery.start_soon(acquire, ref, 500)
            await wait_all_tasks_blocked()
            assert (await level(ref)).waiting == 2
        assert trio.current_time() - began == pytest.approx(7.5)


async def test_when_the_head_leaves_the_next_goes_as_soon_as_it_may(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        await acquire(ref, 10_000)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            leaving = trio.CancelScope()

            async def head() -> None:
                with leaving:
                    await acquire(ref, 10_000)

            nursery.start_soon(head)
            await wait_all_tasks_blocked()
            nursery.start_soon(acquire, ref, 1_000)
            await trio.sleep(1.5)
            leaving.cancel()
        assert trio.current_time() - began == pytest.approx(1.5)


async def test_the_mailbox_is_read_while_others_wait(autojump_clock: MockClock) -> None:
    async with limiter() as ref, trio.open_nursery() as nursery:
        await acquire(ref, 10_000)
        nursery.start_soon(acquire, ref, 1_000)
        await wait_all_tasks_blocked()
        state = await ref.ask(GetLevel(), timeout=0.1)
        assert (state.waiting, state.granted) == (1, 1)
        assert state.next_in == pytest.approx(1)


async def test_what_the_server_says_is_left_is_all_there_is(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        first = await acquire(ref, 1_000)
        await acquire(ref, 500)
        ref.tell(Observe(first, told(2_000)))
        assert await tokens(ref) == 2_000 * 0.95 - 500, "the second call may not be counted yet"
        ref.tell(Observe(first, told(9_000)))
        assert await tokens(ref) == 1_400, "it is never raised"


async def test_a_word_of_the_server_that_took_its_time_has_filled_up_meanwhile(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        first = await acquire(ref, 1_000)
        await trio.sleep(3)
        ref.tell(Observe(first, told(2_000)))
        assert await tokens(ref) == pytest.approx(2_000 * 0.95 + 3_000)


async def test_what_was_settled_or_says_nothing_is_not_folded_in(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        first = await acquire(ref, 1_000)
        ref.tell(Observe(first, RateSnapshot(requests=Allowance(remaining=0))))
        ref.tell(Observe(first, RateSnapshot(tokens=Allowance(limit=10))))
        ref.tell(Settle(first))
        ref.tell(Observe(first, told(0)))
        assert await tokens(ref) == 9_000


async def test_in_a_pause_nothing_goes_and_those_are_told_who_cannot_wait_as_long(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref, trio.open_nursery() as nursery:
        began = trio.current_time()
        await acquire(ref, 10_000)
        nursery.start_soon(acquire, ref, 1_000)
        await wait_all_tasks_blocked()
        hurried: list[ProviderError] = []

        async def hurry() -> None:
            hurried.append(await refusal(lambda: acquire(ref, 1_000, deadline=began + 20)))

        nursery.start_soon(hurry)
        await wait_all_tasks_blocked()
        ref.tell(Pause(30))
        ref.tell(Pause(10))
        await wait_all_tasks_blocked()

        assert trio.current_time() == began
        assert hurried[0].retry_after == pytest.approx(32), "and its own tokens, behind another"
        assert (await level(ref)).paused_for == pytest.approx(30)
        assert (await level(ref)).next_in == pytest.approx(31)
        grant = await ref.ask(Acquire(Demand(1_000)), timeout=inf)
        assert grant.waited == pytest.approx(32)


async def test_no_server_pauses_it_for_longer_than_an_hour(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        ref.tell(Pause(1e9))
        assert (await level(ref)).paused_for == pytest.approx(3600)


async def test_its_state_can_be_read(autojump_clock: MockClock) -> None:
    limits = RateLimits(requests_per_minute=60, input_tokens_per_minute=600, burst=10)
    async with limiter(limits) as ref:
        await acquire(ref, 40)
        state = await level(ref)

    assert state == LimiterLevel(
        requests=Level(level=9, capacity=10, rate=1),
        tokens=None,
        input_tokens=Level(level=60, capacity=100, rate=10),
        output_tokens=None,
        paused_for=0.0,
        in_flight=1,
        max_in_flight=None,
        waiting=0,
        next_in=None,
        granted=1,
        refused=0,
    )


def test_a_call_that_costs_less_than_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="less than nothing"):
        Acquire(Demand(-1), holder=Holder(Demand(), task=None))
    with pytest.raises(ValueError, match="seconds"):
        Pause(-1)
