"""Whoever does not answer as a server of ours does is told apart, at once where that can be."""

import re
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trustme

from trouper.actors.client import connect as under_test
from trouper.actors.client.connect import open_websocket
from trouper.actors.client.errors import CannotConnect, lost, rejected, unreachable

Handler = Callable[[trio.SocketStream], Awaitable[None]]


async def listen(nursery: trio.Nursery, handle: Handler) -> str:
    (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    return f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/acp"


def answer(*parts: bytes) -> Handler:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        for part in parts:
            await stream.send_all(part)
            await trio.sleep(0.01)

    return handle


async def why(url: str) -> str:
    with pytest.raises(CannotConnect) as caught:
        async with open_websocket(url, None):
            raise AssertionError
    return str(caught.value).replace(url, "URL")


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ([], "it hung up"),
        ([b"HT"], "it hung up"),
        ([b"SSH-2.0-x\r\n"], "it does not speak HTTP"),
        ([b"HTT", b"X"], "it does not speak HTTP"),
        ([b"HTTP/1.1 404 Not Found\r\n\r\n"], "it answers with HTTP status 404"),
        ([b"HTTP/1.1 403 Forbidden\r\n\r\n"], "it answers with HTTP status 403"),
    ],
)
async def test_what_is_no_server_of_ours(
    nursery: trio.Nursery, parts: list[bytes], what: str
) -> None:
    url = await listen(nursery, answer(*parts))

    assert await why(url) == f"what answers at URL is no trouper server: {what}; check the address"
    nursery.cancel_scope.cancel()


async def test_silence_ends_in_time(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_CONNECT", 0.2)

    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    url = await listen(nursery, silent)

    assert "no trouper server: no handshake within 0.2 s" in await why(url)
    assert "no connection within 0.2 s" in await why(url.replace("ws:", "wss:"))
    nursery.cancel_scope.cancel()


async def test_a_name_that_nobody_knows_and_a_port_where_nobody_listens() -> None:
    assert await why("ws://no.such.host.invalid/acp") == (
        "nobody knows the host of URL; check its spelling"
    )
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/acp"
    assert (await why(url)).startswith("nothing listens at URL; start a server there")


async def test_over_tls_with_a_good_certificate_and_with_a_bad_one(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)

    async def handle(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, server, server_side=True)
        try:
            await answer(b"HTTP/1.1 401 Unauthorized\r\n\r\n")(tls)  # type: ignore[arg-type]
        except trio.BrokenResourceError:
            return

    url = (await listen(nursery, handle)).replace("ws:", "wss:")
    assert (await why(url)).startswith("the certificate of URL is not good: ")

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    assert await why(url) == "the server at URL wants a valid token: unauthorized"
    nursery.cancel_scope.cancel()


def test_other_reasons_keep_their_own_words() -> None:
    assert str(unreachable("U", OSError(101, "Network is unreachable"))) == (
        "U cannot be reached: Network is unreachable"
    )
    assert str(unreachable("U", trio.BrokenResourceError("odd"))) == "U cannot be reached: odd"
    full = b'{"error": {"message": "too many connections; try again"}}'
    assert "does not let you in (429): too many" in str(rejected("U", 429, full))
    assert str(rejected("U", 503, full)) == (
        "the server at U does not let you in (503): too many connections; try again"
    )
    assert str(lost("U", 1013, "you read too slowly")) == (
        "the server closed the connection (1013): you read too slowly"
    )
    assert re.search("it says no more$", str(lost("U", 1000)))
