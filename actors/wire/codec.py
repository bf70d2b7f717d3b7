"""What a connection needs of a provider's codec, whichever wire it speaks."""

from collections.abc import Mapping
from typing import Protocol

from ..chat import ChatRequest, Chunk, Completion
from .http import HttpRequest

__all__ = ["Codec", "Decoder"]


class Decoder(Protocol):
    """The bytes of one streamed answer, read.

    Any split of the same bytes gives the same chunks. An error never swallows
    what came before it: `feed` returns the chunks that precede it and sets
    `done`; the next call, be it `feed` or `eof`, raises it.
    """

    @property
    def done(self) -> bool:
        """Nothing more is to be read: the answer is whole, or an error waits.

        Call `eof` and drain the connection, or close it.
        """
        ...

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes; empty where it completes none.

        Raises ProviderError, with `in_stream` set, for an error that came before.
        """
        ...

    def eof(self) -> list[Chunk]:
        """The last chunks, once there is nothing more to read.

        Raises StreamTruncated where the answer is not whole, and ProviderError
        for an error within the stream.
        """
        ...


class Codec(Protocol):
    """Requests into bytes and bytes into answers, without I/O.

        request = codec.encode(chat_request, stream=True)
        ...  # send it; where the status is an error: codec.parse(status, headers, body)
        decoder = codec.stream()
        while not decoder.done and (data := await read()):
            hand_on(decoder.feed(data))
        hand_on(decoder.eof())

    One codec serves all requests to a provider, many at once.
    """

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        """The request as it goes over the wire; with `stream` for an answer that is streamed.

        Raises ProviderError of the kind INVALID_REQUEST for what the wire cannot say.
        """
        ...

    def stream(self) -> Decoder:
        """A decoder for one streamed answer with status 200."""
        ...

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        """A whole answer, of HTTP status `status`.

        Raises ProviderError for a refusal, or for what is no answer.
        """
        ...
