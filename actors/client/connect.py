"""A websocket to a server, or a sentence that says why there is none.

trio-websocket's own `open_websocket_url` is not used. It leaves the socket open
where the server says goodbye first, and where what answers is no HTTP it waits
for its timeout instead of saying so (version 0.12.2).
"""

import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from .errors import CannotConnect, not_ours, rejected, unreachable

__all__ = ["open_websocket"]

# Seconds for TCP, TLS and the handshake: around the world they take one.
_CONNECT = 5.0
# Seconds for the closing handshake.
_GOODBYE = 2.0
# Characters of a frame: the server merges up to 256 KiB of text, and JSON may
# write each character as six.
_MOST_FRAME = 2 * 1024 * 1024
# What an answer begins with, and how long its beginning is up to the status.
_HTTP, _STATUS = b"HTTP/", b"HTTP/1.1 101"


@asynccontextmanager
async def open_websocket(url: str, token: str | None) -> AsyncGenerator[WebSocketConnection]:
    """A websocket to `url` (ws: or wss:) for the length of the block; `token` is the bearer's.

    Raises CannotConnect.
    """
    deadline = trio.current_time() + _CONNECT
    stream = await _dial(url, deadline)
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                websocket = await _shake_hands(nursery, stream, url, token, deadline)
                yield websocket
                # trio-websocket waits for the server's goodbye without an end.
                with trio.move_on_after(_GOODBYE):
                    await websocket.aclose()
            except BaseException as error:  # noqa: BLE001 - raised below, ungrouped
                failure = error
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # What trio-websocket's reader met during the handshake.
        failure = _refusal(url, group) or group
    finally:
        await trio.aclose_forcefully(stream)
    if failure is not None:
        raise failure


async def _dial(url: str, deadline: float) -> trio.abc.Stream:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    with trio.move_on_at(deadline):
        try:
            if not secure:
                return await trio.open_tcp_stream(parts.hostname or "", port)
            return await _dial_tls(parts.hostname or "", port)
        except (OSError, trio.BrokenResourceError) as error:
            raise unreachable(url, error) from error
    raise not_ours(url, f"no connection within {_CONNECT:g} s")


async def _dial_tls(host: str, port: int) -> trio.abc.Stream:
    context = ssl.create_default_context()
    tls = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=context, https_compatible=True
    )
    try:
        await tls.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tls)
        raise
    return tls


async def _shake_hands(
    nursery: trio.Nursery, stream: trio.abc.Stream, url: str, token: str | None, deadline: float
) -> WebSocketConnection:
    parts = urlsplit(url)
    resource = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = [] if token is None else [(b"Authorization", f"Bearer {token}".encode())]
    with trio.move_on_at(deadline):
        return await wrap_client_stream(
            nursery,
            cast("trio.SocketStream", _Answer(stream, url)),
            parts.netloc,
            resource,
            extra_headers=headers,
            max_message_size=_MOST_FRAME,
        )
    raise not_ours(url, f"no handshake within {_CONNECT:g} s")


class _Answer(trio.abc.Stream):
    """A stream whose first bytes must be those of an HTTP answer.

    trio-websocket waits on where they are not, and where an answer that is no
    websocket ends with its connection.
    """

    def __init__(self, inner: trio.abc.Stream, url: str) -> None:
        self._inner = inner
        self._url = url
        self._head = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self._inner.receive_some(max_bytes))
        if len(self._head) < len(_STATUS):
            self._head = (self._head + data)[: len(_STATUS)]
            if not self._head.startswith(_HTTP[: len(self._head)]):
                raise not_ours(self._url, "it does not speak HTTP")
        if not data and not self._head.endswith(b" 101"):
            status = self._head[len(_STATUS) - 3 :]
            if status.isdigit():
                raise rejected(self._url, int(status), None)
            raise not_ours(self._url, "it hung up")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _refusal(url: str, group: BaseExceptionGroup[BaseException]) -> CannotConnect | None:
    for error in _leaves(group):
        if isinstance(error, ConnectionRejected):
            return rejected(url, error.status_code, error.body)
        if isinstance(error, CannotConnect):
            return error
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
