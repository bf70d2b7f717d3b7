"""What one says to the connection of a provider, and to the server of a local one."""

from math import inf
from typing import Protocol

import attrs
import httpx

from ...runtime.messages import Request, Streams
from ..chat import ChatRequest, Chunk, Completion, Heartbeat, Started, UsageUpdate
from .deadlines import RequestTimeouts

__all__ = [
    "Batch",
    "Chat",
    "Complete",
    "ConnectionMessage",
    "Endpoint",
    "GetEndpoint",
    "Hearer",
    "is_silent",
]

Batch = list[Chunk]
"""The chunks of one read of the socket: the unit that travels."""


@attrs.frozen
class Endpoint:
    """Where the provider listens now; `base_url` is what paths are appended to."""

    base_url: str


@attrs.frozen
class GetEndpoint(Request[Endpoint]):
    """Asks a provider's own server, where there is one, for its endpoint."""


class Hearer(Protocol):
    """Who asks, as the connection tells it what happens on the wire. Never blocks or raises.

    Beside the answer and not within it: what is said of limits is nobody's
    chunk, an error has headers as an answer does, and a batch costs no more.
    """

    def taken(self) -> None:
        """The connection has the request, which until then waits for one that may be down.
        Said of a plain call; a stream says it by its first batch."""
        ...

    def sent(self) -> None:
        """The request has a connection and is about to be sent: from now on it may be billed."""
        ...

    def answered(self, headers: httpx.Headers) -> None:
        """The provider has answered, well or badly, with these headers."""
        ...


@attrs.frozen
class Chat(Streams[Batch]):
    """Stream the answer to `request`. Ends with Finished, or raises ProviderError.

    The first batch is empty and says that the request has been taken.
    `deadline` is the time on trio's clock, in seconds, at which the answer is
    whole or has failed; the connection's own `total` may come sooner. `key_id`
    says which key is shown, by its id; the first one where it is empty.
    `deadlines` are those of this request, in place of the connection's.
    """

    request: ChatRequest
    deadline: float = inf
    key_id: str = ""
    hearer: Hearer | None = attrs.field(default=None, repr=False)
    deadlines: RequestTimeouts | None = None


@attrs.frozen
class Complete(Request[Completion]):
    """The whole answer to `request`; the rest is as in Chat. Raises ProviderError."""

    request: ChatRequest
    deadline: float = inf
    key_id: str = ""
    hearer: Hearer | None = attrs.field(default=None, repr=False)
    deadlines: RequestTimeouts | None = None


ConnectionMessage = Chat | Complete


def is_silent(chunks: Batch) -> bool:
    """Whether `chunks` say nothing that a person reads, so that nobody misses them."""
    return all(isinstance(chunk, Started | Heartbeat | UsageUpdate) for chunk in chunks)
