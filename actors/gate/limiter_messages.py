"""What one asks of a limiter and tells it."""

from enum import IntEnum
from math import inf

import attrs
import trio
from attrs.validators import ge

from ...runtime import Request
from ..policy.bucket import Demand, RateLimits
from ..wire.rate_limits import RateSnapshot
from .owner import OwnedCall

__all__ = [
    "Acquire",
    "GetLevel",
    "Grant",
    "Holder",
    "Level",
    "LimiterLevel",
    "LimiterMessage",
    "Observe",
    "Pause",
    "Priority",
    "SetLimits",
    "Settle",
    "Unheard",
]


class Priority(IntEnum):
    """Who goes first. Within one priority it is who came first."""

    INTERACTIVE = 0
    """A person waits for it."""
    NORMAL = 1
    """A program waits for it."""
    BATCH = 2
    """Nobody waits for it; it may starve while others come."""


@attrs.define(eq=False)
class Unheard:
    """What a limiter could not be told, its mailbox being full: until when a server wants no
    call, on trio's clock. It looks here before each grant."""

    paused_until: float = -inf


@attrs.define(eq=False)
class Holder(OwnedCall[Demand]):
    """Whose a grant is: the task that asked for it, and what it said that its call took.

    The limiter looks here where it was not told. `unheard` is of the limiter that has
    given the grant.
    """

    task: trio.lowlevel.Task | None = attrs.field(factory=trio.lowlevel.current_task, repr=False)
    unheard: Unheard | None = None


@attrs.frozen(kw_only=True)
class Grant:
    """Leave to make one call, and how many seconds one was made to wait for it."""

    waited: float


def _no_debt(_acquire: object, _attribute: object, cost: Demand) -> None:
    if min(cost.amounts) < 0:
        raise ValueError(f"a call does not cost less than nothing: {cost}")


def _holder_of(acquire: "Acquire") -> Holder:
    return Holder(acquire.cost)


@attrs.frozen(eq=False)
class Acquire(Request[Grant]):
    """May I make one call that takes about `cost`? Answered when I may.

    Ask with `timeout=math.inf`: the limiter keeps `deadline`, a time on trio's
    clock. Raises ProviderError of kind LIMITER_TIMEOUT as soon as it is clear
    that the deadline cannot be met; its `retry_after` says when the call would
    have been made. Each Acquire is one call, and belongs to the task that makes
    it: tell `Settle` in its `finally`, or use LimiterUse, which does.
    """

    cost: Demand = attrs.field(validator=_no_debt)
    priority: Priority = Priority.NORMAL
    deadline: float = inf
    holder: Holder = attrs.field(default=attrs.Factory(_holder_of, takes_self=True))


@attrs.frozen
class Settle:
    """The call of that Acquire has ended and took `actual`; NOTHING where it was not sent.

    None keeps the estimate: nobody knows. One that stands in line leaves it. Of
    an Acquire that holds no grant it says nothing else, so that it may be told
    more than once, and of one never granted.
    """

    acquire: Acquire
    actual: Demand | None = None


@attrs.frozen
class Observe:
    """The server has answered that call, and said this of its limits."""

    acquire: Acquire
    snapshot: RateSnapshot


@attrs.frozen
class Pause:
    """The server says that we are too fast: make no call for `seconds`."""

    seconds: float = attrs.field(validator=ge(0))


@attrs.frozen(kw_only=True)
class Level:
    """One limit at one moment: what is there, of how much, and how much a second comes back."""

    level: float
    capacity: float
    rate: float


@attrs.frozen(kw_only=True)
class LimiterLevel:
    """A limiter at one moment.

    Limits that are not set are None. `paused_for` and `next_in` are in seconds:
    how long the server's pause lasts, and when the head of the line is expected
    to go (None where nobody waits, or it waits for a call to end). `granted`
    and `refused` count from the limiter's start.
    """

    requests: Level | None
    tokens: Level | None
    input_tokens: Level | None
    output_tokens: Level | None
    paused_for: float
    in_flight: int
    max_in_flight: int | None
    waiting: int
    next_in: float | None
    granted: int
    refused: int


@attrs.frozen
class SetLimits(Request[LimiterLevel]):
    """Keep to these limits from now on, until the limiter begins a new life."""

    limits: RateLimits


@attrs.frozen
class GetLevel(Request[LimiterLevel]):
    """How is it?"""


LimiterMessage = Acquire | Settle | Observe | Pause | SetLimits | GetLevel
