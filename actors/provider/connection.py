"""The connection to one provider: an actor that owns its transport and serves many at once.

A crash takes the pool with it: the next life has a fresh one, and the requests
under way fail at once with an error that the request (course.py) goes on
from. Batches of chunks travel from the socket to the asker over one bounded
channel, a batch for each read of the socket.
"""

from collections.abc import AsyncIterator, Callable
from math import inf

import httpx
import structlog
import trio

from ...runtime import Actor, Sink, on
from ..catalog.models import ModelCatalog
from ..chat import Completion, Heartbeat
from ..config import ProviderConfig, is_loopback
from ..errors import ErrorKind, ProviderError
from ..transport import TrioTransport
from ..wire.http import HttpRequest
from .deadlines import RequestTimeouts, TimedRequest, Watch
from .exchange import Exchanging, Reading
from .kinds import authorizations, codec_for
from .messages import Batch, Chat, Complete, ConnectionMessage, GetEndpoint, is_silent
from .pace import Pace

__all__ = ["Connection"]

_log = structlog.get_logger("trouper.provider")

# At once, in one process: more streams than one core can read one by one.
_MOST_REQUESTS = 1024

# Bytes of a body that is read whole: an answer of a million tokens.
_MOST_BODY = 16 * 1024 * 1024

# Bytes of a refusal that are read: what it says stands at its beginning.
_MOST_REFUSAL = 64 * 1024

# Bytes of a stream: the longest answer that models give, 128,000 tokens, takes
# some 45 MB on the wire, and a provider gone mad must end somewhere.
_MOST_STREAM = 128 * 1024 * 1024

# Addresses and headers that are kept: keys, paths and what a wire says beside them.
_MOST_HEADS = 256

# Seconds to wait for the end of a body whose answer is complete, so that the
# connection can be used again; a handshake is rarely slower.
_DRAIN = 0.25


