"""The transport under a plain `httpx.AsyncClient`, as users may plug it in."""

import gzip
from collections.abc import AsyncGenerator

import httpx
import pytest
import trio

from tests.fakes.http_server import Asked, Peer, answer, start_server
from trouper.actors.transport import TrioTransport


@pytest.fixture
async def client(transport: TrioTransport) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


async def test_the_client_gets_json(nursery: trio.Nursery, client: httpx.AsyncClient) -> None:
    server = await start_server(nursery, answer(b'{"a": 1}'))

    response = await client.post(server.url, json={"q": 1})

    assert response.json() == {"a": 1}
    assert server.asked[0].body == b'{"q":1}'
    assert server.asked[0].headers[b"accept-encoding"].startswith(b"gzip")


async def test_packed_content_is_unpacked_once(
    nursery: trio.Nursery, client: httpx.AsyncClient
) -> None:
    packed = gzip.compress(b"hello " * 100)
    server = await start_server(nursery, answer(packed, b"200 OK", b"Content-Encoding: gzip"))

    response = await client.get(server.url)

    assert response.text == "hello " * 100


async def test_lines_of_a_stream_come_one_by_one(
    nursery: trio.Nursery, client: httpx.AsyncClient
) -> None:
    async def lines(peer: Peer, _: Asked) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await peer.send(b"7\r\nline %d\n\r\n" % number)
            await trio.sleep(0.001)
        await peer.send(b"0\r\n\r\n")

    server = await start_server(nursery, lines)

    async with client.stream("GET", server.url) as response:
        assert [line async for line in response.aiter_lines()] == ["line 0", "line 1", "line 2"]


async def test_a_stream_may_be_left_early(
    nursery: trio.Nursery, client: httpx.AsyncClient, transport: TrioTransport
) -> None:
    async def endless(peer: Peer, _: Asked) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 1000)

    server = await start_server(nursery, endless)

    async with client.stream("GET", server.url):
        assert transport.statistics().leased == 1

    assert transport.statistics().open == 0


async def test_redirects_are_followed_by_the_client(
    nursery: trio.Nursery, client: httpx.AsyncClient
) -> None:
    async def redirect(peer: Peer, asked: Asked) -> None:
        if asked.line.startswith(b"GET /there"):
            await answer(b"there")(peer, asked)
        else:
            await answer(b"", b"302 Found", b"Location: /there")(peer, asked)

    server = await start_server(nursery, redirect)

    response = await client.get(server.url, follow_redirects=True)

    assert response.text == "there"
    assert server.connections == 1


async def test_a_form_with_a_file_is_streamed(
    nursery: trio.Nursery, client: httpx.AsyncClient
) -> None:
    server = await start_server(nursery, answer())

    await client.post(server.url, data={"a": "b"}, files={"file": b"content"})

    assert b"content" in server.asked[0].body


async def test_errors_carry_the_request(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        await client.get("http://localhost:1/")

    assert caught.value.request.url == "http://localhost:1/"
