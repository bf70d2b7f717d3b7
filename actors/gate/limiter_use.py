"""One call through a limiter, from its place in the line to what it took.

async with LimiterUse(limiter, Demand(input_tokens=900, output_tokens=400)) as use:
    use.sent()                        # from here on it may have cost something
    ...                                     # the call
    use.answered(limits(headers, time.time()))
    use.settle(spent(usage))
# Leaving the block settles what has not been, also when it is cancelled.
"""

from math import inf

import trio

from ...runtime import MailboxFull, Ref
from ..errors import ErrorKind, ProviderError
from ..policy.bucket import NOTHING, Demand
from ..wire.rate_limits import RateSnapshot
from .gate_use import GateUse
from .limiter_messages import Acquire, Holder, Observe, Pause, Priority, Settle

__all__ = ["LimiterUse"]

# The call was refused by the server: it counts, and no token was read.
_REFUSED = Demand()

# Seconds of pause where a server says that we are too fast, and not for how
# long: others would only hear the same.
_PAUSE_UNSAID = 1.0


class LimiterUse(GateUse[Demand]):
    """One call through a limiter, as a block. Good for one use.

    Entering waits for its turn and raises ProviderError of kind LIMITER_TIMEOUT
    where that does not come by `deadline`, a time on trio's clock; and what
    `ask` raises. Leaving it gives back what was taken: all of it before `sent`;
    after that the tokens, where the server refused the call unbilled, and else
    nothing but what `settle` has said. A ProviderError of kind RATE_LIMITED that
    leaves it pauses the limiter.
    """

    __slots__ = ("_acquire", "_holder", "_limiter", "_sent", "waited")

    def __init__(
        self,
        limiter: Ref[Acquire | Settle | Observe | Pause],
        estimate: Demand,
        *,
        priority: Priority = Priority.NORMAL,
        deadline: float = inf,
    ) -> None:
        # What a call took of which nobody knows it, is taken to be the estimate.
        self._holder = Holder(estimate)
        super().__init__(self._holder, NOTHING)
        self._limiter = limiter
        self._acquire = Acquire(estimate, priority, deadline, self._holder)
        self._sent = False
        self.waited = 0.0

    def sent(self) -> None:
        """The call is being sent. Say it before the first byte leaves."""
        self._sent = True

    def answered(self, snapshot: RateSnapshot) -> None:
        """The server has answered, and told its limits in the headers; never blocks."""
        if self._call.result is None:
            try:
                self._limiter.tell(Observe(self._acquire, snapshot))
            except MailboxFull:
                return  # the next answer will tell

    def settle(self, actual: Demand) -> None:
        """Say what the call took; never blocks. Only the first word counts."""
        self._settle_once(actual)

    def close(self, error: BaseException | None) -> None:
        """As every use is closed; an error that says that we are too fast pauses all others, too."""
        if isinstance(error, ProviderError) and error.kind is ErrorKind.RATE_LIMITED:
            self._pause(_PAUSE_UNSAID if error.retry_after is None else error.retry_after)
        super().close(error)

    async def _ask(self) -> None:
        self.waited = (await self._limiter.ask(self._acquire, timeout=inf)).waited

    def _verdict(self, error: BaseException | None) -> Demand:
        if not self._sent:
            return NOTHING
        if isinstance(error, ProviderError) and error.billed == "no":
            return NOTHING if error.phase in ("pool", "connect") else _REFUSED
        return self._acquire.cost

    def _report(self, verdict: Demand) -> None:
        self._limiter.tell(Settle(self._acquire, verdict))

    def _pause(self, seconds: float) -> None:
        try:
            self._limiter.tell(Pause(seconds))
        except MailboxFull:
            unheard = self._holder.unheard
            if unheard is not None:  # else it holds no grant, and nothing was refused
                until = trio.current_time() + seconds
                unheard.paused_until = max(unheard.paused_until, until)
