"""The gates before an attempt: what each of them refuses, and what it is told."""

from typing import Any

import attrs
import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.gates import KEYS, NOTHING, Listening, open_gated, refusal, whole
from tests.fakes.provider import (
    config,
    make_request,
)
from trouper.actors.chat import Sampling
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.gate.limiter_messages import Observe
from trouper.actors.policy.budget import Budget
from trouper.actors.wire.rate_limits import RateSnapshot


async def test_a_request_that_would_be_refused_is_not_sent_and_says_what_is_allowed(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(facts={"fake/m": {"max_output_tokens": 100}}) as gated:
        error = await gated.fails(attrs.evolve(make_request(), max_output_tokens=101))

        assert (error.kind, error.scope) == (ErrorKind.INVALID_REQUEST, "request")
        assert "1 to 100" in error.message
        assert (error.provider, error.model) == ("fake", "m")
        assert await gated.rows() == []


async def test_parameters_that_a_model_takes_at_no_value_are_left_out(
    autojump_clock: MockClock,
) -> None:
    request = attrs.evolve(make_request(), sampling=Sampling(temperature=0.3, seed=1))
    async with (
        open_gated(whole(), facts={"fake/m": {"sampling": "never"}}) as gated,
        gated.attempt(request) as attempt,
    ):
        await attempt.complete()

    assert attempt.request.sampling == Sampling(seed=1)


async def test_an_open_circuit_refuses_before_anything_is_taken(autojump_clock: MockClock) -> None:
    async with open_gated() as gated:
        await gated.system.ref("circuit", Circuit).ask(Trip("for a test", 30.0))
        error = await gated.fails()

        assert error.kind is ErrorKind.CIRCUIT_OPEN
        assert error.trail[0].kind == "circuit_open"
        assert sum(key.used for key in await gated.key_states()) == 0
        assert (await gated.limiter()).granted == 0
        assert await gated.rows() == []


async def test_calls_that_fail_open_the_circuit(autojump_clock: MockClock) -> None:
    async with open_gated(*[refusal(500)] * 10) as gated:
        for _ in range(10):
            await gated.fails()
        assert (await gated.circuit()).state == "open"


async def test_a_crash_of_our_own_is_not_held_against_the_provider(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(*[KeyError("a bug")] * 12) as gated:
        for _ in range(12):
            assert (await gated.fails()).kind is ErrorKind.UNAVAILABLE
        assert (await gated.circuit()).state == "closed"
        assert {row.state for row in await gated.rows()} == {"unknown"}
        assert await gated.in_flight() == NOTHING


async def test_a_key_that_is_refused_is_told_so_and_the_next_attempt_shows_another(
    autojump_clock: MockClock,
) -> None:
    shown: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers["authorization"])
        return refusal(401) if len(shown) == 1 else whole()

    async with open_gated(answer, answer) as gated:
        error = await gated.fails()
        async with gated.attempt() as attempt:
            await attempt.complete()

        assert error.key_id == gated.keys[0]
        assert shown == [f"Bearer {key}" for key in KEYS]
        assert [record.key_id for record in gated.trail] == list(gated.keys)
        assert [key.state for key in await gated.key_states()] == ["dead", "well"]


async def test_without_a_key_that_is_accepted_nothing_is_sent(autojump_clock: MockClock) -> None:
    async with open_gated(refusal(401), refusal(401)) as gated:
        for _ in range(2):
            await gated.fails()
        assert (await gated.fails()).kind is ErrorKind.AUTH
        assert len(gated.trail) == 3
        assert await gated.in_flight() == NOTHING


async def test_a_429_pauses_the_limiter_of_its_key(autojump_clock: MockClock) -> None:
    provider = config(api_keys=KEYS[:1])
    async with open_gated(refusal(429, retry_after="20"), whole(), provider=provider) as gated:
        await gated.fails()
        assert (await gated.limiter()).paused_for == pytest.approx(20)
        async with gated.attempt() as attempt:
            await attempt.complete()

        assert trio.current_time() == pytest.approx(20, abs=0.1)
        assert gated.trail[1].waited == pytest.approx(20, abs=0.1)


async def test_who_cannot_wait_as_long_is_refused_at_once(autojump_clock: MockClock) -> None:
    provider = config(api_keys=KEYS[:1])
    async with open_gated(refusal(429, retry_after="20"), provider=provider) as gated:
        await gated.fails()
        with pytest.raises(ProviderError) as caught:
            async with gated.attempt(deadline=trio.current_time() + 5):
                pass

    assert caught.value.kind is ErrorKind.LIMITER_TIMEOUT
    assert trio.current_time() < 1


LEFT = {"x_ratelimit_remaining_requests": "2", "x_ratelimit_limit_requests": "600"}


@pytest.mark.parametrize("answer", [whole(**LEFT), refusal(500, **LEFT)])
async def test_what_the_headers_say_is_left_reaches_the_limiter(
    answer: httpx.Response, autojump_clock: MockClock
) -> None:
    provider = config(api_keys=KEYS[:1], requests_per_minute=600)
    async with open_gated(answer, provider=provider) as gated:
        before = await gated.limiter()
        try:
            async with gated.attempt() as attempt:
                await attempt.complete()
        except ProviderError:
            pass
        after = await gated.limiter()

    assert before.requests is not None
    assert after.requests is not None
    assert before.requests.level > 80
    assert after.requests.level < 3


async def test_a_call_takes_its_estimate_of_tokens_and_leaves_what_it_took(
    autojump_clock: MockClock,
) -> None:
    provider = config(
        api_keys=KEYS[:1], input_tokens_per_minute=600_000, output_tokens_per_minute=600_000
    )
    request = attrs.evolve(make_request("hello " * 100), max_output_tokens=500)

    async def slow(_: httpx.Request) -> httpx.Response:
        level = await gated.limiter()
        assert level.input_tokens is not None
        assert level.output_tokens is not None
        taken.append(level.input_tokens.capacity - level.input_tokens.level)
        taken.append(level.output_tokens.capacity - level.output_tokens.level)
        return whole()

    taken: list[float] = []
    async with open_gated(slow, provider=provider) as gated:
        async with gated.attempt(request) as attempt:
            await attempt.complete()
        after = await gated.limiter()

    assert 100 <= taken[0] <= 200
    assert taken[1] == 500
    assert after.output_tokens is not None
    assert after.output_tokens.capacity - after.output_tokens.level == pytest.approx(4)


async def test_a_budget_that_does_not_cover_it_refuses_and_gives_all_else_back(
    autojump_clock: MockClock,
) -> None:
    small = Budget(name="small", limit=1_000, per="total", clamp=False)
    async with open_gated(budgets=[small]) as gated:
        error = await gated.fails(attrs.evolve(make_request(), max_output_tokens=100))

        assert error.kind is ErrorKind.BUDGET_EXCEEDED
        assert await gated.in_flight() == NOTHING
        assert (await gated.limiter()).granted == 1


@pytest.mark.parametrize(
    "extra",
    [{"max_tokens": 10**6}, {"n": 100}, {"options": {"num_predict": -1}}],
    ids=["limit", "answers", "ollama"],
)
async def test_no_extra_makes_a_call_cost_more_than_its_budgets_know(
    autojump_clock: MockClock, extra: dict[str, Any]
) -> None:
    large = Budget(name="large", limit=10**12, per="total")
    request = attrs.evolve(make_request(), max_output_tokens=100, extra=extra)
    async with open_gated(budgets=[large]) as gated:
        error = await gated.fails(request)

        assert error.kind is ErrorKind.INVALID_REQUEST
        assert "say max_output_tokens" in error.message
        assert await gated.in_flight() == NOTHING

    async with open_gated(whole()) as gated, gated.attempt(request) as attempt:
        await attempt.complete()  # nobody has set a budget, and nobody minds


async def test_near_the_limit_of_a_budget_a_shorter_answer_is_asked_for(
    autojump_clock: MockClock,
) -> None:
    near = Budget(name="near", limit=5_000_000, per="total")
    request = attrs.evolve(make_request(), max_output_tokens=4_000)
    async with open_gated(whole(), budgets=[near]) as gated, gated.attempt(request) as attempt:
        await attempt.complete()

    assert attempt.request.max_output_tokens is not None
    assert 400 < attempt.request.max_output_tokens < 500


async def test_near_the_limit_of_a_budget_a_thinking_budget_is_kept_or_the_call_refused(
    autojump_clock: MockClock,
) -> None:
    """Anthropic refuses a limit that is no larger than the thinking budget, and a model whose
    limit ends within its thoughts says nothing and is paid."""
    near = Budget(name="near", limit=20_000_000, per="total")
    thinks = attrs.evolve(
        make_request(),
        max_output_tokens=16_000,
        extra={"thinking": {"type": "enabled", "budget_tokens": 1_024}},
    )
    async with open_gated(whole(), budgets=[near]) as gated, gated.attempt(thinks) as attempt:
        await attempt.complete()
    assert attempt.request.max_output_tokens is not None
    assert 1_024 + 256 <= attempt.request.max_output_tokens < 2_000

    thinks_more = attrs.evolve(
        thinks, extra={"thinking": {"type": "enabled", "budget_tokens": 4_096}}
    )
    async with open_gated(budgets=[near]) as gated:
        assert (await gated.fails(thinks_more)).kind is ErrorKind.BUDGET_EXCEEDED
        hard = attrs.evolve(make_request(), max_output_tokens=16_000, reasoning_effort="high")
        assert (await gated.fails(hard)).kind is ErrorKind.BUDGET_EXCEEDED


async def test_a_time_of_day_in_the_headers_is_held_against_the_servers_clock(
    autojump_clock: MockClock,
) -> None:
    wrong_clock = whole(
        date="Sat, 01 Jan 2000 00:00:00 GMT",
        anthropic_ratelimit_requests_remaining="1",
        anthropic_ratelimit_requests_reset="2000-01-01T00:00:09Z",
    )
    told: list[RateSnapshot] = []

    class Told(Listening):
        def tell(self, message: Any) -> None:
            if isinstance(message, Observe):
                told.append(message.snapshot)
            super().tell(message)

    provider = config(api_keys=KEYS[:1], requests_per_minute=600)
    async with open_gated(wrong_clock, provider=provider) as gated:
        gates = gated.target.gates
        heard: Any = {id: Told(ref, []) for id, ref in gates.limiters.items()}
        gated.target = attrs.evolve(gated.target, gates=attrs.evolve(gates, limiters=heard))
        async with gated.attempt() as attempt:
            await attempt.complete()

    assert [snapshot.requests and snapshot.requests.reset for snapshot in told] == [9.0]


async def test_without_limits_what_is_said_of_them_is_not_even_read(
    autojump_clock: MockClock,
) -> None:
    told: list[str] = []
    async with open_gated(whole(**LEFT)) as gated:
        gates = gated.target.gates
        heard: Any = {id: Listening(ref, told) for id, ref in gates.limiters.items()}
        gated.target = attrs.evolve(gated.target, gates=attrs.evolve(gates, limiters=heard))
        async with gated.attempt() as attempt:
            await attempt.complete()

    assert told == ["Settle"]
