"""`TrioTransport`: an httpx transport whose cost a call does not grow with concurrency."""

import ssl
from contextlib import aclosing
from functools import lru_cache

import httpx
import trio

from .body import ResponseBody
from .connection import SendFailed, TransportConnection
from .decoding import decompressor
from .dial import Route, dial
from .pool import ConnectionLease, Pool, TransportStatistics
from .proxy import Proxies
from .reader import ResponseReader
from .request import Outgoing, outgoing

__all__ = ["TrioTransport"]

# A body up to this size is copied behind its head, to go out in one packet train.
_SMALL_BODY = 64 * 1024


# Seconds from the sending after which a connection that dies was no stale one: that is known
# within a round trip, and the longest on earth are a third of this.
_STALE_WITHIN = 1.0


class _AsRead(httpx.Headers):
    """Headers as the parser gave them, which is in bytes.

    `httpx.Headers` makes sure of that by two calls a header, which cost as much as the
    parsing. It is copied from, and never handed out.
    """

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._list = [(name, name.lower(), value) for name, value in pairs]


class TrioTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over trio streams, for `httpx.AsyncClient` or to be called directly.

    The direct call, `handle_async_request` with a ready `httpx.Request`, costs
    half of the way through the client and does none of what the client does:
    no redirects, cookies, authentication or default headers.

    - `max_connections`: open at once, at least 1; further requests wait in line.
    - `keepalive`: seconds that an idle connection is kept for reuse. 30, since
      the balancers in front of most providers close after 60 or more.
    - `connect_timeout`: seconds for name, TCP, proxy and TLS together; a request's
      own `connect` timeout goes first. It is the only time that is watched here:
      the other timeouts of `httpx` are not, use trio's cancel scopes.
    - `verify`: whom to trust; without it, whom the system trusts.
    - `trust_env`: use the proxies that the environment names.
    - `max_head_bytes`: most bytes of a response's status line and headers.
    - `max_body_bytes`: most bytes of a response's body, unpacked; None: any.

    Bodies in gzip and deflate are unpacked here, so that `response.stream` and
    `response.aiter_bytes` give the same; `content-encoding` and
    `content-length` are then taken from the headers, and the extension
    `content_encoding` says what it was. Others pass as they come, for httpx to
    decode. Nothing is added to a request: without an Accept-Encoding of its
    own, it gets plain text from every provider we know.
    """

    def __init__(
        self,
        *,
        max_connections: int = 64,
        keepalive: float = 30.0,
        connect_timeout: float = 5.0,
        verify: ssl.SSLContext | None = None,
        trust_env: bool = True,
        max_head_bytes: int = 64 * 1024,
        max_body_bytes: int | None = None,
    ) -> None:
        self._pool: Pool[TransportConnection] = Pool(max_connections, keepalive)
        self._connect_timeout = connect_timeout
        self._verify = verify
        self._proxies = Proxies.from_environment() if trust_env else Proxies()
        self._max_head = max_head_bytes
        self._max_body = max_body_bytes
        # Bounded: a provider has one origin, a crawler any number.
        self._route = lru_cache(maxsize=1024)(self._find_route)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its response as soon as the headers are there.

        The response must be read to its end or closed, else its place in the
        pool stays taken. A request that finds its reused connection dead before
        a byte of the answer came is sent once more on a fresh one, if its body
        can be sent again.

        Raises httpx's own errors: `UnsupportedProtocol`, `LocalProtocolError`
        (the request is malformed), `ConnectError`, `ConnectTimeout` and
        `ProxyError` (nothing was sent), `WriteError`, `ReadError`,
        `RemoteProtocolError` (something may have been sent).
        """
        try:
            url = request.url
            route = self._route(url.scheme, url.raw_host, url.port)
            message = outgoing(request, route.target_prefix + url.raw_path, route.extra)
            lease = await self._lease(route)
            try:
                return await self._exchange(request, route, message, lease)
            except BaseException:
                lease.end(reusable=False)
                raise
        except httpx.RequestError as error:
            error.request = request
            raise

    def statistics(self) -> TransportStatistics:
        """How many connections are open, idle and leased, and how many requests wait."""
        return self._pool.statistics()

    def close_expired(self) -> None:
        """Close idle connections that are older than `keepalive`.

        They are also closed when they would be used next; call this now and
        then where a transport may stand unused for long.
        """
        self._pool.close_expired()

    async def aclose(self) -> None:
        """Close all connections at once. What is under way fails with `ReadError` or
        `ConnectError`, and so does every later request."""
        self._pool.close()

    def _find_route(self, scheme: str, raw_host: bytes, port: int | None) -> Route:
        host = raw_host.decode("ascii")
        if scheme not in ("http", "https") or not host:
            raise httpx.UnsupportedProtocol(
                f"'{scheme}://{host}' cannot be asked: only http:// and https:// with a host can"
            )
        port = port or (443 if scheme == "https" else 80)
        return Route(scheme, host, port, self._proxies.proxy_for(scheme, host, port))

    async def _lease(self, route: Route) -> ConnectionLease[TransportConnection]:
        try:
            return await self._pool.lease(route.key)
        except trio.ClosedResourceError as error:
            raise httpx.ConnectError("the transport is closed") from error

    async def _exchange(
        self,
        request: httpx.Request,
        route: Route,
        message: Outgoing,
        lease: ConnectionLease[TransportConnection],
    ) -> httpx.Response:
        if lease.connection is not None and lease.connection.is_stale():
            lease.drop_connection()
        if lease.connection is not None:
            reader = self._reader(request)
            sent_at = trio.current_time()
            try:
                await _send_and_read_head(message, lease.connection, reader)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                # The server hung up while we wrote: keep-alive's old race. Only
                # where not a byte of an answer came, and only once. Whoever hangs up
                # later had the request, and may have worked on it: nobody pays twice.
                late = trio.current_time() - sent_at > _STALE_WITHIN
                if late or reader.received or message.body is None or self._pool.closed:
                    raise
                lease.drop_connection()
            else:
                return self._response(request, lease, lease.connection, reader)
        connection = await self._open(request, route, lease)
        reader = self._reader(request)
        await _send_and_read_head(message, connection, reader)
        return self._response(request, lease, connection, reader)

    async def _open(
        self, request: httpx.Request, route: Route, lease: ConnectionLease[TransportConnection]
    ) -> TransportConnection:
        timeout = request.extensions.get("timeout", {}).get("connect")
        if timeout is None:
            timeout = self._connect_timeout
        connection = lease.connection = await dial(route, self._verify, timeout)
        if self._pool.closed:
            raise httpx.ConnectError("the transport was closed meanwhile")
        return connection

    def _reader(self, request: httpx.Request) -> ResponseReader:
        return ResponseReader(bodiless=request.method == "HEAD", head_limit=self._max_head)

    def _response(
        self,
        request: httpx.Request,
        lease: ConnectionLease[TransportConnection],
        connection: TransportConnection,
        reader: ResponseReader,
    ) -> httpx.Response:
        headers = reader.headers
        extensions: dict[str, bytes] = {
            "http_version": b"HTTP/" + reader.version.encode(),
            "reason_phrase": reader.reason,
        }
        unpack = None
        if reader.encoding is not None and request.method != "HEAD":
            unpack = decompressor(reader.encoding)
            if unpack is not None:
                extensions["content_encoding"] = reader.encoding
                spent = (b"content-encoding", b"content-length")
                headers = [pair for pair in headers if pair[0].lower() not in spent]
        return httpx.Response(
            reader.status,
            headers=_AsRead(headers),
            stream=ResponseBody(request, lease, connection, reader, unpack, self._max_body),
            extensions=extensions,
            request=request,
        )


async def _send_and_read_head(
    message: Outgoing, connection: TransportConnection, reader: ResponseReader
) -> None:
    failure: SendFailed | None = None
    try:
        await _send(message, connection)
    except SendFailed as error:
        failure = error
    try:
        await connection.read_head(reader)
    except httpx.TransportError:
        if failure is not None:
            raise httpx.WriteError(
                f"the connection broke while the request was sent: {failure}"
            ) from failure
        raise
    if failure is not None:
        # The server answered before it had read all, and hung up: its answer
        # (413, mostly) says more than the broken pipe.
        reader.keep_alive = False


async def _send(message: Outgoing, connection: TransportConnection) -> None:
    if message.body is None:
        await connection.send(message.head)
        async with aclosing(message.frames()) as frames:
            async for frame in frames:
                await connection.send(frame)
    elif len(message.body) <= _SMALL_BODY:
        await connection.send(message.head + message.body)
    else:
        await connection.send(message.head)
        await connection.send(message.body)
