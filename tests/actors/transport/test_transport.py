"""Requests and responses over real loopback sockets."""

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest
import trio
import trio.testing

from tests.fakes.http_server import Asked, Peer, answer, start_server
from trouper.actors.transport import TransportStatistics, TrioTransport

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def idle_of(transport: TrioTransport) -> TransportStatistics:
    """What is left when nothing is under way: idle connections, and no lost place."""
    statistics = transport.statistics()
    assert (statistics.leased, statistics.waiting) == (0, 0)
    return statistics


async def pieces_of(response: httpx.Response) -> list[bytes]:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return [piece async for piece in response.stream]


OpenTransport = Callable[..., TrioTransport]


async def test_each_piece_of_a_stream_is_what_one_read_gave(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    more = trio.Event()

    async def two_writes(peer: Peer, _: Asked) -> None:
        await peer.send(CHUNKED + chunk(b"one ") + chunk(b"two "))
        await more.wait()
        await peer.send(chunk(b"three ") + chunk(b"four") + b"0\r\n\r\n")

    server = await start_server(nursery, two_writes)
    response = await transport.handle_async_request(httpx.Request("GET", server.url))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    stream = aiter(response.stream)

    assert await anext(stream) == b"one two "
    more.set()
    assert await anext(stream) == b"three four"
    assert idle_of(transport).idle == 1, "the connection goes back with the last byte"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_short_answer_gives_its_connection_back_at_once(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())

    response = await transport.handle_async_request(httpx.Request("GET", server.url))

    assert idle_of(transport).idle == 1
    assert await pieces_of(response) == [b"hello"]


async def test_one_connection_serves_request_after_request(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())

    for _ in range(5):
        response = await transport.handle_async_request(httpx.Request("GET", server.url))
        await response.aread()

    assert server.connections == 1


@pytest.mark.parametrize("end", ["length", "close"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_packed_content_reads_the_same_by_stream_and_by_response(
    nursery: trio.Nursery, transport: TrioTransport, coding: str, end: str
) -> None:
    text = b"hello world " * 1000
    packed = gzip.compress(text) if coding == "gzip" else zlib.compress(text)

    async def handler(peer: Peer, _: Asked) -> None:
        length = b"Content-Length: %d\r\n" % len(packed) if end == "length" else b""
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n%b\r\n" % (coding.encode(), length)
        await peer.send(head + packed)
        if end == "close":
            await peer.hang_up()

    server = await start_server(nursery, handler)

    first = await transport.handle_async_request(httpx.Request("GET", server.url))
    second = await transport.handle_async_request(httpx.Request("GET", server.url))

    assert b"".join(await pieces_of(first)) == text
    assert await second.aread() == text
    assert "content-encoding" not in second.headers
    assert "content-length" not in second.headers
    assert second.extensions["content_encoding"] == coding.encode()


async def test_content_that_is_not_packed_as_said_is_an_error(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer(b"<html>", b"200 OK", b"Content-Encoding: gzip"))
    response = await transport.handle_async_request(httpx.Request("GET", server.url))

    with pytest.raises(httpx.DecodingError, match="no valid gzip"):
        await response.aread()

    assert idle_of(transport).idle == 1


async def test_codings_that_are_not_ours_pass_as_they_come(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer(b"packed", b"200 OK", b"Content-Encoding: zz"))

    response = await transport.handle_async_request(httpx.Request("GET", server.url))

    assert await pieces_of(response) == [b"packed"]
    assert response.headers["content-encoding"] == "zz"


async def test_head_gets_headers_and_no_body(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    async def handler(peer: Peer, _: Asked) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n")

    server = await start_server(nursery, handler)

    for _ in range(2):
        response = await transport.handle_async_request(httpx.Request("HEAD", server.url))
        assert await response.aread() == b""
        assert response.headers["content-length"] == "500"

    assert server.connections == 1


async def test_a_response_that_is_closed_early_costs_its_connection_and_no_place(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    async def endless(peer: Peer, _: Asked) -> None:
        await peer.send(CHUNKED)
        while True:
            await peer.send(chunk(b"x" * 1000))

    server = await start_server(nursery, endless)
    response = await transport.handle_async_request(httpx.Request("GET", server.url))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    assert await anext(aiter(response.stream))

    await response.stream.aclose()
    await response.stream.aclose()

    assert idle_of(transport).open == 0
    with pytest.raises(httpx.StreamClosed):
        await anext(aiter(response.stream))


async def test_a_body_over_its_limit_is_an_error(
    nursery: trio.Nursery, open_transport: OpenTransport
) -> None:
    transport = open_transport(max_body_bytes=1000)
    server = await start_server(nursery, answer(b"x" * 1001))
    response = await transport.handle_async_request(httpx.Request("GET", server.url))

    with pytest.raises(httpx.RemoteProtocolError, match="over its limit"):
        await response.aread()

    assert idle_of(transport).waiting == 0


async def test_the_same_limit_lets_a_body_of_its_size_through(
    nursery: trio.Nursery, open_transport: OpenTransport
) -> None:
    transport = open_transport(max_body_bytes=1000)
    server = await start_server(nursery, answer(b"x" * 1000))

    response = await transport.handle_async_request(httpx.Request("GET", server.url))

    assert len(await response.aread()) == 1000


async def test_no_more_connections_are_opened_than_allowed(
    nursery: trio.Nursery, open_transport: OpenTransport
) -> None:
    transport = open_transport(max_connections=3)
    most = 0

    async def handler(peer: Peer, asked: Asked) -> None:
        nonlocal most
        most = max(most, server.open)
        await trio.sleep(0.001)
        await answer()(peer, asked)

    server = await start_server(nursery, handler)

    async def one() -> None:
        response = await transport.handle_async_request(httpx.Request("GET", server.url))
        await response.aread()

    async with trio.open_nursery() as many:
        for _ in range(50):
            many.start_soon(one)

    assert len(server.asked) == 50
    assert most == 3
    assert idle_of(transport).open == 3


async def test_closing_the_transport_fails_what_is_under_way_and_what_comes_later(
    nursery: trio.Nursery, open_transport: OpenTransport
) -> None:
    transport = open_transport(max_connections=1)

    async def stall(peer: Peer, _: Asked) -> None:
        await peer.send(CHUNKED)
        await trio.sleep_forever()

    server = await start_server(nursery, stall)
    failed: list[str] = []

    async def one() -> None:
        try:
            response = await transport.handle_async_request(httpx.Request("GET", server.url))
            await response.aread()
        except httpx.TransportError as error:
            failed.append(type(error).__name__)

    async with trio.open_nursery() as requests:
        requests.start_soon(one)
        requests.start_soon(one)
        while transport.statistics().waiting == 0 or not server.asked:  # noqa: ASYNC110
            await trio.sleep(0.001)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await transport.aclose()

    await one()
    assert sorted(failed) == ["ConnectError", "ConnectError", "ReadError"]
    assert idle_of(transport).open == 0


async def test_idle_connections_can_be_swept(
    nursery: trio.Nursery, open_transport: OpenTransport
) -> None:
    transport = open_transport(keepalive=0)
    server = await start_server(nursery, answer())
    await transport.handle_async_request(httpx.Request("GET", server.url))
    assert idle_of(transport).idle == 1

    await trio.sleep(0.001)
    transport.close_expired()

    assert idle_of(transport).open == 0
