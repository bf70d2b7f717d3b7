"""A second attempt beside a slow one: the first that begins wins, the other is left at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Answers,
    Body,
    delta,
    make_request,
    sse,
    text_of,
)
from tests.fakes.routes import Stage, link, open_route, refusal, whole
from trouper.actors.errors import ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import Acquire
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import Choose
from trouper.actors.gate.router_place import RouterPlace
from trouper.actors.policy.bucket import Demand, RateLimits
from trouper.actors.policy.hedging import LEAST_SAMPLES
from trouper.actors.policy.retry_budget import Allowance
from trouper.actors.policy.routing import Candidate, Link
from trouper.actors.provider.request import stream
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child

HEDGE = {"hedge": True}
SLOW_AFTER = 2.0


def generous() -> Router:
    """A router that hedges whenever it may be worth it."""
    return Router(hedges=Allowance(floor=100.0), chance=lambda: 0.0)


async def teach(stage: Stage, *, streamed: bool = True) -> None:
    """Let the router know that nearly all answers of "a" begin within two seconds."""
    for _ in range(LEAST_SAMPLES):
        place = RouterPlace(
            stage.router, Choose(chain=[Link((Candidate("a/m"),))], streamed=streamed)
        )
        await place.take()
        place.began(SLOW_AFTER)
        place.leave()


def later(seconds: float, answer: httpx.Response) -> Callable[[httpx.Request], Awaitable[Any]]:
    async def handle(request: httpx.Request) -> httpx.Response:
        await trio.sleep(seconds)
        return answer

    return handle


async def test_where_the_first_is_slow_the_second_answers_and_the_first_is_stopped(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, 60.0, delta("late"), FINISH, DONE)
    async with open_route(
        a=Answers(slow), b=Answers(sse("quick")), route=HEDGE, router=generous()
    ) as stage:
        await teach(stage)
        began = trio.current_time()
        batches = await stage.collect()
        took = trio.current_time() - began
        await trio.sleep(0.01)
        under_way = await stage.in_flight()

    assert text_of(batches) == "quick"
    assert took == pytest.approx(SLOW_AFTER, abs=0.1)
    assert slow.closed
    assert under_way == {"a/m": 0, "b/m": 0}


async def test_where_the_first_begins_after_all_the_second_is_stopped(
    autojump_clock: MockClock,
) -> None:
    slower = Body(ROLE, 60.0, delta("never"))
    first = Body(ROLE, 3.0, delta("here "), 5.0, delta("I am"), FINISH, DONE)
    async with open_route(
        a=Answers(first), b=Answers(slower), route=HEDGE, router=generous()
    ) as stage:
        await teach(stage)
        batches = await stage.collect()
        under_way = await stage.in_flight()

    assert text_of(batches) == "here I am"
    assert slower.closed
    assert under_way == {"a/m": 0, "b/m": 0}


async def test_who_begins_in_time_is_alone(autojump_clock: MockClock) -> None:
    first = Body(ROLE, 1.9, delta("x"), 60.0, FINISH, DONE)
    async with open_route(a=Answers(first), b=Answers(), route=HEDGE, router=generous()) as stage:
        await teach(stage)
        await stage.collect()

        assert stage.counts == {"a": 1, "b": 0}


async def test_a_plain_call_is_hedged_by_the_pace_of_plain_calls(
    autojump_clock: MockClock,
) -> None:
    async with open_route(
        a=Answers(later(60, whole("late"))),
        b=Answers(later(1, whole("quick"))),
        route=HEDGE,
        router=generous(),
    ) as stage:
        await teach(stage, streamed=False)
        began = trio.current_time()
        completion = await stage.complete()

        assert trio.current_time() - began == pytest.approx(3.0, abs=0.1)
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}
    assert completion.text == "quick"
    assert [(record.target, record.kind) for record in completion.trail] == [
        ("b/m", "ok"),
        ("a/m", "cancelled"),
    ]


async def test_the_second_goes_on_alone_where_the_first_fails(autojump_clock: MockClock) -> None:
    failing = later(3, refusal(500))
    second = Body(ROLE, 10.0, delta("here"), FINISH, DONE)
    async with open_route(
        a=Answers(failing), b=Answers(second), route=HEDGE, router=generous()
    ) as stage:
        await teach(stage)

        assert text_of(await stage.collect()) == "here"
        assert stage.counts == {"a": 1, "b": 1}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}


async def test_where_both_fail_the_chain_goes_on_with_neither(autojump_clock: MockClock) -> None:
    async with open_route(
        a=Answers(later(3, refusal(404))),
        b=Answers(later(3, refusal(404))),
        c=Answers(sse("from c")),
        route=HEDGE,
        router=generous(),
    ) as stage:
        await teach(stage)

        assert text_of(await stage.collect()) == "from c"
        assert stage.counts == {"a": 1, "b": 1, "c": 1}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0, "c/m": 0}


async def test_where_both_are_refused_their_keys_one_shows_another_and_the_other_leaves(
    autojump_clock: MockClock,
) -> None:
    async with open_route(
        a=Answers(later(4, refusal(401)), refusal(401)),
        b=Answers(later(4, refusal(401)), sse("never")),
        c=Answers(sse("from c")),
        keys={"a": ("one", "two"), "b": ("three", "four")},
        route=HEDGE,
        router=generous(),
    ) as stage:
        await teach(stage)

        assert text_of(await stage.collect()) == "from c"
        assert stage.counts == {"a": 2, "b": 1, "c": 1}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0, "c/m": 0}


async def test_a_first_that_fails_before_it_is_slow_is_no_case_for_a_second(
    autojump_clock: MockClock,
) -> None:
    async with open_route(
        a=Answers(later(1, refusal(404))),
        b=Answers(),
        route=HEDGE,
        router=generous(),
        chain=[link("a")],
    ) as stage:
        await teach(stage)
        with pytest.raises(ProviderError):
            await stage.complete()

        assert stage.counts == {"a": 1, "b": 0}


async def test_a_second_that_its_circuit_refuses_is_not_made(autojump_clock: MockClock) -> None:
    first = Body(ROLE, 30.0, delta("late"), FINISH, DONE)
    async with System(child("circuit", lambda: Circuit("b")), signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("down"))
        async with open_route(
            a=Answers(first),
            b=Answers(),
            gates={"b": Gates(circuit=ref)},
            route=HEDGE,
            router=generous(),
        ) as stage:
            await teach(stage)

            assert text_of(await stage.collect()) == "late"
            assert stage.counts == {"a": 1, "b": 0}
            assert await stage.in_flight() == {"a/m": 0, "b/m": 0}


async def test_a_second_goes_through_a_limiter_that_has_room(autojump_clock: MockClock) -> None:
    limiter = child("limiter", lambda: Limiter("b", RateLimits(requests_per_minute=60)))
    async with System(limiter, signals=False) as system:
        gates = {"b": Gates(limiters={"": system.ref("limiter", Limiter)})}
        async with open_route(
            a=Answers(Body(ROLE, 60.0)),
            b=Answers(sse("quick")),
            gates=gates,
            route=HEDGE,
            router=generous(),
        ) as stage:
            await teach(stage)

            assert text_of(await stage.collect()) == "quick"


async def test_a_second_that_its_limiter_does_not_let_through_at_once_is_not_made(
    autojump_clock: MockClock,
) -> None:
    first = Body(ROLE, 30.0, delta("late"), FINISH, DONE)
    async with System(
        child("limiter", lambda: Limiter("b", RateLimits(), max_in_flight=1)), signals=False
    ) as system:
        ref = system.ref("limiter", Limiter)
        await ref.ask(Acquire(Demand()))
        async with open_route(
            a=Answers(first),
            b=Answers(),
            gates={"b": Gates(limiters={"": ref})},
            route=HEDGE,
            router=generous(),
        ) as stage:
            await teach(stage)

            assert text_of(await stage.collect()) == "late"
            assert stage.counts == {"a": 1, "b": 0}
            assert await stage.in_flight() == {"a/m": 0, "b/m": 0}


async def test_a_second_whose_gates_are_slow_has_not_failed_and_may_be_asked_later(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So no gate at all is quick enough for a second one.
    monkeypatch.setattr("trouper.actors.provider.hedge._AT_ONCE", 0.0)
    limiter = child("limiter", lambda: Limiter("b", RateLimits()))
    async with System(limiter, signals=False) as system:
        gates = {"b": Gates(limiters={"": system.ref("limiter", Limiter)})}
        async with open_route(
            a=Answers(later(4, refusal(404))),
            b=Answers(sse("from b")),
            gates=gates,
            route=HEDGE,
            router=generous(),
        ) as stage:
            await teach(stage)
            answer = stream(stage.route, make_request())

            assert text_of([batch async for batch in answer]) == "from b"
            assert stage.counts == {"a": 1, "b": 1}
            assert await stage.in_flight() == {"a/m": 0, "b/m": 0}
    assert [(record.target, record.kind) for record in answer.trail] == [
        ("b/m", "cancelled"),
        ("a/m", "model_not_found"),
        ("b/m", "ok"),
    ]


async def test_leaving_in_the_middle_of_a_race_stops_both(autojump_clock: MockClock) -> None:
    bodies = [Body(ROLE, 60.0, delta("x")) for _ in "ab"]
    async with open_route(
        a=Answers(bodies[0]), b=Answers(bodies[1]), route=HEDGE, router=generous()
    ) as stage:
        await teach(stage)
        with trio.move_on_after(10):
            await stage.collect()
        await trio.sleep(0.01)

        assert stage.counts == {"a": 1, "b": 1}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}
    assert [body.closed for body in bodies] == [True, True]


async def test_at_most_one_request_in_twenty_has_a_second_attempt(
    autojump_clock: MockClock,
) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(10)
        return whole()

    async with open_route(
        a=Answers(*[slow] * 1000), b=Answers(*[slow] * 1000), route=HEDGE
    ) as stage:
        await teach(stage, streamed=False)
        async with trio.open_nursery() as nursery:
            for _ in range(400):
                nursery.start_soon(stage.complete)
                await trio.sleep(0.1)

        assert stage.counts["a"] == 400
        assert 15 <= stage.counts["b"] <= 20
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}
