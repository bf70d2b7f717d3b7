"""Calls through a limiter: however they end, what they did not take is given back."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from math import inf

import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import (
    Acquire,
    GetLevel,
    LimiterLevel,
    LimiterMessage,
    Priority,
)
from trouper.actors.gate.limiter_use import LimiterUse
from trouper.actors.policy.bucket import Demand, RateLimits
from trouper.actors.wire.rate_limits import Allowance, RateSnapshot
from trouper.runtime import ActorDown, AskTimeout, Mailbox, Ref, System, child

# Both fill so slowly that a test sees only what is taken and given back.
LIMITS = RateLimits(requests_per_minute=1e-6, tokens_per_minute=1e-3, burst=6e8)
REQUESTS, TOKENS = 10, 10_000
ESTIMATE = Demand(600, 400)


@asynccontextmanager
async def limiter(
    limits: RateLimits = LIMITS, *, max_in_flight: int | None = None, capacity: int = 1024
) -> AsyncGenerator[Ref[LimiterMessage]]:
    spec = child(
        "limiter",
        lambda: Limiter("openai", limits, max_in_flight=max_in_flight),
        mailbox=Mailbox(capacity),
    )
    async with System(spec, intensity=0, signals=False) as system:
        yield system.ref("limiter", Limiter)


async def taken(ref: Ref[LimiterMessage]) -> tuple[int, int, int]:
    """Requests and tokens that have been taken, and calls under way."""
    state = await ref.ask(GetLevel())
    assert state.requests is not None
    assert state.tokens is not None
    requests, tokens = REQUESTS - state.requests.level, TOKENS - state.tokens.level
    return round(requests), round(tokens), state.in_flight


async def failing(ref: Ref[LimiterMessage], error: BaseException, *, sent: bool = True) -> None:
    with pytest.raises(type(error)):
        async with LimiterUse(ref, ESTIMATE) as admission:
            if sent:
                admission.sent()
            raise error


async def test_a_call_takes_its_estimate_and_leaves_what_it_took(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        async with LimiterUse(ref, ESTIMATE) as admission:
            admission.sent()
            assert await taken(ref) == (1, 1_000, 1)
            admission.settle(Demand(500, 20))
            admission.settle(Demand(1, 1))
        assert await taken(ref) == (1, 520, 0)
        assert admission.waited == 0


async def test_a_call_that_was_never_sent_takes_nothing(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        async with LimiterUse(ref, ESTIMATE):
            pass
        await failing(ref, RuntimeError("a fault before the send"), sent=False)
        for phase in ("pool", "connect"):
            error = ProviderError(kind=ErrorKind.CONNECTION_FAILED, message="no", phase=phase)
            await failing(ref, error)
        assert await taken(ref) == (0, 0, 0)


async def test_a_call_that_the_server_refused_took_a_request_and_no_tokens(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        await failing(ref, ProviderError(kind=ErrorKind.INVALID_REQUEST, message="no", status=400))
        assert await taken(ref) == (1, 0, 0)


async def test_a_call_of_which_nobody_knows_what_it_took_keeps_its_estimate(
    autojump_clock: MockClock,
) -> None:
    async with limiter() as ref:
        await failing(ref, RuntimeError("a fault after the send"))
        await failing(ref, ProviderError(kind=ErrorKind.TIMEOUT, message="no", billed="maybe"))
        with trio.move_on_after(1):
            async with LimiterUse(ref, ESTIMATE) as admission:
                admission.sent()
                await trio.sleep_forever()
        assert await taken(ref) == (3, 3_000, 0)


async def test_a_cancelled_call_is_settled_by_what_it_had_said(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        with trio.move_on_after(1):
            async with LimiterUse(ref, ESTIMATE) as admission:
                admission.sent()
                admission.settle(Demand(7, 8))
                await trio.sleep_forever()
        assert await taken(ref) == (1, 15, 0)


async def test_who_is_cancelled_while_waiting_takes_nothing(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        with trio.move_on_after(1):
            async with LimiterUse(ref, Demand(9_000)), LimiterUse(ref, Demand(9_000)):
                raise AssertionError("there is no room for two")
        assert await taken(ref) == (0, 0, 0)
        assert (await ref.ask(GetLevel())).waiting == 0


async def test_a_429_pauses_all_for_as_long_as_the_server_says_or_for_a_second(
    autojump_clock: MockClock,
) -> None:
    def slow_down(after: float | None) -> ProviderError:
        return ProviderError(
            kind=ErrorKind.RATE_LIMITED, message="slow down", status=429, retry_after=after
        )

    async with limiter() as ref:
        await failing(ref, slow_down(None))
        async with LimiterUse(ref, ESTIMATE) as second:
            pass
        await failing(ref, slow_down(20.0))
        async with LimiterUse(ref, ESTIMATE) as third:
            pass
        assert second.waited == pytest.approx(1)
        assert third.waited == pytest.approx(20)
        assert await taken(ref) == (2, 0, 0)


async def test_the_headers_of_the_answer_are_folded_in(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        async with LimiterUse(ref, ESTIMATE) as admission:
            admission.sent()
            admission.answered(RateSnapshot(tokens=Allowance(remaining=2_000)))
            assert await taken(ref) == (1, TOKENS - 1_900, 1)
            admission.settle(ESTIMATE)
            admission.answered(RateSnapshot(tokens=Allowance(remaining=0)))
        assert await taken(ref) == (1, TOKENS - 1_900, 0)


async def test_a_refusal_holds_nothing(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        async with LimiterUse(ref, Demand(9_000)) as admission:
            with pytest.raises(ProviderError, match="limiter_timeout"):
                async with LimiterUse(
                    ref,
                    Demand(9_000),
                    priority=Priority.INTERACTIVE,
                    deadline=trio.current_time() + 60,
                ):
                    raise AssertionError("there is no room for two")
            admission.settle(Demand(1))
        assert await taken(ref) == (1, 1, 0)


async def test_a_full_mailbox_loses_no_settling(autojump_clock: MockClock) -> None:
    async with limiter(max_in_flight=1, capacity=1) as ref:
        async with LimiterUse(ref, ESTIMATE) as admission:
            admission.sent()
            ref.tell(Acquire(Demand(1)))  # the mailbox is full now
            admission.answered(RateSnapshot(tokens=Allowance(remaining=0)))
            admission.settle(Demand(5, 5))
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        state = await ref.ask(GetLevel())
    assert state.tokens is not None
    assert round(TOKENS - state.tokens.level) == 11
    assert state.waiting == 0


async def test_a_429_pauses_all_where_the_mailbox_is_full_too(autojump_clock: MockClock) -> None:
    def slow_down(after: float) -> ProviderError:
        return ProviderError(kind=ErrorKind.RATE_LIMITED, message="no", retry_after=after)

    async with limiter(capacity=1) as ref:
        first, second = LimiterUse(ref, ESTIMATE), LimiterUse(ref, ESTIMATE)
        async with first, second:
            ref.tell(Acquire(Demand(1)))  # the mailbox is full now
            first.close(slow_down(20.0))
            second.close(slow_down(5.0))
        async with LimiterUse(ref, ESTIMATE) as third:
            assert (await ref.ask(GetLevel())).paused_for == 0

    assert third.waited == pytest.approx(20)


async def test_a_limiter_that_is_down_says_so(autojump_clock: MockClock) -> None:
    async with limiter() as ref:
        pass
    with pytest.raises(ActorDown):
        async with LimiterUse(ref, ESTIMATE):
            raise AssertionError("nobody let it through")


async def storm(rng: random.Random, max_in_flight: int | None) -> tuple[LimiterLevel, int]:
    """Random calls, cancels, faults and deaths; the limiter afterwards, and the most calls at once."""
    limits = RateLimits(requests_per_minute=600, tokens_per_minute=60_000)
    most = calling = 0

    async def call(ref: Ref[LimiterMessage]) -> None:
        nonlocal most, calling
        estimate = Demand(rng.randint(0, 3_000), rng.randint(0, 500))
        begin = trio.current_time()
        deadline = begin + rng.choice([inf, rng.uniform(0, 20)])
        priority = rng.choice(list(Priority))
        with trio.move_on_after(rng.choice([inf, rng.uniform(0, 10), 0.0])):
            try:
                async with LimiterUse(ref, estimate, priority=priority, deadline=deadline) as mine:
                    calling += 1
                    most = max(most, calling)
                    try:
                        await through(mine)
                    finally:
                        calling -= 1
            except (ProviderError, KeyError):
                pass

    async def through(admission: LimiterUse) -> None:
        await trio.sleep(rng.choice([0.0, rng.uniform(0, 2)]))
        admission.sent()
        await trio.sleep(rng.choice([0.0, rng.uniform(0, 5)]))
        admission.answered(RateSnapshot(tokens=Allowance(remaining=rng.randint(5_000, 60_000))))
        match rng.randrange(5):
            case 0:
                raise KeyError("a bug")
            case 1:
                kind = rng.choice([ErrorKind.RATE_LIMITED, ErrorKind.SERVER_ERROR])
                raise ProviderError(kind=kind, message="no", retry_after=rng.uniform(0, 3))
            case 2:
                admission.settle(Demand(rng.randint(0, 4_000), 0))
            case _:
                pass

    async def dies(ref: Ref[LimiterMessage]) -> None:
        with suppress(AskTimeout), trio.move_on_after(rng.uniform(0, 10)):
            await ref.ask(Acquire(Demand(rng.randint(0, 100))), timeout=rng.uniform(0, 20))

    async with limiter(limits, max_in_flight=max_in_flight) as ref:
        with trio.fail_after(3_600):
            async with trio.open_nursery() as nursery:
                for _ in range(200):
                    nursery.start_soon(dies if rng.random() < 0.1 else call, ref)
                    await trio.sleep(rng.choice([0.0, rng.expovariate(10)]))
        state = await ref.ask(GetLevel())
        # Whatever debt is left is paid in time: a call goes through.
        await ref.ask(Acquire(Demand(1)), timeout=600)
    return state, most


@given(st.integers(0, 2**32), st.none() | st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_no_storm_of_cancels_faults_and_deaths_leaks_a_grant(
    seed: int, max_in_flight: int | None
) -> None:
    state, most = trio.run(
        storm, random.Random(seed), max_in_flight, clock=MockClock(autojump_threshold=0)
    )

    assert (state.in_flight, state.waiting) == (0, 0)
    assert max_in_flight is None or most <= max_in_flight
