"""What a batch run needs of a provider's batch endpoint, whichever wire it speaks.

entries = [wire.entry(custom_id, codec.encode(request, stream=False)) for ...]
upload = wire.upload(tag, entries)              # None: the wire has no files
file_id = "" if upload is None else wire.uploaded(*await send(upload))
batch = wire.batch(*await send(wire.create(tag, entries, file_id)))
while not batch.ended: batch = wire.batch(*await send(wire.look(batch.id)))
for path in batch.outputs: for line in await lines(wire.fetch(path)): wire.result(line)

The answers come in any order; `custom_id` says whose each one is. A provider's
own id for a batch is lost with the connection that should have brought it, so
`listed` is there to find a batch again: by its `tag` where the wire has a
place for one, else by its size and time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import attrs

from ..chat import Completion
from ..errors import ProviderError
from .http import HttpRequest
from .openai_answer import load_answer
from .openai_errors import not_the_wire

__all__ = [
    "CANCELLED",
    "EXPIRED",
    "BatchFault",
    "BatchResult",
    "BatchWire",
    "Listing",
    "RemoteBatch",
    "object_in",
]

CANCELLED = "cancelled"
"""The kind of what was not asked because somebody called it off."""

EXPIRED = "expired"
"""The kind of what the provider did not come to in time."""


@attrs.frozen(kw_only=True)
class RemoteBatch:
    """A batch as its provider tells of it.

    `tag` is what we called it, "" where the wire has no place for that;
    `outputs` are what `fetch` takes, once it has ended; `fault` says why the
    provider took none of it, where that is so. `created_at` is seconds since 1970.
    """

    id: str
    ended: bool
    status: str
    total: int
    done: int
    failed: int
    created_at: float
    tag: str = ""
    outputs: tuple[str, ...] = ()
    fault: str = ""


@attrs.frozen
class Listing:
    """A page of a provider's batches, the newest first; `after` is for the next one, if any."""

    batches: tuple[RemoteBatch, ...]
    after: str | None


@attrs.frozen
class BatchFault:
    """Why a request has no answer: CANCELLED, EXPIRED or the kind of an error, and its words."""

    kind: str
    message: str


@attrs.frozen
class BatchResult:
    """What became of one request of a batch."""

    custom_id: str
    outcome: Completion | BatchFault


def object_in(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    refusal: Callable[[int, Mapping[str, str], bytes], ProviderError],
) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises what `refusal` makes of an error status, and
    ProviderError with kind PROTOCOL_ERROR for what is no object."""
    if not 200 <= status < 300:
        raise refusal(status, headers, body)
    raw = load_answer(status, headers, body)
    if not isinstance(raw, Mapping):
        raise not_the_wire("JSON that is no object", body, headers, in_stream=False)
    return raw


class BatchWire(Protocol):
    """The requests of a batch endpoint and its answers, without I/O.

    What reads an answer takes its status, headers and body, and raises
    ProviderError for a refusal, or with kind PROTOCOL_ERROR for what is none.
    """

    has_tags: ClassVar[bool]
    """Whether `RemoteBatch.tag` is what `create` was told."""

    def entry(self, custom_id: str, request: HttpRequest) -> bytes:
        """One request of a batch, as `codec.encode` has written it."""
        ...

    def upload(self, tag: str, entries: Sequence[bytes]) -> HttpRequest | None:
        """What brings the entries to the provider; None where `create` does."""
        ...

    def uploaded(self, status: int, headers: Mapping[str, str], body: bytes) -> str:
        """The id of what was uploaded."""
        ...

    def create(self, tag: str, entries: Sequence[bytes], file_id: str) -> HttpRequest:
        """What begins a batch."""
        ...

    def look(self, id: str) -> HttpRequest:
        """What asks how a batch is."""
        ...

    def cancel(self, id: str) -> HttpRequest:
        """What calls a batch off. What is answered already stays so."""
        ...

    def batch(self, status: int, headers: Mapping[str, str], body: bytes) -> RemoteBatch:
        """The batch that `create`, `look` or `cancel` was answered with."""
        ...

    def list(self, after: str = "", most: int = 100) -> HttpRequest:
        """What asks for the provider's batches, and so whether it has any endpoint for them."""
        ...

    def listed(self, status: int, headers: Mapping[str, str], body: bytes) -> Listing:
        """A page of them."""
        ...

    def fetch(self, output: str) -> HttpRequest:
        """What asks for one of a batch's `outputs`: lines for `result`."""
        ...

    def result(self, line: bytes) -> BatchResult:
        """One line. Raises ProviderError with kind PROTOCOL_ERROR for what is none."""
        ...

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an error status means."""
        ...
