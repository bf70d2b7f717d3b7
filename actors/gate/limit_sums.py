"""What was spent within each limit, as far as a program has to know to warn in time.

The ledger keeps the sums and refuses. A sum here is read from it once, at the
first call that falls under a limit, and then kept up by what each call cost. So
to warn costs a call nothing but an addition, and never waits.
"""

from collections.abc import Sequence
from typing import Final

import attrs
import trio

from ..policy.budget import Alert, AlertKind, Budget, alert_between
from ..store.ledger import Ledger, Limit

__all__ = ["LimitSum", "LimitSums"]

# Limits whose sums are kept: those of users and sessions that have asked
# lately. One that was forgotten is read from the ledger again.
_MOST: Final = 10_000

Key = tuple[str, str]


@attrs.define(eq=False)
class LimitSum:
    """What is spent within one limit; `calls` are under way."""

    spent: int
    calls: int = 0
    _refused: bool = False

    def spend(self, budget: Budget, limit: Limit, cost: int) -> Alert | None:
        """Add what a call cost; what is to be said of it."""
        before = self.spent
        self.spent += cost
        return alert_between(budget, limit, before, self.spent)

    def refuse(self, budget: Budget, limit: Limit) -> Alert | None:
        """Note that a call was refused; what is to be said of it, the first time."""
        if self._refused or self.spent >= limit.most:
            return None
        self._refused = True
        return Alert(kind=AlertKind.REFUSED, budget=budget, limit=limit, spent=self.spent)


class LimitSums:
    """The sums of the limits that calls fall under; of the idle ones, about `most` at a time."""

    def __init__(self, ledger: Ledger, *, most: int = _MOST) -> None:
        self._ledger = ledger
        self._most = most
        self._sums: dict[Key, LimitSum] = {}
        self._reading: dict[Key, trio.Event] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def has(self, limit: Limit) -> bool:
        """Whether the sum of this limit is known, without reading it."""
        return (limit.scope, limit.window) in self._sums

    async def begin(self, limits: Sequence[Limit]) -> list[LimitSum]:
        """Note a call, with one sum for each of its limits. Raises what the ledger does.

        Nobody passes before a sum is there, so that what is read is what was
        spent before the first call of this program.
        """
        while (sums := self._all(limits)) is None:
            for limit in limits:
                key = (limit.scope, limit.window)
                if key not in self._sums:
                    await self._read(key)
        for one in sums:
            one.calls += 1
        return sums

    def _all(self, limits: Sequence[Limit]) -> list[LimitSum] | None:
        sums = [self._sums.get((limit.scope, limit.window)) for limit in limits]
        found = [one for one in sums if one is not None]
        return found if len(found) == len(sums) else None

    async def _read(self, key: Key) -> None:
        other = self._reading.get(key)
        if other is not None:
            await other.wait()
            return
        self._reading[key] = done = trio.Event()
        try:
            totals = await self._ledger.spent(*key)
            if len(self._sums) >= self._most:
                self._forget()
            self._sums[key] = LimitSum(totals.spent)
        finally:
            del self._reading[key]
            done.set()

    def _forget(self) -> None:
        """Forget the older half of those that no call is under."""
        idle = [key for key, one in self._sums.items() if not one.calls]
        for key in idle[: len(idle) // 2 + 1]:
            del self._sums[key]
