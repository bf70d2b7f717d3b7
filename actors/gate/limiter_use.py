"""One call through a limiter, from its place in the line to what it took.

async with LimiterUse(limiter, Demand(input_tokens=900, output_tokens=400)) as use:
    use.sent()                        # from here on it may have cost something
    ...                                     # the call
    use.answered(limits(headers, time.time()))
    use.settle(spent(usage))
# Leaving the block settles what has not been, also when it is cancelled.
"""

from math import inf
from types import TracebackType
from typing import Self

import trio

from ...runtime import MailboxFull, Ref
from ..errors import ErrorKind, ProviderError
from ..policy.bucket import NOTHING, Demand
from ..wire.rate_limits import RateSnapshot
from .limiter_messages import Acquire, Holder, Observe, Pause, Priority, Settle

__all__ = ["LimiterUse"]

# The call was refused by the server: it counts, and no token was read.
_REFUSED = Demand()

# Seconds of pause where a server says that we are too fast, and not for how
# long: others would only hear the same.
_PAUSE_UNSAID = 1.0


class LimiterUse:
    """One call through a limiter, as a block. Good for one use.

    Entering waits for its turn and raises ProviderError of kind LIMITER_TIMEOUT
    where that does not come by `deadline`, a time on trio's clock; and what
    `ask` raises. Leaving it gives back what was taken: all of it before `sent`;
    after that the tokens, where the server refused the call unbilled, and else
    nothing but what `settle` has said. A ProviderError of kind RATE_LIMITED that
    leaves it pauses the limiter. It belongs to the task that makes it.
    """

    __slots__ = ("_acquire", "_limiter", "_sent", "_settled", "waited")

    def __init__(
        self,
        limiter: Ref[Acquire | Settle | Observe | Pause],
        estimate: Demand,
        *,
        priority: Priority = Priority.NORMAL,
        deadline: float = inf,
    ) -> None:
        self._limiter = limiter
        self._acquire = Acquire(estimate, priority, deadline, Holder())
        self._sent = False
        self._settled = False
        self.waited = 0.0

    def sent(self) -> None:
        """The call is being sent. Say it before the first byte leaves."""
        self._sent = True

    def answered(self, snapshot: RateSnapshot) -> None:
        """The server has answered, and told its limits in the headers; never blocks."""
        if not self._settled:
            try:
                self._limiter.tell(Observe(self._acquire, snapshot))
            except MailboxFull:
                return  # the next answer will tell

    def settle(self, actual: Demand) -> None:
        """Say what the call took; never blocks. Only the first word counts."""
        self._settle(actual)

    def _settle(self, actual: Demand | None) -> None:
        if self._settled:
            return
        self._settled = True
        holder = self._acquire.holder
        holder.settled = self._acquire.cost if actual is None else actual
        holder.task = None
        try:
            self._limiter.tell(Settle(self._acquire, actual))
        except MailboxFull:
            return  # the limiter finds it at the holder

    async def __aenter__(self) -> Self:
        try:
            grant = await self._limiter.ask(self._acquire, timeout=inf)
        except BaseException:
            self._settle(NOTHING)  # it may have been granted meanwhile
            raise
        self.waited = grant.waited
        return self

    def close(self, error: BaseException | None) -> None:
        """End a call that has ended with that error, as leaving the block does."""
        if isinstance(error, ProviderError) and error.kind is ErrorKind.RATE_LIMITED:
            self._pause(_PAUSE_UNSAID if error.retry_after is None else error.retry_after)
        if not self._sent:
            self._settle(NOTHING)
        elif isinstance(error, ProviderError) and error.billed == "no":
            self._settle(NOTHING if error.phase in ("pool", "connect") else _REFUSED)
        else:
            self._settle(None)

    def _pause(self, seconds: float) -> None:
        try:
            self._limiter.tell(Pause(seconds))
        except MailboxFull:
            unheard = self._acquire.holder.unheard
            if unheard is not None:  # else it holds no grant, and nothing was refused
                until = trio.current_time() + seconds
                unheard.paused_until = max(unheard.paused_until, until)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error)
