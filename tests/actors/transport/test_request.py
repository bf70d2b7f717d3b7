"""What is sent: lines, headers and bodies, over real loopback sockets."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx
import pytest
import trio

from tests.fakes.http_server import Asked, Peer, answer, start_server
from trouper.actors.transport import TransportStatistics, TrioTransport


def idle_of(transport: TrioTransport) -> TransportStatistics:
    """What is left when nothing is under way: idle connections, and no lost place."""
    statistics = transport.statistics()
    assert (statistics.leased, statistics.waiting) == (0, 0)
    return statistics


async def test_a_request_reaches_the_server_as_it_was_built(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())
    request = httpx.Request(
        "POST", server.url + "v1/chat?a=b%20c", headers={"X-Key": "k"}, content=b"{}"
    )

    response = await transport.handle_async_request(request)

    (asked,) = server.asked
    assert asked.line == b"POST /v1/chat?a=b%20c HTTP/1.1"
    assert asked.headers[b"host"] == f"localhost:{server.port}".encode()
    assert (asked.headers[b"x-key"], asked.headers[b"content-length"]) == (b"k", b"2")
    assert asked.body == b"{}"
    assert await response.aread() == b"hello"
    assert (response.status_code, response.reason_phrase) == (200, "OK")
    assert (response.http_version, response.request) == ("HTTP/1.1", request)


@pytest.mark.parametrize("size", [10, 200_000, 3_000_000])
async def test_bodies_of_any_size_go_and_come(
    nursery: trio.Nursery, transport: TrioTransport, size: int
) -> None:
    async def echo(peer: Peer, asked: Asked) -> None:
        await answer(asked.body)(peer, asked)

    server = await start_server(nursery, echo)
    body = bytes(range(256)) * (size // 256 + 1)

    response = await transport.handle_async_request(httpx.Request("POST", server.url, content=body))

    assert await response.aread() == body
    assert idle_of(transport).idle == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "11"}])
async def test_a_streamed_body_is_sent_as_it_comes(
    nursery: trio.Nursery, transport: TrioTransport, headers: dict[str, str]
) -> None:
    server = await start_server(nursery, answer())

    async def body() -> AsyncIterator[bytes]:
        yield b"hello"
        yield b""
        yield b" world"

    request = httpx.Request("POST", server.url, content=body(), headers=headers)
    await (await transport.handle_async_request(request)).aread()

    assert server.asked[0].body == b"hello world"
    assert idle_of(transport).idle == 1


@pytest.mark.parametrize(("length", "word"), [(5, "longer"), (50, "shorter")])
async def test_a_body_of_another_length_than_announced_is_an_error(
    nursery: trio.Nursery, transport: TrioTransport, length: int, word: str
) -> None:
    server = await start_server(nursery, answer())

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"hello"
        yield b" world"

    async with aclosing(body()) as parts:
        headers = {"Content-Length": str(length)}
        request = httpx.Request("POST", server.url, content=parts, headers=headers)
        with pytest.raises(httpx.LocalProtocolError, match=word):
            await transport.handle_async_request(request)

    assert idle_of(transport).open == 0


async def test_a_synchronous_stream_is_refused(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())
    request = httpx.Request("POST", server.url, content=iter([b"a"]))

    with pytest.raises(httpx.LocalProtocolError, match="synchronous"):
        await transport.handle_async_request(request)

    assert idle_of(transport).open == 0


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X": "a\0b"}],
)
async def test_a_header_cannot_smuggle_in_another_line(
    transport: TrioTransport, headers: dict[str, str]
) -> None:
    request = httpx.Request("GET", "http://localhost:1/", headers=headers)

    with pytest.raises(httpx.LocalProtocolError, match="line break") as caught:
        await transport.handle_async_request(request)

    assert caught.value.request is request


@pytest.mark.parametrize("url", ["ftp://localhost/", "/path", "http:///path"])
async def test_only_http_can_be_asked(transport: TrioTransport, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol, match="only http"):
        await transport.handle_async_request(httpx.Request("GET", url))


class Countdown(httpx.AsyncByteStream):
    """A stream whose iterator is no generator, as a user may write one."""

    def __init__(self) -> None:
        self.left = 3

    def __aiter__(self) -> "Countdown":
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return b"%d" % self.left


async def test_a_stream_of_any_make_is_sent(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())
    headers = {"Transfer-Encoding": "chunked"}
    request = httpx.Request("POST", server.url, stream=Countdown(), headers=headers)

    await (await transport.handle_async_request(request)).aread()

    assert server.asked[0].body == b"210"


@pytest.mark.parametrize(
    ("headers", "stream"),
    [
        ({}, httpx.ByteStream(b"hello")),
        ({"Content-Length": "4"}, httpx.ByteStream(b"hello")),
        ({"Content-Length": "0"}, httpx.ByteStream(b"hello")),
        ({"Content-Length": "x"}, httpx.ByteStream(b"")),
        ({"Transfer-Encoding": "chunked"}, httpx.ByteStream(b"hello")),
        ({"Content-Length": "5", "Transfer-Encoding": "chunked"}, httpx.ByteStream(b"hello")),
        ({}, Countdown()),
        ({"Content-Length": "three"}, Countdown()),
        ({"Content-Length": "3", "Transfer-Encoding": "chunked"}, Countdown()),
        ({"Transfer-Encoding": "gzip"}, Countdown()),
    ],
)
async def test_a_body_that_its_headers_do_not_describe_is_not_sent(
    transport: TrioTransport,
    headers: dict[str, str],
    stream: httpx.AsyncByteStream,
) -> None:
    request = httpx.Request("POST", "http://localhost:1/", stream=stream, headers=headers)

    with pytest.raises(httpx.LocalProtocolError, match="how long its body is"):
        await transport.handle_async_request(request)


async def test_an_empty_body_needs_no_headers(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, answer())
    request = httpx.Request("GET", server.url, stream=httpx.ByteStream(b""))

    await (await transport.handle_async_request(request)).aread()

    assert server.asked[0].body == b""
