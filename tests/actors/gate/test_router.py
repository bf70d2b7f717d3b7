"""The router: calls are spread, retries and hedges are bounded, and no place is leaked."""

import gc
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import Choose, Chosen, GetInFlight, RouterMessage
from trouper.actors.gate.router_place import RouterPlace
from trouper.actors.policy.hedging import LEAST_SAMPLES
from trouper.actors.policy.retry_budget import Allowance
from trouper.actors.policy.routing import Candidate, GiveUp, Link, Wait
from trouper.runtime import Mailbox, Ref, System, child

EQUALS = (Link((Candidate("a"), Candidate("b"))),)
ROW = (Link((Candidate("a"),)), Link((Candidate("b"),)))
ALONE = (Link((Candidate("a"),)),)

SLOW = ProviderError(kind=ErrorKind.TIMEOUT, message="it is slow")
DOWN = ProviderError(kind=ErrorKind.SERVER_ERROR, message="no")


@asynccontextmanager
async def router(capacity: int = 1024, **more: Any) -> AsyncGenerator[Ref[RouterMessage]]:
    """A router for which chance always picks the first."""
    spec = child(
        "router", lambda: Router(chance=lambda: 0.0, **more), mailbox=Mailbox(capacity), poison=0
    )
    async with System(spec, intensity=100, signals=False) as system:
        yield system.ref("router", Router)


async def in_flight(ref: Ref[RouterMessage]) -> dict[str, int]:
    return dict(await ref.ask(GetInFlight()))


async def take(ref: Ref[RouterMessage] | None, **more: Any) -> tuple[RouterPlace, object]:
    fields: dict[str, Any] = {"chain": ROW, **more}
    place = RouterPlace(ref, Choose(**fields))
    return place, await place.take()


async def teach(ref: Ref[RouterMessage], seconds: float = 1.0, **more: Any) -> None:
    """Let it know that both targets begin after so many seconds."""
    for chain in (ALONE, (Link((Candidate("b"),)),)):
        for _ in range(LEAST_SAMPLES):
            place, _choice = await take(ref, **{"chain": chain, **more})
            place.began(seconds)
            place.leave()


async def test_calls_go_to_the_equal_that_has_fewest_under_way() -> None:
    async with router() as ref:
        places = [await take(ref, chain=EQUALS) for _ in range(5)]
        assert [choice for _, choice in places] == [Chosen(name) for name in "ababa"]

        for place, choice in places:
            if choice == Chosen("a"):
                place.leave()
        assert await in_flight(ref) == {"a": 0, "b": 2}
        _, choice = await take(ref, chain=EQUALS)

    assert choice == Chosen("a")


async def test_a_target_that_is_not_to_be_asked_yet_is_passed_by_or_waited_for(
    autojump_clock: MockClock,
) -> None:
    later = trio.current_time() + 5
    async with router() as ref:
        _, passed_by = await take(ref, not_before={"a": later})
        _, waited_for = await take(ref, chain=ALONE, not_before={"a": later})
        _, too_late = await take(ref, chain=ALONE, not_before={"a": later}, deadline=later)
        assert await in_flight(ref) == {"b": 1}

    assert passed_by == Chosen("b")
    assert waited_for == Wait(later)
    assert too_late == GiveUp(later)


async def test_a_place_is_given_back_once_however_often_it_is_said() -> None:
    async with router() as ref:
        first, _ = await take(ref)
        second, _ = await take(ref)
        first.leave()
        first.leave()

        assert await in_flight(ref) == {"a": 1}
        second.leave()


async def test_a_storm_of_cancels_leaves_nothing_in_flight(autojump_clock: MockClock) -> None:
    chance = random.Random(7)

    async def call(ref: Ref[RouterMessage]) -> None:
        place = RouterPlace(ref, Choose(chain=EQUALS))
        try:
            await place.take()
            await trio.sleep(chance.random() / 100)
        finally:
            place.leave()

    async def cancelled_call(ref: Ref[RouterMessage]) -> None:
        with trio.move_on_after(chance.choice([0, chance.random() / 100])):
            await call(ref)

    async with router() as ref:
        for _ in range(20):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(cancelled_call, ref)
        assert await in_flight(ref) == {"a": 0, "b": 0}


async def test_the_place_of_a_task_that_died_without_a_word_is_given_back() -> None:
    async with router() as ref:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, ref)
        gc.collect()

        assert await in_flight(ref) == {"a": 0}


async def test_dead_callers_are_noticed_while_calls_come_though_nobody_asks() -> None:
    async with router() as ref:
        for _ in range(200):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take, ref)
        _, choice = await take(ref)
        places = (await in_flight(ref))["a"]

    assert choice == Chosen("a")
    assert places == 1


