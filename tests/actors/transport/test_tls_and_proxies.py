"""TLS, and the ways through proxies, over real sockets."""

import ssl
from collections.abc import Callable

import httpx
import pytest
import trio
import trio.testing
import trustme

from tests.fakes.http_server import Asked, Handler, Peer, answer, start_server
from trouper.actors.transport import TrioTransport
from trouper.actors.transport.dial import system_trust

OpenTransport = Callable[..., TrioTransport]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def whole(transport: TrioTransport, request: httpx.Request) -> bytes:
    response = await transport.handle_async_request(request)
    return await response.aread()


async def test_requests_go_over_tls_on_one_connection(
    nursery: trio.Nursery,
    open_transport: OpenTransport,
    server_side: ssl.SSLContext,
    client_side: ssl.SSLContext,
) -> None:
    server = await start_server(nursery, answer(b"secret " * 10_000), tls=server_side)
    transport = open_transport(verify=client_side)

    for _ in range(3):
        body = await whole(transport, httpx.Request("POST", server.url, content=bytes(100_000)))
        assert body == b"secret " * 10_000

    assert server.connections == 1


async def test_a_server_that_the_system_does_not_trust_is_refused(
    nursery: trio.Nursery, transport: TrioTransport, server_side: ssl.SSLContext
) -> None:
    server = await start_server(nursery, answer(), tls=server_side)

    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await whole(transport, httpx.Request("GET", server.url))

    assert transport.statistics().open == 0
    assert not server.asked


async def test_a_server_by_another_name_is_refused(
    nursery: trio.Nursery, open_transport: OpenTransport, authority: trustme.CA
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = await start_server(nursery, answer(), tls=context)

    with pytest.raises(httpx.ConnectError, match="not valid for 'localhost'"):
        await whole(open_transport(verify=trusting), httpx.Request("GET", server.url))


async def test_a_server_that_speaks_no_tls_is_a_connect_error(
    nursery: trio.Nursery, transport: TrioTransport
) -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.receive_some()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, deaf, [listener])
    port = listener.socket.getsockname()[1]

    with pytest.raises(httpx.ConnectError, match="SSL"):
        await whole(transport, httpx.Request("GET", f"https://localhost:{port}/"))

    assert transport.statistics().open == 0


async def test_a_connection_that_went_stale_under_tls_is_replaced(
    nursery: trio.Nursery,
    open_transport: OpenTransport,
    server_side: ssl.SSLContext,
    client_side: ssl.SSLContext,
) -> None:
    async def once(peer: Peer, asked: Asked) -> None:
        await answer()(peer, asked)
        await peer.hang_up()

    server = await start_server(nursery, once, tls=server_side)
    transport = open_transport(verify=client_side)

    for _ in range(3):
        assert await whole(transport, httpx.Request("GET", server.url)) == b"hello"
        await trio.testing.wait_all_tasks_blocked(0.01)

    assert len(server.asked) == 3


async def test_a_connection_that_comes_about_after_the_closing_is_closed(
    nursery: trio.Nursery,
    open_transport: OpenTransport,
    server_side: ssl.SSLContext,
    client_side: ssl.SSLContext,
) -> None:
    transport = open_transport(verify=client_side)
    closed = trio.Event()

    async def slow(stream: trio.SocketStream) -> None:
        await closed.wait()
        secured = trio.SSLStream(stream, server_side, server_side=True)
        with pytest.raises(trio.BrokenResourceError):
            while True:
                assert not await secured.receive_some(), "nothing is sent"

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, slow, [listener])
    url = f"https://localhost:{listener.socket.getsockname()[1]}/"

    async def close_soon() -> None:
        await trio.testing.wait_all_tasks_blocked(0.05)
        await transport.aclose()
        closed.set()

    nursery.start_soon(close_soon)
    with pytest.raises(httpx.ConnectError, match="closed meanwhile"):
        await whole(transport, httpx.Request("GET", url))

    assert transport.statistics().open == 0


def test_all_transports_share_the_system_s_trust() -> None:
    assert system_trust() is system_trust()
    assert system_trust().verify_mode is ssl.CERT_REQUIRED


def relay(nursery: trio.Nursery, refusal: bytes = b"") -> Handler:
    """A proxy: CONNECT opens a tunnel, an absolute address is answered in the origin's place."""

    async def handler(peer: Peer, asked: Asked) -> None:
        method, target, _ = asked.line.split()
        if refusal:
            await peer.send(refusal)
        elif method == b"CONNECT":
            host, _, port = target.decode().partition(":")
            await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with await trio.open_tcp_stream(host, int(port)) as upstream:
                nursery.start_soon(pump, upstream, peer.stream)
                await pump(peer.stream, upstream)
            raise EOFError
        else:
            await answer(b"proxied " + target)(peer, asked)

    return handler


