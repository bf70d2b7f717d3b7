"""On whose behalf a request is made: what is the same for all its attempts."""

from math import inf

import attrs

from ..gate.limiter_messages import Priority
from ..telemetry.observer import RequestSeen
from .shortening import Fitter

__all__ = ["Call"]


@attrs.frozen(kw_only=True)
class Call:
    """On whose behalf a request is made, and how.

    `deadline`, on trio's clock, is that of the whole chain of targets; `seen`
    is told of each attempt, with its answer where `tells_content` is true.
    `fitter` says what may be left out of a request that is too long for a
    target; without one, nothing ever is.
    """

    request_id: str = ""
    session: str = ""
    user: str = ""
    priority: Priority = Priority.NORMAL
    deadline: float = inf
    seen: RequestSeen | None = attrs.field(default=None, repr=False)
    tells_content: bool = False
    fitter: Fitter | None = attrs.field(default=None, repr=False, eq=False)
