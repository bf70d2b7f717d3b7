"""The router: which target of a chain is asked next, for all requests of a program.

What is decided stands in policy/routing.py, retry_budget.py and hedging.py; here
is what they must know: the calls under way at each target, what is left of its
retries, and how quickly it has begun of late. A call's place is taken and given
back by router_place.py.

Before you edit: a place is named by its asker, before it is asked for. So it is
given back whatever happens to the ask: one that was cancelled while its answer
was on the way holds no place. A caller that ended without a word (its task is
dead, or the mailbox was full) is noticed when there are many, and when asked.
"""

import random
from collections.abc import Callable, Mapping

import attrs
import structlog
import trio

from ...runtime import Actor, on
from ..policy.hedging import HEDGES, Latencies
from ..policy.retry_budget import Account, Allowance, deposit, withdraw
from ..policy.routing import Ask, GiveUp, Standing, decide
from .owner import is_dead
from .router_messages import (
    Choice,
    Choose,
    Chosen,
    GetInFlight,
    Left,
    RouterMessage,
)

__all__ = ["Router"]

_log = structlog.get_logger("trouper.router")

_RETRIES = Allowance()

# Calls under way before dead callers are looked for among them.
_FEW = 64


@attrs.define(eq=False)
class _Target:
    """What is known of one target."""

    retries: Account
    in_flight: int = 0
    streamed: Latencies = attrs.field(factory=Latencies)
    whole: Latencies = attrs.field(factory=Latencies)

    def latencies(self, choose: Choose) -> Latencies:
        """Those of such calls: a plain answer begins when it is whole."""
        return self.streamed if choose.streamed else self.whole


class Router(Actor[RouterMessage]):
    """Chooses targets. `chance` gives numbers from 0 to 1.

    A new life knows nothing of the calls that are under way, and of no target
    whether it is slow: for a moment it balances less well, and hedges nothing.
    """

    def __init__(
        self,
        retries: Allowance = _RETRIES,
        hedges: Allowance = HEDGES,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._allowance = retries
        self._hedge_allowance = hedges
        self._hedges = Account.opened(hedges, 0.0)
        self._chance = chance
        self._targets: dict[str, _Target] = {}
        self._out: dict[Choose, str] = {}
        self._look_at = _FEW
        # trio.current_time, without its way to the clock: every call asks twice.
        self._now = trio.lowlevel.current_clock().current_time

    @on(Choose)
    def choose(self, message: Choose) -> Choice:
        """Choose one, and count the call there."""
        if len(self._out) >= self._look_at:
            self._reap()
            # So that looking costs each call the same, however many there are.
            self._look_at = max(_FEW, 2 * len(self._out))
        now = self._now()
        if message.second:
            return self._choose_second(message, now)
        if message.again and self._may_retry(message.failures[-1][0], now):
            return self._give(message, message.failures[-1][0], now)
        decision = self._decide(message, now)
        if not isinstance(decision, Ask):
            return decision
        target = self._target(decision.target, now)
        target.retries = deposit(target.retries, self._allowance, now)
        if message.hedging:
            self._hedges = deposit(self._hedges, self._hedge_allowance, now)
        return self._give(message, decision.target, now)

    @on(Left)
    def left(self, message: Left) -> None:
        """Count the call no longer."""
        self._leave(message)

    @on(GetInFlight)
    def get_in_flight(self, message: GetInFlight) -> Mapping[str, int]:
        """Count the calls of those who are there."""
        self._reap()
        return {name: target.in_flight for name, target in self._targets.items()}

    def _decide(self, message: Choose, now: float) -> Choice | Ask:
        standings: dict[str, Standing] = {}
        for link in message.chain:
            for one in link.candidates:
                target = self._targets.get(one.name)
                at = message.not_before.get(one.name)
                if target is not None or at is not None:
                    standings[one.name] = Standing(
                        target.in_flight if target is not None else 0,
                        at if at is not None else now,
                    )
        return decide(
            message.chain,
            standings,
            failures=message.failures,
            now=now,
            deadline=message.deadline,
            chance=self._chance(),
            pinned=message.pinned,
        )

    def _may_retry(self, name: str, now: float) -> bool:
        target = self._target(name, now)
        account = withdraw(target.retries, self._allowance, now)
        if account is None:
            _log.info("no retry is left", target=name)
            return False
        target.retries = account
        return True

    def _choose_second(self, message: Choose, now: float) -> Choice:
        """One beside a slow one: another target or, with `again`, another key of the same."""
        slow = message.failures[-1][0]
        decision = self._decide(message, now)
        name = decision.target if isinstance(decision, Ask) else slow if message.again else ""
        account = withdraw(self._hedges, self._hedge_allowance, now) if name else None
        if account is None:
            return GiveUp()
        self._hedges = account
        return self._give(message, name, now)

    def _give(self, message: Choose, name: str, now: float) -> Chosen:
        target = self._target(name, now)
        target.in_flight += 1
        self._out[message] = name
        hedged = message.hedging and not message.second
        return Chosen(name, target.latencies(message).slow(now) if hedged else None)

    def _target(self, name: str, now: float) -> _Target:
        target = self._targets.get(name)
        if target is None:
            retries = Account.opened(self._allowance, now)
            target = self._targets[name] = _Target(retries)
        return target

    def _leave(self, message: Left) -> None:
        name = self._out.pop(message.choose, None)
        if name is None:
            return
        target = self._targets[name]
        target.in_flight -= 1
        if message.began is not None:
            target.latencies(message.choose).add(message.began, self._now())

    def _reap(self) -> None:
        """Let those leave that have ended and were not heard."""
        for left in [left for choose in self._out if (left := _ended(choose)) is not None]:
            self._leave(left)


def _ended(choose: Choose) -> Left | None:
    caller = choose.caller
    if caller.has_left:
        return Left(choose, caller.began)
    if is_dead(caller.task):
        return Left(choose)
    return None
