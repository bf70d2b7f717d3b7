"""One call's place at the target that the router has chosen for it.

place = RouterPlace(router, Choose(chain=chain))
choice = await place.take()
try:
    ...                         # the call, where the choice is Chosen
    place.began(seconds)        # its answer has begun
finally:
    place.leave()               # never blocks, and is safe to say of one not taken
"""

import random
from math import inf

import attrs
import structlog
import trio

from ...runtime import ActorError, MailboxFull, Ref
from ..policy.routing import Ask, GiveUp, Standing, decide
from .router_messages import Choice, Choose, Chosen, Left

__all__ = ["RouterPlace"]

_log = structlog.get_logger("trouper.router")


@attrs.define(eq=False)
class RouterPlace:
    """One choice of the router's. Good for one use; it belongs to the task that makes it.

    A router that does not answer (it restarts, or its mailbox is full) costs
    balance and no request: the choice is then made by the order of the chain.
    In that moment nothing is tried again and nothing hedged, since nobody
    counts it. Without a router nothing is ever hedged, and retries are not
    counted: for one provider alone, and tests.
    """

    router: "Ref[Choose | Left] | None"
    choose: Choose
    _began: float | None = None

    async def take(self) -> Choice:
        """Ask the router."""
        if self.router is None:
            return self._alone()
        try:
            return await self.router.ask(self.choose, timeout=inf)
        except ActorError as error:
            self.leave()
            _log.warning("chosen without the router", error=str(error))
            return self._alone()
        except BaseException:
            self.leave()  # it may have been given meanwhile
            raise

    def began(self, seconds: float) -> None:
        """The answer has begun after `seconds`, or had not when it was left for a quicker one."""
        self._began = seconds

    def leave(self) -> None:
        """The call has ended. Only the first word counts."""
        caller = self.choose.caller
        if caller.has_left:
            return
        caller.has_left, caller.began = True, self._began
        caller.task = None
        if self.router is not None:
            try:
                self.router.tell(Left(self.choose, self._began))
            except MailboxFull:
                return  # the router finds it at the caller

    def _alone(self) -> Choice:
        asked = self.choose
        if asked.second:
            return GiveUp()
        if asked.again and self.router is None:
            return Chosen(asked.failures[-1][0])
        decision = decide(
            asked.chain,
            {name: Standing(not_before=at) for name, at in asked.not_before.items()},
            failures=asked.failures,
            now=trio.current_time(),
            deadline=asked.deadline,
            chance=random.random(),
            pinned=asked.pinned,
        )
        return Chosen(decision.target) if isinstance(decision, Ask) else decision