async def pump(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
    try:
        while data := await source.receive_some():
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # one of the two has gone
    await trio.aclose_forcefully(sink)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any proxy, to put one in."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def test_plain_http_is_asked_of_the_proxy_by_its_whole_address(
    nursery: trio.Nursery, open_transport: OpenTransport, environment: pytest.MonkeyPatch
) -> None:
    proxy = await start_server(nursery, relay(nursery))
    environment.setenv("HTTP_PROXY", f"http://joe:pass%20word@localhost:{proxy.port}")
    transport = open_transport(trust_env=True)

    for host in ("one.example", "two.example:8080"):
        text = await whole(transport, httpx.Request("GET", f"http://{host}/path?q=1"))
        port = "" if ":" in host else ":80"
        assert text == f"proxied http://{host}{port}/path?q=1".encode()

    assert proxy.asked[0].headers[b"host"] == b"one.example"
    assert proxy.asked[0].headers[b"proxy-authorization"] == b"Basic am9lOnBhc3Mgd29yZA=="
    assert proxy.connections == 1, "one connection to the proxy serves all origins"


@pytest.mark.parametrize("proxy_by_tls", [False, True])
async def test_https_goes_through_the_proxy_by_connect(
    nursery: trio.Nursery,
    open_transport: OpenTransport,
    environment: pytest.MonkeyPatch,
    server_side: ssl.SSLContext,
    client_side: ssl.SSLContext,
    proxy_by_tls: bool,
) -> None:
    origin = await start_server(nursery, answer(b"end to end"), tls=server_side)
    proxy = await start_server(nursery, relay(nursery), tls=server_side if proxy_by_tls else None)
    environment.setenv("HTTPS_PROXY", f"{proxy.scheme}://joe@localhost:{proxy.port}")
    transport = open_transport(trust_env=True, verify=client_side)
    request = httpx.Request("GET", origin.url, headers={"Authorization": "Bearer sk-1"})

    for _ in range(2):
        assert await whole(transport, request) == b"end to end"

    (asked,) = proxy.asked
    assert asked.line == f"CONNECT localhost:{origin.port} HTTP/1.1".encode()
    assert asked.headers[b"proxy-authorization"] == b"Basic am9lOg=="
    assert b"authorization" not in asked.headers
    assert b"proxy-authorization" not in origin.asked[0].headers
    assert origin.connections == 1
    await transport.aclose()


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "407 Who are you"),
        (b"<html>", "no answer to CONNECT.*malformed"),
    ],
)
async def test_a_proxy_that_refuses_is_told_without_its_password(
    nursery: trio.Nursery,
    open_transport: OpenTransport,
    environment: pytest.MonkeyPatch,
    refusal: bytes,
    words: str,
) -> None:
    proxy = await start_server(nursery, relay(nursery, refusal))
    environment.setenv("https_proxy", f"joe:hidden@localhost:{proxy.port}")
    transport = open_transport(trust_env=True)
    request = httpx.Request("GET", "https://api.example/")

    with pytest.raises(httpx.ProxyError, match=words) as caught:
        await whole(transport, request)

    assert f"localhost:{proxy.port}" in str(caught.value)
    assert "hidden" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.request is request
    assert transport.statistics().open == 0


async def test_an_unreachable_proxy_is_named(
    open_transport: OpenTransport, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALL_PROXY", "http://joe:hidden@localhost:1")
    transport = open_transport(trust_env=True)

    with pytest.raises(httpx.ConnectError) as caught:
        await whole(transport, httpx.Request("GET", "http://api.example/"))

    assert str(caught.value) == "cannot connect to the proxy localhost:1: Connection refused"


async def test_what_no_proxy_names_is_asked_directly(
    nursery: trio.Nursery, open_transport: OpenTransport, environment: pytest.MonkeyPatch
) -> None:
    server = await start_server(nursery, answer())
    environment.setenv("HTTP_PROXY", "http://localhost:1")
    environment.setenv("NO_PROXY", "other.example, localhost")

    assert await whole(open_transport(trust_env=True), httpx.Request("GET", server.url)) == b"hello"


async def test_the_environment_can_be_left_out(
    nursery: trio.Nursery, open_transport: OpenTransport, environment: pytest.MonkeyPatch
) -> None:
    server = await start_server(nursery, answer())
    environment.setenv("HTTP_PROXY", "http://localhost:1")

    assert await whole(open_transport(), httpx.Request("GET", server.url)) == b"hello"
