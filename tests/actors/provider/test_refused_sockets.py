"""What becomes of sockets: refused requests give them back, ended streams keep them, the kernel watches them.

The rows are those of the table of complaints (tests/complaints.py).
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.gates import KEYS, NOTHING, Gated, open_gated
from tests.fakes.http_server import Asked, HttpServer, Peer, start_server
from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    config,
    delta,
    make_request,
    open_target,
    text_of,
)
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import stream
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import Target
from trouper.actors.transport import TrioTransport

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def asked_of(server: HttpServer) -> AsyncGenerator[tuple[Target, TrioTransport]]:
    """A target with two connections, and its pool."""
    pool = TrioTransport(max_connections=2, trust_env=False)
    once = RetryPolicy(attempts=1)
    provider = config(base_url=server.url, max_connections=2)
    async with open_target(lambda: pool, provider, retry=once) as (target, _):
        yield target, pool


async def read(target: Target) -> list[Batch]:
    async with aclosing(stream(make_route([target]), make_request())) as batches:
        return [batch async for batch in batches]


async def test_refusals_of_streams_are_read_and_give_their_connection_back(
    nursery: trio.Nursery,
) -> None:
    """Row 31: error responses to stream requests that are left open exhaust the pool."""

    async def refuse(peer: Peer, _: Asked) -> None:
        body = b'{"error": {"message": "busy", "code": "slow_down"}}'
        await peer.send(b"HTTP/1.1 429 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    server = await start_server(nursery, refuse)
    async with asked_of(server) as (target, pool):
        for _ in range(20):
            with pytest.raises(ProviderError, match="busy") as caught:
                await read(target)
            assert caught.value.kind is ErrorKind.RATE_LIMITED
            assert pool.statistics().leased == 0
    assert server.connections == 1


async def test_a_refusal_without_end_is_closed_after_64_kib(nursery: trio.Nursery) -> None:
    """Row 31: "read <= 64 KiB of error body then close"."""
    sent = 0

    async def refuse(peer: Peer, _: Asked) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            while True:
                await peer.send(chunk(b"no " * 10_000))
                sent += 30_000
        peer.gone = True

    server = await start_server(nursery, refuse)
    async with asked_of(server) as (target, pool):
        for _ in range(5):
            with pytest.raises(ProviderError):
                await read(target)
            assert (pool.statistics().leased, pool.statistics().open) == (0, 0)
        # What the kernel has taken into its buffers was sent, and not read.
        assert sent < 5 * 16 * 1024 * 1024


async def test_what_follows_done_is_read_so_that_the_connection_serves_again(
    nursery: trio.Nursery,
) -> None:
    """Row 30: no drain after [DONE] costs a new connection for each request."""

    async def answer(peer: Peer, _: Asked) -> None:
        await peer.send(STREAM + chunk(ROLE + delta("hi") + FINISH + DONE))
        await trio.sleep(0.02)
        await peer.send(LAST)

    server = await start_server(nursery, answer)
    async with asked_of(server) as (target, _):
        for _ in range(20):
            assert text_of(await read(target)) == "hi"
    assert server.connections == 1


async def test_whoever_does_not_end_its_body_after_done_is_waited_for_briefly_and_left(
    nursery: trio.Nursery,
) -> None:
    """Row 30: "Bounded drain on HTTP/1.1, then close"."""

    async def answer(peer: Peer, _: Asked) -> None:
        await peer.send(STREAM + chunk(ROLE + delta("hi") + FINISH + DONE))
        await trio.sleep_forever()

    server = await start_server(nursery, answer)
    async with asked_of(server) as (target, pool):
        with trio.fail_after(5):
            assert text_of(await read(target)) == "hi"
        assert pool.statistics().open == 0


async def test_leaving_a_stream_closes_its_connection_within_a_second_and_is_in_the_ledger(
    nursery: trio.Nursery,
) -> None:
    """Row 17: "Cancel closes the upstream connection and always posts a ledger record"."""
    left = trio.Event()

    async def answer(peer: Peer, _: Asked) -> None:
        await peer.send(STREAM + chunk(ROLE + delta("hi")))
        with suppress(EOFError, trio.BrokenResourceError):
            await peer.more()
        peer.gone = True
        left.set()

    server = await start_server(nursery, answer)
    async with cancelled_in_the_middle(server) as gated:
        with trio.fail_after(1):
            await left.wait()
        (row,) = await gated.rows()
        assert row.closing is not None
        assert (row.state, row.closing.outcome) == ("settled", "cancelled")
        assert row.closing.usage is not None
        assert row.closing.usage.estimated
        assert await gated.in_flight() == NOTHING


@asynccontextmanager
async def cancelled_in_the_middle(server: HttpServer) -> AsyncGenerator[Gated]:
    provider = config(base_url=server.url, api_keys=KEYS)
    pool = TrioTransport(trust_env=False)
    async with open_gated(provider=provider, transport=lambda: pool) as gated:
        with trio.CancelScope() as scope:
            async with gated.attempt() as attempt:
                async for _ in attempt:
                    scope.cancel()
        assert scope.cancelled_caught
        yield gated


@pytest.mark.skipif(sys.platform != "linux", reason="other systems name the options otherwise")
async def test_the_kernel_asks_a_silent_peer_whether_it_is_there(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 32: NAT drops idle long calls. Asked after a minute, given up after two."""
    opened: list[trio.socket.SocketType] = []
    connect = trio.open_tcp_stream

    async def seen(*args: object, **more: object) -> trio.SocketStream:
        opened.append((tcp := await connect(*args, **more)).socket)  # type: ignore[arg-type]
        return tcp

    async def answer(peer: Peer, _: Asked) -> None:
        await peer.send(STREAM + chunk(ROLE + delta("hi") + FINISH + DONE) + LAST)

    monkeypatch.setattr(trio, "open_tcp_stream", seen)
    server = await start_server(nursery, answer)
    async with asked_of(server) as (target, _):
        await read(target)
        await wait_all_tasks_blocked()
        (ours,) = opened
        tcp = [
            ours.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tcp == [60, 15, 4]