class Connection(Actor[ConnectionMessage], background=True):
    """One provider, reached over one pool.

    `server`, a path and a class, is asked for the endpoint at each start where
    the provider is a process of our own; `transport` makes the pool, for tests
    and for who wants another (`httpx.MockTransport`); `models` has what is known
    of models, overrides included. At most `max_connections` requests are with the
    provider; further ones wait in line, which counts for their total and for no
    other deadline.
    """

    def __init__(
        self,
        config: ProviderConfig,
        pace: Pace,
        server: tuple[str, type[Actor[GetEndpoint]]] | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
        models: ModelCatalog | None = None,
    ) -> None:
        self._config = config
        self._pace = pace
        self._server = server
        self._make_transport = transport or self._own_transport
        self._transport: httpx.AsyncBaseTransport | None = None
        self._places = trio.Semaphore(config.max_connections)
        self._codec = codec_for(config, models)
        timeouts = config.timeouts
        self._watch = Watch(
            RequestTimeouts(
                first_event=timeouts.first_event, idle=timeouts.idle, total=timeouts.total
            )
        )
        # All other times are kept by the watch.
        self._extensions = {
            "timeout": {"connect": timeouts.connect, "read": None, "write": None, "pool": None}
        }

    def _own_transport(self) -> httpx.AsyncBaseTransport:
        local = self._server is not None
        return TrioTransport(
            max_connections=self._config.max_connections,
            connect_timeout=self._config.timeouts.connect,
            # Our own process is on this machine, whatever proxy the world is behind.
            trust_env=not local,
            max_body_bytes=_MOST_STREAM,
        )

    async def init(self) -> None:
        base_url = self._config.base_url
        if self._server is not None:
            base_url = (await self.find(*self._server).ask(GetEndpoint())).base_url
        self._base_url = base_url.rstrip("/")
        self._heads: dict[tuple[object, ...], httpx.Request] = {}
        # By the key's id: no message holds a key itself.
        self._headers = {
            key: [("user-agent", "trouper"), *shown]
            for key, shown in authorizations(self._config).items()
        }
        self._transport = self._make_transport()
        url = httpx.URL(self._base_url)
        if self._config.api_keys and url.scheme == "http" and not is_loopback(url.host):
            _log.warning(
                "the API key goes over the network in clear; use https in base_url",
                provider=self._config.name,
                host=url.host,
            )

    async def on_start(self) -> None:
        self.start_soon(self._watch.run)

    async def terminate(self, reason: object) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    # One request.

    @on(Chat, limit=_MOST_REQUESTS)
    async def chat(self, message: Chat, out: Sink[Batch]) -> None:
        """Stream an answer into `out`."""
        with self._exchange(message) as exchange:
            # Tells that the request is taken: until then its asker waits for a
            # connection that may be down.
            await out.send([])
            await self._place()
            try:
                response = await self._send(message, exchange)
                async with Reading(response) as body:
                    if response.is_success:
                        await self._pass_on(body, exchange, out)
                    else:
                        await self._whole(response, body, exchange)
            finally:
                self._places.release()

    @on(Complete, task=True, limit=_MOST_REQUESTS)
    async def complete(self, message: Complete) -> Completion:
        """A whole answer."""
        if message.hearer is not None:
            message.hearer.taken()
        with self._exchange(message) as exchange:
            await self._place()
            try:
                response = await self._send(message, exchange)
                async with Reading(response) as body:
                    return await self._whole(response, body, exchange)
            finally:
                self._places.release()

    def _exchange(self, message: Chat | Complete) -> Exchanging:
        exchange = self._watch.exchange(
            until=message.deadline,
            in_one_piece=isinstance(message, Complete),
            deadlines=message.deadlines,
            scope=self.own_scope(),
        )
        return Exchanging(exchange, self._config.name, message.request.model)

    async def _place(self) -> None:
        """Have one of `max_connections`, in turn."""
        try:
            # A semaphore's own `acquire` gives others their turn even where one is free.
            self._places.acquire_nowait()
        except trio.WouldBlock:
            await self._places.acquire()

    async def _send(self, message: Chat | Complete, exchange: TimedRequest) -> httpx.Response:
        encoded = self._codec.encode(message.request, stream=isinstance(message, Chat))
        head = self._head(encoded, message.key_id)
        exchange.phase = "headers"
        exchange.waiting_since = trio.current_time()
        assert self._transport is not None
        headers = httpx.Headers(head.headers)
        headers["Content-Length"] = str(len(encoded.body))
        request = httpx.Request(
            encoded.method,
            head.url,
            headers=headers,
            stream=httpx.ByteStream(encoded.body),
            extensions=self._extensions,
        )
        request.read()  # so that a transport finds `content`, as in any other request
        hearer = message.hearer
        if hearer is not None:
            hearer.sent()
        response = await self._transport.handle_async_request(request)
        if hearer is not None:
            hearer.answered(response.headers)
        return response

    def _head(self, encoded: HttpRequest, key_id: str) -> httpx.Request:
        """A request without a body, whose address and headers are those of all like it.

        To make these costs httpx four times as much as to copy them.
        """
        key = (encoded.method, encoded.path, key_id, *encoded.headers)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[key] = httpx.Request(
                encoded.method,
                httpx.URL(self._base_url + encoded.path),
                headers=[*self._headers[key_id], *encoded.headers],
            )
            # httpx says it of a POST without a body; `_send` says it of each.
            head.headers.pop("Content-Length", None)
        return head

    async def _pass_on(
        self, body: AsyncIterator[bytes], exchange: TimedRequest, out: Sink[Batch]
    ) -> None:
        """Hand on what each read of the socket completes, until the answer is whole."""
        decoder = self._codec.stream()
        pace, now = self._pace, trio.current_time
        spoken = False
        pace.begin()
        try:
            async for data in body:
                chunks = decoder.feed(data)
                # What completes no chunk, as a keep-alive, is no progress; nor is
                # a ping, which a provider sends whether or not more is to come.
                if chunks:
                    waited = exchange.waiting_since
                    pinged = type(chunks[-1]) is Heartbeat and _is_ping(chunks)
                    if not pinged:
                        exchange.phase = "stream"
                    began = now()
                    # While the reader is the slow one, the provider is not to blame.
                    exchange.waiting_since = inf
                    await out.send(chunks)
                    if pace.paced and not decoder.done:
                        # The first words never wait.
                        spoken = spoken or not is_silent(chunks)
                        if spoken:
                            await pace.wait()
                    exchange.waiting_since = waited + now() - began if pinged else now()
                if decoder.done:
                    break
            tail = decoder.eof()
            if tail:
                exchange.waiting_since = inf
                await out.send(tail)
        finally:
            pace.end()
        exchange.whole()
        await _drain(body)

    async def _whole(
        self, response: httpx.Response, body: AsyncIterator[bytes], exchange: TimedRequest
    ) -> Completion:
        """A body that is read whole: a completion, or the provider's refusal, raised."""
        refused = not response.is_success
        most = _MOST_REFUSAL if refused else _MOST_BODY
        pieces: list[bytes] = []
        size = 0
        try:
            async for data in body:
                exchange.waiting_since = trio.current_time()
                pieces.append(data)
                size += len(data)
                if size > most:
                    break
        except (httpx.TransportError, httpx.DecodingError):
            # The status of a refusal and what has come of it say more than its breaking off.
            if not refused:
                raise
        if size > most and not refused:
            raise ProviderError(
                kind=ErrorKind.PROTOCOL_ERROR,
                message=f"the provider's answer is longer than {most} bytes",
                status=response.status_code,
                billed="maybe",
            )
        return self._codec.parse(response.status_code, response.headers, b"".join(pieces)[:most])


def _is_ping(chunks: Batch) -> bool:
    return all(type(chunk) is Heartbeat for chunk in chunks)


async def _drain(body: AsyncIterator[bytes]) -> None:
    """Read what follows a whole answer, so that the connection can be used again."""
    with trio.move_on_after(_DRAIN):
        try:
            async for _ in body:
                pass
        except (httpx.TransportError, httpx.DecodingError):
            pass  # the answer is whole, and only the connection is lost
