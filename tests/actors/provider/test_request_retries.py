"""What is tried again, how often at most, and what is never leaked."""

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta
from tests.fakes.routes import link, open_route, refusal, whole
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.gate.circuit_use import CircuitUse
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.call import Call
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child

CUT = httpx.ReadError("reset by peer")


async def test_one_loop_retries_and_its_tries_do_not_multiply(autojump_clock: MockClock) -> None:
    """Row 27: "Exactly one retry loop; codecs and transport never retry"."""
    down: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        CUT,
        httpx.ReadTimeout("slow"),
        refusal(500),
    ]
    three = RetryPolicy(attempts=3)
    async with open_route(a=Answers(*down), b=Answers(*down), retry=three) as stage:
        streamed = await stage.fails()

        assert stage.counts == {"a": 3, "b": 3}
    assert len(streamed.trail) == 6


async def test_a_plain_call_that_may_have_been_billed_is_sent_once_and_kept_in_the_trail(
    autojump_clock: MockClock,
) -> None:
    """Row 28: "Ambiguous failures: default no retry for non-streaming; charge an 'unknown outcome'
    estimate"."""
    answers = Answers(httpx.ReadTimeout("slow"), whole())
    async with open_route(a=answers) as stage:
        with pytest.raises(ProviderError) as caught:
            await stage.complete()

    assert len(answers.requests) == 1
    assert caught.value.billed == "maybe"
    # Nobody knows what it cost: the ledger counts it at what was reserved.
    assert [(record.kind, record.cost) for record in caught.value.trail] == [("timeout", None)]


async def test_who_allows_it_sends_a_plain_call_that_may_have_been_billed_once_more(
    autojump_clock: MockClock,
) -> None:
    slow = httpx.ReadTimeout("slow")
    answers = Answers(slow, slow, whole())
    async with open_route(a=answers, retry=RetryPolicy(attempts=9, ambiguous=True)) as stage:
        with pytest.raises(ProviderError):
            await stage.complete()

    assert len(answers.requests) == 2


async def test_a_second_target_is_asked_though_the_first_may_have_been_billed(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(httpx.ReadTimeout("slow")), Answers(whole())
    async with open_route(a=a, b=b) as stage:
        completion = await stage.complete()

    assert completion.text == "hello"
    assert [(record.target, record.kind) for record in completion.trail] == [
        ("a/m", "timeout"),
        ("b/m", "ok"),
    ]


async def test_an_outage_of_a_thousand_requests_is_not_made_worse_by_retries(
    autojump_clock: MockClock,
) -> None:
    """At most 1 + the retry budget times as many are sent as were asked for."""

    async def down(request: httpx.Request) -> httpx.Response:
        return refusal(500)

    async with open_route(a=Answers(*[down] * 5000), retry=RetryPolicy(attempts=3)) as stage:

        async def one() -> None:
            with pytest.raises(ProviderError):
                await stage.complete()

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(one)
                await trio.sleep(0.05)
        sent = stage.counts["a"]
        under_way = await stage.in_flight()

    assert 1100 <= sent <= 1200
    assert under_way == {"a/m": 0}


async def test_a_storm_of_cancels_leaves_no_call_in_flight(autojump_clock: MockClock) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(0.01)
        return httpx.Response(200, stream=Body(ROLE, 0.01, delta("x"), 0.01, FINISH, DONE))

    async with open_route(
        [link("a", "b")], a=Answers(*[slow] * 1000), b=Answers(*[slow] * 1000)
    ) as stage:

        async def one(number: int) -> None:
            with trio.move_on_after(number * 0.0002):
                await stage.collect()

        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(one, number)
        await trio.sleep(1)
        under_way = await stage.in_flight()

    assert under_way == {"a/m": 0, "b/m": 0}


async def test_looking_again_and_again_at_a_circuit_leaves_no_longer_a_trail(
    autojump_clock: MockClock,
) -> None:
    async with System(child("circuit", lambda: Circuit("a")), signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("down", 1.0))
        await trio.sleep(2)
        async with (
            CircuitUse(ref) as probe,
            open_route(a=Answers(), gates={"a": Gates(circuit=ref)}) as stage,
        ):
            assert probe.is_probe
            error = await stage.fails(Call(deadline=trio.current_time() + 60))

    assert error.kind is ErrorKind.CIRCUIT_OPEN
    assert [record.kind for record in error.trail] == ["circuit_open"]


async def test_a_circuit_that_waits_for_a_person_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with System(child("circuit", lambda: Circuit("a")), signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("maintenance"))
        began = trio.current_time()
        async with open_route(a=Answers(), gates={"a": Gates(circuit=ref)}) as stage:
            error = await stage.fails()

    assert trio.current_time() - began < 1
    assert error.retry_after is None
    assert "maintenance" in error.message
