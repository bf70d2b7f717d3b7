"""What goes wrong between us and a server: each has its error, and costs its connection and no place."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx
import pytest
import trio
import trio.testing

from tests.fakes.http_server import Asked, Handler, Peer, answer, start_server
from trouper.actors.transport import TrioTransport, transport as transport_module

OpenTransport = Callable[..., TrioTransport]

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def sends(data: bytes, *, then: str) -> Handler:
    """A handler that sends this and then hangs up, resets or waits for ever."""

    async def handler(peer: Peer, _: Asked) -> None:
        await peer.send(data)
        if then == "hang up":
            await peer.hang_up()
        elif then == "reset":
            await trio.testing.wait_all_tasks_blocked(0.01)
            await peer.reset()
        else:
            await trio.sleep_forever()

    return handler


def assert_nothing_left(transport: TrioTransport) -> None:
    statistics = transport.statistics()
    assert (statistics.open, statistics.leased, statistics.waiting) == (0, 0, 0)


async def whole(transport: TrioTransport, request: httpx.Request) -> bytes:
    response = await transport.handle_async_request(request)
    return await response.aread()


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"X: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"X: " + b"a" * 70_000,
        CHUNKED + b"zz\r\n",
        CHUNKED + b"5\r\nhello, which is longer\r\n",
        CHUNKED + b"5\r\nhello\r\n5;" + b"x" * 200_000,
    ],
)
async def test_a_malformed_response_is_a_protocol_error(
    nursery: trio.Nursery, transport: TrioTransport, data: bytes
) -> None:
    server = await start_server(nursery, sends(data, then="wait"))
    request = httpx.Request("GET", server.url)

    with trio.fail_after(10), pytest.raises(httpx.RemoteProtocolError) as caught:
        await whole(transport, request)

    assert caught.value.request is request
    assert_nothing_left(transport)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nhell",
        CHUNKED,
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
    ],
)
@pytest.mark.parametrize(
    ("then", "error"), [("hang up", httpx.RemoteProtocolError), ("reset", httpx.ReadError)]
)
async def test_an_early_end_is_an_error(
    nursery: trio.Nursery,
    transport: TrioTransport,
    data: bytes,
    then: str,
    error: type[Exception],
) -> None:
    server = await start_server(nursery, sends(data, then=then))

    with pytest.raises(error, match=r"closed|broke"):
        await whole(transport, httpx.Request("GET", server.url))

    assert_nothing_left(transport)


async def test_a_reset_is_no_end_of_a_body_without_length(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, sends(HEAD + b"\r\nhello", then="reset"))

    with pytest.raises(httpx.ReadError, match="reset"):
        await whole(transport, httpx.Request("GET", server.url))

    assert_nothing_left(transport)


async def test_a_refused_connection_is_told_with_its_address(transport: TrioTransport) -> None:
    async with trio.open_nursery() as nursery:
        server = await start_server(nursery, answer())
        nursery.cancel_scope.cancel()
    request = httpx.Request("GET", server.url)

    with pytest.raises(httpx.ConnectError) as caught:
        await transport.handle_async_request(request)

    where = f"localhost:{server.port}"
    assert str(caught.value) == f"cannot connect to {where}: Connection refused"
    assert caught.value.request is request
    assert_nothing_left(transport)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".invalid"])
async def test_an_unknown_name_is_a_connect_error(transport: TrioTransport, host: str) -> None:
    with pytest.raises(httpx.ConnectError, match=rf"cannot connect to {host}:80: \w+"):
        await transport.handle_async_request(httpx.Request("GET", f"http://{host}/"))

    assert_nothing_left(transport)


@pytest.mark.parametrize("whose", ["transport", "request"])
async def test_a_connection_that_does_not_come_about_times_out(
    nursery: trio.Nursery, open_transport: OpenTransport, whose: str
) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    transport = open_transport(connect_timeout=0.05 if whose == "transport" else 60.0)
    request = httpx.Request("GET", f"https://localhost:{port}/")
    if whose == "request":
        request.extensions["timeout"] = httpx.Timeout(0.05).as_dict()

    async with listener:
        with pytest.raises(httpx.ConnectTimeout, match=r"within 0\.05 s"):
            await transport.handle_async_request(request)

    assert_nothing_left(transport)


@pytest.mark.parametrize("goodbye", ["hang up", "reset"])
async def test_a_connection_that_went_stale_while_idle_is_replaced(
    nursery: trio.Nursery, transport: TrioTransport, goodbye: str
) -> None:
    async def once(peer: Peer, asked: Asked) -> None:
        await answer()(peer, asked)
        await (peer.hang_up() if goodbye == "hang up" else peer.reset())

    server = await start_server(nursery, once)

    for _ in range(3):
        assert await whole(transport, httpx.Request("GET", server.url)) == b"hello"
        await trio.testing.wait_all_tasks_blocked(0.01)

    assert server.connections == 3
    assert len(server.asked) == 3, "found out before anything was sent"


async def test_bytes_that_nobody_asked_for_make_an_idle_connection_stale(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    async def talkative(peer: Peer, asked: Asked) -> None:
        await answer()(peer, asked)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await answer(b"evil")(peer, asked)

    server = await start_server(nursery, talkative)

    for _ in range(3):
        assert await whole(transport, httpx.Request("GET", server.url)) == b"hello"
        await trio.sleep(0.05)

    assert server.connections == 3


def drops_reused(goodbye: str) -> Handler:
    """Answers the first request of a connection, and drops it at the second."""
    seen: set[Peer] = set()

    async def handler(peer: Peer, asked: Asked) -> None:
        if peer not in seen:
            seen.add(peer)
            await answer()(peer, asked)
        elif goodbye == "hang up":
            await peer.hang_up()
        elif goodbye == "reset":
            await peer.reset()
        else:
            await peer.send(b"HTTP/1.1 ")
            await peer.hang_up()

    return handler


@pytest.mark.parametrize("goodbye", ["hang up", "reset"])
async def test_a_request_that_met_a_dying_connection_is_sent_once_more(
    nursery: trio.Nursery, transport: TrioTransport, goodbye: str
) -> None:
    server = await start_server(nursery, drops_reused(goodbye))

    for _ in range(2):
        request = httpx.Request("POST", server.url, content=b"{}")
        assert await whole(transport, request) == b"hello"

    assert server.connections == 2
    assert [asked.body for asked in server.asked] == [b"{}"] * 3


async def test_a_request_is_not_sent_again_that_its_server_had_for_a_while(
    nursery: trio.Nursery, transport: TrioTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_STALE_WITHIN", 0.02)
    drop = drops_reused("hang up")

    async def slow(peer: Peer, asked: Asked) -> None:
        await trio.sleep(0.1)  # as a model that thinks, and is paid for it
        await drop(peer, asked)

    server = await start_server(nursery, slow)
    await whole(transport, httpx.Request("POST", server.url, content=b"{}"))

    with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
        await whole(transport, httpx.Request("POST", server.url, content=b"{}"))

    assert len(server.asked) == 2
    assert_nothing_left(transport)


async def test_a_request_is_not_sent_again_once_the_answer_has_begun(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, drops_reused("after some bytes"))
    await whole(transport, httpx.Request("POST", server.url, content=b"{}"))

    with pytest.raises(httpx.RemoteProtocolError, match="within the headers"):
        await whole(transport, httpx.Request("POST", server.url, content=b"{}"))

    assert len(server.asked) == 2
    assert_nothing_left(transport)


async def test_a_streamed_request_is_not_sent_again(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, drops_reused("hang up"))
    await whole(transport, httpx.Request("GET", server.url))

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"{}"

    async with aclosing(body()) as parts:
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await whole(transport, httpx.Request("POST", server.url, content=parts))

    assert len(server.asked) == 2
    assert_nothing_left(transport)


async def test_a_fresh_connection_is_tried_once(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, sends(b"", then="hang up"))

    with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
        await whole(transport, httpx.Request("GET", server.url))

    assert len(server.asked) == 1


async def serve_deaf(nursery: trio.Nursery, data: bytes) -> str:
    """A server that reads the headers only, answers with `data`, and resets."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream: trio.SocketStream) -> None:
        peer = Peer(stream, stream.socket)
        await peer.until(b"\r\n\r\n")
        await peer.send(data)
        await peer.reset()

    nursery.start_soon(trio.serve_listeners, serve, [listener])
    return f"http://localhost:{listener.socket.getsockname()[1]}/"