async def test_a_place_whose_leave_found_the_mailbox_full_is_given_back() -> None:
    async with router(capacity=1) as ref:
        place, _ = await take(ref)
        other, _ = await take(ref)
        other.leave()
        place.leave()  # which finds the mailbox full of the other one's
        await wait_all_tasks_blocked()

        assert await in_flight(ref) == {"a": 0}


async def test_a_retry_is_paid_for_by_requests_and_refused_where_none_is_left(
    autojump_clock: MockClock,
) -> None:
    few = Allowance(share=0.5, floor=1.0, most=2.0, seconds=1000.0)
    failed = (("a", DOWN),)
    async with router(retries=few) as ref:
        await take(ref)
        answers = [(await take(ref, again=True, failures=failed))[1] for _ in range(3)]
        alone = [(await take(ref, chain=ALONE, again=True, failures=failed))[1] for _ in range(2)]

    # What is refused to the one that failed goes to the next in the chain.
    assert answers == [Chosen("a"), Chosen("b"), Chosen("b")]
    assert alone == [GiveUp(), GiveUp()]


async def test_retries_of_one_target_take_none_from_another(autojump_clock: MockClock) -> None:
    one = Allowance(share=0.0, floor=1.0, most=1.0, seconds=1000.0)
    async with router(retries=one) as ref:
        await take(ref, again=True, failures=(("a", DOWN),))
        _, again = await take(ref, again=True, failures=(("a", DOWN), ("b", DOWN)))

    assert again == Chosen("b")


async def test_a_call_is_slow_after_the_95th_percentile_once_enough_is_known(
    autojump_clock: MockClock,
) -> None:
    async with router() as ref:
        _, early = await take(ref, hedging=True)
        await teach(ref, 2.0)
        _, known = await take(ref, hedging=True)
        _, not_wanted = await take(ref)
        _, whole = await take(ref, hedging=True, streamed=False)

    assert early == Chosen("a")
    assert known == Chosen("a", hedge_after=2.0)
    assert not_wanted == Chosen("a")
    # How long a plain call takes is another matter.
    assert whole == Chosen("a")


async def test_a_second_attempt_goes_to_another_target_or_else_to_another_key(
    autojump_clock: MockClock,
) -> None:
    slow = (("a", SLOW),)
    async with router(hedges=Allowance(floor=9.0)) as ref:
        _, other = await take(ref, second=True, failures=slow)
        _, same = await take(ref, chain=ALONE, second=True, failures=slow, again=True)
        _, nobody = await take(ref, chain=ALONE, second=True, failures=slow)
        in_time = trio.current_time() + 5
        _, later = await take(ref, second=True, failures=slow, not_before={"b": in_time})

    assert other == Chosen("b")
    assert same == Chosen("a")
    assert nobody == GiveUp()
    assert later == GiveUp()


async def test_at_most_one_request_in_twenty_is_hedged(autojump_clock: MockClock) -> None:
    async with router() as ref:
        await teach(ref)
        hedged = 0
        for _ in range(1000):
            first, _ = await take(ref, hedging=True)
            second, choice = await take(ref, hedging=True, second=True, failures=(("a", SLOW),))
            hedged += isinstance(choice, Chosen)
            first.leave()
            second.leave()

    assert 45 <= hedged <= 50


async def test_a_router_that_crashes_costs_balance_and_no_request(
    autojump_clock: MockClock,
) -> None:
    lives: list[Router] = []

    def unlucky() -> Router:
        lives.append(Router(chance=lambda: 1 / 0 if len(lives) == 1 else 0.0))
        return lives[-1]

    async with System(child("router", unlucky), intensity=100, signals=False) as system:
        ref = system.ref("router", Router)
        _, crashed = await take(ref)
        _, waited = await take(ref)
        await trio.sleep(60)
        _, answered = await take(ref)
        counted = await in_flight(ref)

    assert [crashed, waited, answered] == [Chosen("a")] * 3
    # What stood in its mailbox was answered by the next life.
    assert counted == {"a": 2}


async def test_without_a_router_the_chain_decides_and_retries_are_not_counted() -> None:
    asked = Counter[object]()
    for _ in range(100):
        place, choice = await take(None, chain=EQUALS)
        asked[choice] += 1
        place.leave()
    _, second = await take(None, second=True, failures=(("a", SLOW),))
    _, again = await take(None, again=True, failures=(("a", DOWN),))

    assert set(asked) == {Chosen("a"), Chosen("b")}
    assert second == GiveUp()
    assert again == Chosen("a")
