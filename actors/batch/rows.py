"""What is kept of batches: values for the rows of `batch`, `batch_part` and `batch_request`.

A batch is `loading` until all its requests are in the store, then `running`,
`cancelling` once it was called off, and `done` when each request has its answer.
A part is what becomes one batch of a provider; requests of no part, BACKGROUND,
are asked one by one. A part is `planned`, and `named` just before the provider is
asked to begin it, at `named_at`: from then on the provider may have it, whatever
we know. It is `running` once we know its id there, `remote_id`, and `ended` when
all its answers are here. `others` are ids of the provider's batches that looked
like it and were not.
"""

from typing import Final, Literal

import attrs

__all__ = [
    "BACKGROUND",
    "BatchRow",
    "BatchState",
    "Counts",
    "PartRow",
    "RequestRow",
    "RequestState",
    "Status",
    "Way",
    "op_id_of",
    "tag_of",
]

BatchState = Literal["loading", "running", "cancelling", "done"]
PartState = Literal["planned", "named", "running", "ended"]
RequestState = Literal["waiting", "sent", "done", "failed", "cancelled"]

Way = Literal["auto", "provider", "background"]
"""By the provider's batch endpoint where there is one; there or not at all; one by one."""

BACKGROUND: Final = -1
"""The part of requests that are asked one by one."""


@attrs.frozen(kw_only=True)
class BatchRow:
    """A batch, by its `id`. `at` is when it was submitted, in seconds since 1970; `session` and
    `user` are whose budgets it falls under, and `note` is what hinders it now.

    `way` is how it is asked, and `state` how far it is: "loading" until all its
    requests are in the store, then "running", "cancelling" once it was called off,
    and "done" when each request has its answer.
    """

    id: str
    at: float
    session: str
    user: str
    way: Way
    state: BatchState
    note: str = ""


@attrs.frozen(kw_only=True)
class PartRow:
    """What is one batch at a provider: number `part` of `batch`. `target` is "provider/model", and
    `key_id` names the key without telling it.

    `state` is "planned", "named" just before the provider is asked to begin it, at
    `named_at` in seconds since 1970, "running" once its id there is known, which is
    `remote_id`, and "ended" when all its answers are here. `others` are ids of the
    provider's batches that looked like it and were not.
    """

    batch: str
    part: int
    target: str
    state: PartState = "planned"
    key_id: str = ""
    remote_id: str = ""
    named_at: float = 0.0
    others: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RequestRow:
    """A request, by its number within the batch. `request` is the body as it was given, in JSON."""

    n: int
    part: int
    custom_id: str
    model: str
    state: RequestState = "waiting"
    request: bytes = b""


@attrs.frozen(kw_only=True)
class Counts:
    """How many requests are in each state: `waiting`, `sent` to a provider, `done`, `failed`, and
    `cancelled` before they were begun."""

    waiting: int = 0
    sent: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """How many requests the batch has, however they stand."""
        return self.waiting + self.sent + self.done + self.failed + self.cancelled


@attrs.frozen(kw_only=True)
class Status:
    """How a `batch` is, at one moment: the `counts` of its requests, and its `parts`, each of which
    is one batch of a provider."""

    batch: BatchRow
    counts: Counts
    parts: tuple[PartRow, ...]

    @property
    def ended(self) -> bool:
        """Whether each of its requests has its answer."""
        return self.batch.state == "done"

    @property
    def in_hand(self) -> bool:
        """Whether all that a provider's batch endpoint is for has been handed to it."""
        loaded = self.batch.state != "loading"
        return loaded and all(part.state in ("running", "ended") for part in self.parts)


def tag_of(part: PartRow) -> str:
    """What a part is called at its provider, and what the ids of its requests there begin with."""
    return f"{part.batch}-{part.part}"


def op_id_of(batch: str, n: int) -> str:
    """The id in the ledger of a request that goes through a batch endpoint: always the same."""
    return f"{batch}-{n}"