async def test_a_connection_that_breaks_while_we_write_is_a_write_error(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    url = await serve_deaf(nursery, b"")
    request = httpx.Request("POST", url, content=bytes(50_000_000))

    with pytest.raises(httpx.WriteError, match="while the request was sent") as caught:
        await transport.handle_async_request(request)

    assert caught.value.request is request
    assert_nothing_left(transport)


async def test_an_answer_that_came_before_the_request_was_sent_is_heard(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    url = await serve_deaf(nursery, refusal)

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            await trio.sleep(0.001)
            yield bytes(1000)

    async with aclosing(endless()) as parts:
        request = httpx.Request("POST", url, content=parts)
        response = await transport.handle_async_request(request)

    assert response.status_code == 413
    assert await response.aread() == b"no"
    assert_nothing_left(transport)


@pytest.mark.parametrize("when", ["headers", "body"])
async def test_a_cancelled_request_costs_its_connection_and_no_place(
    nursery: trio.Nursery, open_transport: OpenTransport, when: str
) -> None:
    transport = open_transport(max_connections=1)

    async def stall_once(peer: Peer, asked: Asked) -> None:
        if len(server.asked) > 1:
            await answer()(peer, asked)
            return
        await peer.send(CHUNKED if when == "body" else b"")
        await trio.sleep_forever()

    server = await start_server(nursery, stall_once)

    with trio.move_on_after(0.05) as scope:
        await whole(transport, httpx.Request("GET", server.url))
    assert scope.cancelled_caught
    assert_nothing_left(transport)

    assert await whole(transport, httpx.Request("GET", server.url)) == b"hello"


async def test_a_stream_that_failed_stays_failed(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    server = await start_server(nursery, sends(CHUNKED + b"5\r\nhello\r\nzz", then="wait"))
    response = await transport.handle_async_request(httpx.Request("GET", server.url))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    stream = aiter(response.stream)

    assert await anext(stream) == b"hello", "what was good is handed out"
    with pytest.raises(httpx.RemoteProtocolError):
        await anext(stream)
    with pytest.raises(httpx.StreamClosed):
        await anext(stream)
