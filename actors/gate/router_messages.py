"""What one asks of the router and tells it."""

from collections.abc import Mapping
from math import inf

import attrs
import trio

from ...runtime import Request
from ..errors import ProviderError
from ..policy.routing import Chain, GiveUp, Wait

__all__ = [
    "Caller",
    "Choice",
    "Choose",
    "Chosen",
    "GetInFlight",
    "Left",
    "RouterMessage",
]


@attrs.frozen
class Chosen:
    """Ask `target` now. The call is counted there until `Left` is told.

    `hedge_after` is how many seconds it may take to begin before it is slow for
    this target; None where nobody is asked beside it.
    """

    target: str
    hedge_after: float | None = None


Choice = Chosen | Wait | GiveUp


@attrs.define(eq=False)
class Caller:
    """Whose a choice is: the task that asked for it, and how its call ended.

    The router looks here where it was not told. No Left stands here, whose choice
    leads back: a cycle for each call would be work for the garbage collector.
    `began` are the seconds after which its answer had begun.
    """

    task: trio.lowlevel.Task | None = attrs.field(factory=trio.lowlevel.current_task, repr=False)
    has_left: bool = False
    began: float | None = None


@attrs.frozen(eq=False, kw_only=True)
class Choose(Request[Choice]):
    """Who of `chain` is asked next? Answered at once.

    `failures` and `pinned` are those of policy/routing.py; `not_before` are the
    times, on trio's clock, before which the request was told not to ask a
    target. With `again`, the target that has failed last may be chosen once
    more, if its retries are not used up; any other answer says that they are.
    `hedging` asks for `Chosen.hedge_after`. A `second` attempt is one beside
    another that is slow and stands as the last of the failures; only Chosen
    allows it.

    Each Choose is one call, and belongs to the task that makes it: tell `Left`
    in its `finally`, or use Place, which does.
    """

    chain: Chain
    deadline: float = inf
    failures: tuple[tuple[str, ProviderError], ...] = ()
    not_before: Mapping[str, float] = attrs.field(factory=dict[str, float])
    pinned: str = ""
    again: bool = False
    hedging: bool = False
    second: bool = False
    streamed: bool = True
    caller: Caller = attrs.field(factory=Caller)


@attrs.frozen
class Left:
    """The call of that Choose has ended. Of one that was not chosen for, it says nothing.

    `began` is after how many seconds the answer had begun (a plain one: was
    there), or had not yet begun when it was left for a quicker one; None where
    it says nothing of the target's pace.
    """

    choose: Choose
    began: float | None = None


@attrs.frozen
class GetInFlight(Request[Mapping[str, int]]):
    """How many calls are under way at each target that was ever chosen?"""


RouterMessage = Choose | Left | GetInFlight
