"""Opening a connection: TCP by happy eyeballs, through a proxy where there is one, then TLS."""

import functools
import os
import socket
import ssl
from collections.abc import Hashable

import attrs
import httpx
import trio

from .connection import SendFailed, TransportConnection, set_keepalive
from .proxy import Proxy
from .reader import ResponseReader

__all__ = ["Route", "dial", "system_trust"]

# A proxy's answer to CONNECT is some lines.
_PROXY_HEAD_LIMIT = 16 * 1024


@attrs.frozen
class Route:
    """How an origin is reached, worked out once an origin.

    `key` says which connections serve it, `target_prefix` is what a plain http
    proxy wants in front of the path, `extra` are header lines it wants.
    """

    scheme: str
    host: str
    port: int
    proxy: Proxy | None

    key: Hashable = attrs.field(init=False)
    target_prefix: bytes = attrs.field(init=False)
    extra: bytes = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        forwarded = self.proxy is not None and self.scheme == "http"
        # A plain http proxy serves all origins on one connection.
        key = (self.proxy,) if forwarded else (self.scheme, self.host, self.port)
        prefix = f"http://{self.authority}".encode("ascii") if forwarded else b""
        extra = self.proxy.authorization if forwarded and self.proxy else b""
        for name, value in (("key", key), ("target_prefix", prefix), ("extra", extra)):
            object.__setattr__(self, name, value)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@functools.cache
def system_trust() -> ssl.SSLContext:
    """The one context of all transports that trust what the system trusts.

    Shared, because a context costs some hundreds of KiB and 30 ms.
    """
    return ssl.create_default_context()


async def dial(route: Route, verify: ssl.SSLContext | None, timeout: float) -> TransportConnection:
    """Open a connection within `timeout` seconds, TLS and the proxy's answer included.

    Without `verify`, servers are trusted that the system trusts.
    Raises `httpx.ConnectError`, `httpx.ConnectTimeout` and `httpx.ProxyError`.
    """
    peer = (
        route.authority
        if route.proxy is None
        else f"the proxy {route.proxy.host}:{route.proxy.port}"
    )
    try:
        with trio.fail_after(timeout):
            return await _open(route, verify)
    except trio.TooSlowError as error:
        raise httpx.ConnectTimeout(f"no connection to {peer} within {timeout:g} s") from error
    except (OSError, UnicodeError, trio.BrokenResourceError) as error:
        raise httpx.ConnectError(f"cannot connect to {peer}: {_reason(error)}") from error


async def _open(route: Route, verify: ssl.SSLContext | None) -> TransportConnection:
    first = route.proxy or route
    tcp = await trio.open_tcp_stream(first.host, first.port)
    stream: trio.abc.Stream = tcp
    try:
        set_keepalive(tcp.socket)
        if first.scheme == "https":
            stream = await _start_tls(stream, first.host, verify)
        if route.proxy is not None and route.scheme == "https":
            await _tunnel(TransportConnection(stream, tcp.socket), route, route.proxy)
            stream = await _start_tls(stream, route.host, verify)
    except BaseException:
        tcp.socket.close()
        raise
    return TransportConnection(stream, tcp.socket)


async def _start_tls(
    stream: trio.abc.Stream, host: str, verify: ssl.SSLContext | None
) -> trio.abc.Stream:
    # In a thread: the first time it takes 30 ms, which no stream should feel.
    context = verify if verify is not None else await trio.to_thread.run_sync(system_trust)
    # https_compatible: servers close without TLS's own goodbye, and so do we.
    secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    await secured.do_handshake()
    return secured


async def _tunnel(connection: TransportConnection, route: Route, proxy: Proxy) -> None:
    """Ask the proxy for a way through (RFC 9110, 9.3.6)."""
    authority = route.authority.encode("ascii")
    reader = ResponseReader(bodiless=True, head_limit=_PROXY_HEAD_LIMIT)
    try:
        await connection.send(
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n"
            % (authority, authority, proxy.authorization)
        )
        await connection.read_head(reader)
    except (SendFailed, httpx.TransportError) as error:
        raise httpx.ProxyError(
            f"the proxy {proxy.host}:{proxy.port} gave no answer to CONNECT: {error}"
        ) from error
    if not 200 <= reader.status < 300:
        reason = reader.reason.decode("latin-1")
        raise httpx.ProxyError(
            f"the proxy {proxy.host}:{proxy.port} refuses a way to {route.authority}: "
            f"{reader.status} {reason}"
        )


def _reason(error: BaseException) -> str:
    """The words that help: trio hides them in a group, or behind its own error."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_reason(one) for one in cause.exceptions))
    if isinstance(cause, Exception):
        return _reason(cause)
    if isinstance(error, ssl.SSLError | socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # trio's own text names the address again
    return str(error) or type(error).__name__
