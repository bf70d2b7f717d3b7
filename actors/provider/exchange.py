"""One exchange with a provider as two blocks: its time and its errors, and its body.

Both are on the path of every call. As generators with `contextmanager` they
cost three times as much, and more than the decoding of an answer.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import cast

import httpx

from ..errors import ProviderError
from ..redaction import redact_text
from .deadlines import TimedRequest
from .failures import from_httpx

__all__ = ["Exchanging", "Reading"]


class Exchanging:
    """Watches the deadlines of an exchange, and says of every error whose it is.

    `provider` and `model` are who is asked. What httpx raises in the block
    leaves it as a ProviderError, and so does a deadline that has passed.
    """

    __slots__ = ("_exchange", "_model", "_provider")

    def __init__(self, exchange: TimedRequest, provider: str, model: str) -> None:
        self._exchange = exchange
        self._provider = provider
        self._model = model

    def __enter__(self) -> TimedRequest:
        return self._exchange.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            caught = self._exchange.__exit__(kind, error, traceback)
        except ProviderError as late:
            self._name(late)
            raise
        if isinstance(error, httpx.TransportError | httpx.DecodingError):
            failure = from_httpx(error, in_stream=self._exchange.answered)
            self._name(failure)
            raise failure from error
        if isinstance(error, ProviderError):
            self._name(error)
        return caught

    def _name(self, error: ProviderError) -> None:
        error.provider = self._provider
        error.model = self._model
        # A provider may quote what it was sent, with the key.
        error.message = redact_text(error.message)
        error.code = error.code and redact_text(error.code)
        error.type = error.type and redact_text(error.type)
        error.request_id = error.request_id and redact_text(error.request_id)


class Reading:
    """The reads of a response's body; leaving the block closes it."""

    __slots__ = ("_body", "_stream")

    def __init__(self, response: httpx.Response) -> None:
        self._stream = cast(httpx.AsyncByteStream, response.stream)
        self._body = aiter(self._stream)

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._body

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Other transports than ours read by a generator, which wants to be closed.
        if isinstance(self._body, AsyncGenerator):
            await self._body.aclose()
        await self._stream.aclose()
