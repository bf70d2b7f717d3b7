"""The storm: requests cancelled at random points, and not one place of the pool is lost.

httpcore 1.0.9 loses a place for good when a request is cancelled while it is being
given a connection; with two connections, some hundreds of random cancels and it
hangs. That bug is why this transport exists, so it is what this file is for.
"""

import os
import random
from collections.abc import Callable

import httpx
import pytest
import trio
import trio.testing

from tests.fakes.http_server import Asked, Peer, answer, start_server
from trouper.actors.transport import TrioTransport

OpenTransport = Callable[..., TrioTransport]

REQUESTS = 3000
AT_ONCE = 30


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def moody(peer: Peer, asked: Asked) -> None:
    """A server of many tempers; the path says which."""
    if asked.line.startswith(b"GET /slow"):
        await trio.sleep(random.random() * 0.002)
    if asked.line.startswith(b"GET /hang-up"):
        await peer.hang_up()
    elif asked.line.startswith(b"GET /reset"):
        await peer.reset()
    elif asked.line.startswith(b"GET /cut"):
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell")
        await peer.hang_up()
    elif asked.line.startswith((b"GET /stream", b"GET /held")):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            await peer.send(b"5\r\nhello\r\n")
            await trio.sleep(0.01 if asked.line.startswith(b"GET /held") else 0)
        await peer.send(b"0\r\n\r\n")
    else:
        await answer()(peer, asked)


PATHS = ("plain", "slow", "stream", "stream", "plain", "slow", "hang-up", "reset", "cut")


async def settled(seconds: float = 0.02) -> None:
    await trio.testing.wait_all_tasks_blocked(seconds)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc")
@pytest.mark.parametrize("seed", [1, 2])
async def test_no_place_and_no_descriptor_is_lost_in_a_storm_of_cancels(
    open_transport: OpenTransport, seed: int
) -> None:
    dice = random.Random(seed)
    ends = {"read": 0, "closed": 0, "cancelled": 0, "failed": 0}
    before = open_descriptors()
    transport = open_transport(max_connections=2)

    scopes: list[trio.CancelScope] = []

    async def one(path: str) -> None:
        request = httpx.Request("GET", f"{server.url}{path}")
        with trio.CancelScope() as scope:
            scopes.append(scope)
            if dice.random() < 0.4:
                scope.deadline = trio.current_time() + dice.expovariate(1 / 0.002)
            try:
                response = await transport.handle_async_request(request)
                if dice.random() < 0.2:
                    assert isinstance(response.stream, httpx.AsyncByteStream)
                    await response.stream.aclose()
                    ends["closed"] += 1
                else:
                    await response.aread()
                    ends["read"] += 1
            except httpx.TransportError:
                ends["failed"] += 1
            finally:
                scopes.remove(scope)
        ends["cancelled"] += scope.cancelled_caught
        if scopes and dice.random() < 0.4:
            # In the same breath in which the place just given back went to somebody.
            dice.choice(scopes).cancel()

    async def customer() -> None:
        for _ in range(REQUESTS // AT_ONCE):
            await one(dice.choice(PATHS))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            server = await start_server(nursery, moody)
            async with trio.open_nursery() as customers:
                for _ in range(AT_ONCE):
                    customers.start_soon(customer)
            statistics = transport.statistics()
            assert (statistics.leased, statistics.waiting) == (0, 0)

            stream = httpx.Request("GET", server.url + "held")
            # Both places are there: two answers can be held open at once.
            with trio.fail_after(2):
                held = [await transport.handle_async_request(stream) for _ in range(2)]
                assert transport.statistics().leased == 2
                for response in held:
                    assert await response.aread() == b"hello" * 5
            await settled()
            assert transport.statistics().open == server.open == 2

            await transport.aclose()
            await settled()
            assert server.open == 0
            nursery.cancel_scope.cancel()

    assert open_descriptors() == before
    assert sum(ends.values()) == REQUESTS
    assert min(ends.values()) > REQUESTS * 0.02, f"the storm was no storm: {ends}"


async def test_a_queue_that_is_cancelled_as_a_whole_leaves_nothing_behind(
    open_transport: OpenTransport,
) -> None:
    transport = open_transport(max_connections=1)

    async def stall(_: Peer, __: Asked) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        server = await start_server(nursery, stall)
        async with trio.open_nursery() as queue:
            for _ in range(500):
                request = httpx.Request("GET", server.url)
                queue.start_soon(transport.handle_async_request, request)
            await settled()
            assert transport.statistics().waiting == 499
            queue.cancel_scope.cancel()

        statistics = transport.statistics()
        assert (statistics.open, statistics.waiting) == (0, 0)
        nursery.cancel_scope.cancel()
