"""A provider's batch endpoint over HTTP: an answer as a whole, or line by line.

It has a pool of its own, apart from the provider's connection: files of many
MB go through it, which must not stand before anybody's question.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import httpx
import trio

from ..catalog.models import ModelCatalog
from ..config import ProviderConfig
from ..errors import ErrorKind, ProviderError
from ..provider.failures import from_httpx
from ..provider.kinds import authorizations, codec_for
from ..redaction import redact_text
from ..transport import TrioTransport
from ..wire.anthropic import AnthropicCodec
from ..wire.anthropic_batch import AnthropicBatchWire
from ..wire.batch import BatchWire
from ..wire.codec import Codec
from ..wire.http import HttpRequest
from ..wire.openai_batch import OpenAIBatchWire

__all__ = ["Endpoint", "batch_wire"]

R = TypeVar("R")

# A batch is looked at by one connection, and fetched by another.
_MOST_CONNECTIONS = 4

# Seconds: 16 MB over 1 Mbit/s take two minutes.
_WHOLE = 300.0
# Seconds between two reads of a file of results.
_IDLE = 120.0

# Bytes of an answer that is read whole: a page of a hundred batches has some 100 kB.
_MOST_BODY = 16 * 1024 * 1024
# Bytes of one result: the longest answer that models give takes less than one.
_MOST_LINE = 64 * 1024 * 1024


def batch_wire(config: ProviderConfig, codec: Codec) -> BatchWire | None:
    """The wire of that provider's batch endpoint; None for a kind that has none."""
    match config.kind:
        case "openai":
            return OpenAIBatchWire(codec=codec)
        case "openai-responses":
            return OpenAIBatchWire(codec=codec, endpoint="/v1/responses")
        case "anthropic":
            assert isinstance(codec, AnthropicCodec)
            return AnthropicBatchWire(codec=codec, path=codec.path, version=codec.version)
        case _:
            return None


class Endpoint:
    """The batch endpoint of a provider, whose kind has one. Made closed; see `opened`."""

    def __init__(
        self,
        config: ProviderConfig,
        transport: httpx.AsyncBaseTransport,
        models: ModelCatalog | None = None,
    ) -> None:
        self.config = config
        self.codec = codec_for(config, models)
        wire = batch_wire(config, self.codec)
        assert wire is not None, f"{config.kind} has no batch endpoint"
        self.wire = wire
        self.keys = tuple(key for key in authorizations(config) if key) or ("",)
        """The ids of its keys, in the order of the configuration."""
        self._headers = authorizations(config)
        self._transport = transport
        timeouts = {"connect": config.timeouts.connect, "read": None, "write": None, "pool": None}
        self._extensions = {"timeout": timeouts}

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, config: ProviderConfig, models: ModelCatalog | None = None
    ) -> "AsyncGenerator[Endpoint]":
        """The endpoint, for the length of a block; `models` has what is known of models."""
        transport = TrioTransport(
            max_connections=_MOST_CONNECTIONS,
            # None is used again: on a connection that turns out to be dead, a
            # request is sent a second time, and that could begin a second batch.
            keepalive=0.0,
            connect_timeout=config.timeouts.connect,
        )
        async with transport:
            yield cls(config, transport, models)

    async def exists(self) -> bool:
        """Whether there is one: a server that speaks a wire need not have all of it.

        Raises ProviderError where nobody can say.
        """
        try:
            await self.ask(self.wire.list(most=1), self.keys[0], self.wire.listed)
        except ProviderError as error:
            # What knows of no such address, or has not learned the word.
            if error.status is None or error.status >= 500 or error.kind in _LATER:
                raise
            return False
        return True

    async def ask(
        self,
        request: HttpRequest,
        key_id: str,
        read: Callable[[int, Mapping[str, str], bytes], R],
    ) -> R:
        """What `read` makes of the answer. Raises ProviderError."""
        with trio.move_on_after(_WHOLE):
            async with self._asked(request, key_id) as (response, body):
                pieces: list[bytes] = []
                size = 0
                async for data in body:
                    pieces.append(data)
                    size += len(data)
                    if size > _MOST_BODY:
                        raise _too_long(_MOST_BODY)
                return read(response.status_code, response.headers, b"".join(pieces))
        raise _too_slow(f"no answer within {_WHOLE:g} s")

    async def lines(self, request: HttpRequest, key_id: str) -> AsyncGenerator[bytes]:
        """The lines of an answer as they come. Raises ProviderError; close it if left early."""
        async with self._asked(request, key_id) as (response, body):
            refused = not response.is_success
            pieces: list[bytes] = []
            while (data := await _next(body)) is not None:
                # What is said with a refusal is one text, however many lines it has.
                head, *lines = [data] if refused else data.split(b"\n")
                pieces.append(head)
                if lines:
                    yield b"".join(pieces)
                    for line in lines[:-1]:
                        yield line
                    pieces = [lines[-1]]
                elif sum(map(len, pieces)) > _MOST_LINE:
                    raise _too_long(_MOST_LINE)
            rest = b"".join(pieces)
            if refused:
                raise self.wire.refusal(response.status_code, response.headers, rest)
            yield rest

    @asynccontextmanager
    async def _asked(
        self, request: HttpRequest, key_id: str
    ) -> AsyncGenerator[tuple[httpx.Response, AsyncIterator[bytes]]]:
        """Says of every error whose it is."""
        begun = False
        try:
            response = await self._transport.handle_async_request(self._request(request, key_id))
            begun = True
            stream = cast(httpx.AsyncByteStream, response.stream)
            body = aiter(stream)
            try:
                yield response, body
            finally:
                # Other transports than ours read by a generator, which wants to be closed.
                if isinstance(body, AsyncGenerator):
                    await body.aclose()
                await stream.aclose()
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._named(from_httpx(error, in_stream=begun), key_id) from error
        except ProviderError as error:
            raise self._named(error, key_id) from error.__cause__

    def _request(self, request: HttpRequest, key_id: str) -> httpx.Request:
        return httpx.Request(
            request.method,
            self.config.base_url.rstrip("/") + request.path,
            headers=[("user-agent", "trouper"), *self._headers[key_id], *request.headers],
            content=request.body,
            extensions=self._extensions,
        )

    def _named(self, error: ProviderError, key_id: str) -> ProviderError:
        error.provider = self.config.name
        error.key_id = key_id
        # A provider may quote what it was sent, with the key.
        error.message = redact_text(error.message)
        return error


# What may be otherwise in a minute, or when somebody has mended the key.
_LATER = frozenset(
    {ErrorKind.AUTH, ErrorKind.RATE_LIMITED, ErrorKind.QUOTA_EXHAUSTED, ErrorKind.TIMEOUT}
)


async def _next(body: AsyncIterator[bytes]) -> bytes | None:
    with trio.move_on_after(_IDLE):
        return await anext(body, None)
    raise _too_slow(f"nothing more came within {_IDLE:g} s")


def _too_slow(message: str) -> ProviderError:
    return ProviderError(kind=ErrorKind.TIMEOUT, message=message, billed="maybe")


def _too_long(most: int) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.PROTOCOL_ERROR,
        message=f"the provider's answer is longer than {most} bytes",
        billed="maybe",
    )
