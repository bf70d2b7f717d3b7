"""Connections, cancels and slow readers over real sockets: nothing is leaked, nothing piles up."""

import os
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import psutil
import trio

from tests.fakes.provider import config, make_request, open_target, text_of
from tests.fakes.simulator import SimulatorProcess
from trouper.actors.errors import ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import stream
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import Target
from trouper.actors.transport import TrioTransport
from trouper.runtime import System


@asynccontextmanager
async def opened(
    simulator: SimulatorProcess, max_connections: int = 64
) -> AsyncGenerator[tuple[Target, System, TrioTransport]]:
    """A target, its system, and the transport of its connection."""
    pools: list[TrioTransport] = []

    def pool() -> TrioTransport:
        pools.append(TrioTransport(max_connections=max_connections, trust_env=False))
        return pools[-1]

    provider = config(base_url=simulator.base_url, max_connections=max_connections)
    retry = RetryPolicy(base_delay=0.01, max_delay=0.02)
    async with open_target(pool, provider, retry=retry) as (target, system):
        yield target, system, pools[-1]


async def read(target: Target, text: str = "hello") -> list[Batch]:
    async with aclosing(stream(make_route([target]), make_request(text))) as batches:
        return [batch async for batch in batches]


def in_hand(system: System) -> int:
    return sum(len(actor.in_hand) + actor.depth for actor in system.snapshot())


async def test_one_connection_serves_one_request_after_the_other(
    simulator: SimulatorProcess,
) -> None:
    async with opened(simulator) as (target, _, pool):
        for _ in range(20):
            assert text_of(await read(target)) == "You said: hello"
            assert pool.statistics().open == 1
            assert pool.statistics().idle == 1


async def test_leaving_early_frees_the_connection_and_the_provider_hears_it(
    simulator: SimulatorProcess,
) -> None:
    simulator.script({"reply": {"text": "word ", "repeat": 1000, "pace": 0.01}})
    async with opened(simulator, 1) as (target, system, pool):
        async with aclosing(stream(make_route([target]), make_request())) as batches:
            await anext(batches)
            assert pool.statistics().leased == 1
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().open == 0
        assert in_hand(system) == 0
        log = await simulator.wait_requests(lambda log: log[0]["outcome"] != "serving")
    assert log[0]["outcome"] == "client left"


async def test_a_slow_reader_is_the_providers_matter_and_not_our_memorys(
    simulator: SimulatorProcess,
) -> None:
    # Some 40 MB on the wire, if nobody stops it.
    simulator.script({"reply": {"text": "0123456789 " * 4, "repeat": 50_000}})
    process = psutil.Process()
    async with opened(simulator) as (target, _, pool):
        async with aclosing(stream(make_route([target]), make_request())) as batches:
            await anext(batches)
            before = process.memory_info().rss
            sent = await _stands_still(simulator)
            assert sent < 12 * 1024 * 1024
            assert process.memory_info().rss - before < 16 * 1024 * 1024
        await trio.testing.wait_all_tasks_blocked()
        assert pool.statistics().open == 0


async def _stands_still(simulator: SimulatorProcess) -> int:
    """How many bytes the simulator has sent, once it sends no more."""
    sent, before = 0, -1
    while sent != before:
        await trio.sleep(0.3)
        sent, before = simulator.requests()[-1]["bytes"], sent
    return sent


async def test_a_storm_of_cancels_leaks_nothing(simulator: SimulatorProcess) -> None:
    simulator.script(
        {
            "contains": "cut",
            "reply": {"text": "a b c d e", "pace": 0.003},
            "fault": {"kind": "cut", "after": 500},
        },
        {"contains": "busy", "fault": {"kind": "status", "status": 500}},
        {"reply": {"text": "a b c d e f", "pace": 0.003}},
    )
    chance = random.Random(7)
    files = len(os.listdir("/proc/self/fd"))
    outcomes = {"whole": 0, "left": 0, "failed": 0}

    async def client(target: Target) -> None:
        for _ in range(25):
            text = chance.choice(["fine", "cut", "busy", "fine"])
            with trio.move_on_after(chance.uniform(0, 0.2)) as scope:
                try:
                    await read(target, text)
                except ProviderError:
                    outcomes["failed"] += 1
                else:
                    outcomes["whole"] += 1
            outcomes["left"] += scope.cancelled_caught

    with trio.fail_after(60):
        async with opened(simulator, 4) as (target, system, pool):
            tasks = trio.lowlevel.current_statistics().tasks_living
            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(client, target)
            await trio.testing.wait_all_tasks_blocked()

            assert all(outcomes.values()), outcomes
            assert in_hand(system) == 0
            assert trio.lowlevel.current_statistics().tasks_living == tasks
            left = pool.statistics()
            assert (left.leased, left.waiting) == (0, 0)
            assert left.open == left.idle <= 4
            assert text_of(await read(target)) == "a b c d e f"

    await trio.testing.wait_all_tasks_blocked()
    assert len(os.listdir("/proc/self/fd")) == files
