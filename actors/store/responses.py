"""Answered responses, for who goes on from one (`previous_response_id`) or asks for it again.

A row holds what one response added to its conversation: its own input and its
own output, and the id of the response before it. What was said before is in the
rows before, so a conversation is as large on the disk as it is long, however
often it goes on. A response belongs to its owner: for everybody else it is not
there. What is in `input` and `body` is the business of the wire: here it is bytes.
"""

from typing import Final, Protocol

import attrs
from attrs.validators import gt

__all__ = ["KEPT_DAYS", "MOST_LINKS", "Chain", "ResponseStore", "Retention", "StoredResponse"]

KEPT_DAYS: Final = 30
"""As OpenAI keeps them."""

MOST_LINKS = 4096
"""Responses that one conversation is read from; no model's window holds so many turns."""


@attrs.frozen(kw_only=True)
class StoredResponse:
    """One response. `previous` is the id of the one before it, "" where it is the first.

    `at` is in seconds since 1970.
    """

    id: str
    owner: str
    previous: str
    at: float
    input: bytes = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of what was said."""
        return len(self.input) + len(self.body)


@attrs.frozen(kw_only=True)
class Retention:
    """How long responses are kept, and how many of one owner; the oldest go first."""

    seconds: float = attrs.field(default=KEPT_DAYS * 86_400.0, validator=gt(0))
    most: int = attrs.field(default=100_000, validator=gt(0))
    """Responses of one owner."""
    most_bytes: int = attrs.field(default=1024**3, validator=gt(0))
    """Bytes of one owner's responses."""


@attrs.frozen
class Chain:
    """A response and those before it, the oldest first.

    `whole` is false where they were more than was asked for; `responses` are then
    the last ones.
    """

    responses: tuple[StoredResponse, ...]
    whole: bool = True


class ResponseStore(Protocol):
    """Keeps responses. What was put is durable.

    All of it raises ActorUnavailable and StoreError where the store is down.
    """

    async def put(self, response: StoredResponse) -> None:
        """Keep a response; older ones of its owner go where there is no room for them."""
        ...

    async def find(self, id: str, *, owner: str) -> StoredResponse | None:
        """The response of that id; None where `owner` has none, or it was too long ago."""
        ...

    async def chain(self, id: str, *, owner: str, most_bytes: int) -> Chain | None:
        """That response and all before it, of at most so many bytes and MOST_LINKS responses.

        None where one of them is not there (any more).
        """
        ...

    async def delete(self, id: str, *, owner: str) -> bool:
        """Forget a response; whether there was one. Those that went on from it cannot be gone
        on from any more."""
        ...
