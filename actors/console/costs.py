"""What was spent since the program began: by provider, model, session and user, and by minute.

In memory, and only since the start: what it cost before is in the ledger
(`trouper usage`). Money is in nano-dollars.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import attrs

from ..telemetry.observer import AttemptBegan, AttemptEnded, RequestBegan

__all__ = ["GROUPS", "CostSum", "Costs"]

GROUPS: Final = ("provider", "model", "session", "user")

_MINUTES = 60
# Rows of one grouping; what comes beyond is "other". Sessions come and go by the thousand.
_MOST = 500
# Rows of each grouping that the feed tells, the dearest first.
_TOLD = 50
_OTHER = "(other)"


@attrs.define
class CostSum:
    """What calls have cost; `unknown` counts those whose cost nobody knows."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cost: int = 0
    unknown: int = 0

    def add(self, ended: AttemptEnded) -> None:
        """Count a call that has ended. What nobody knows the cost of is counted, too, as `unknown`."""
        self.calls += 1
        if ended.usage is not None:
            self.input += ended.usage.input
            self.output += ended.usage.output
        if ended.cost is not None:
            self.cost += ended.cost
        elif ended.may_cost:
            self.unknown += 1


class Costs:
    """Adds up every try that has ended. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sums: dict[str, dict[str, CostSum]] = {group: {} for group in GROUPS}
        self._minutes: deque[int] = deque([0] * _MINUTES, maxlen=_MINUTES)
        self._minute = int(clock() // 60)
        self.total = CostSum()

    def add(self, request: RequestBegan, tried: AttemptBegan, ended: AttemptEnded) -> None:
        """A try has ended."""
        names = {
            "provider": tried.provider,
            "model": f"{tried.provider}/{tried.model}",
            "session": request.session,
            "user": request.user,
        }
        for group, name in names.items():
            sums = self._sums[group]
            sum = sums.get(name)
            if sum is None:
                sum = sums.setdefault(name if len(sums) < _MOST else _OTHER, CostSum())
            sum.add(ended)
        self.total.add(ended)
        self._turn()
        self._minutes[-1] += ended.cost or 0

    def _turn(self) -> None:
        minute = int(self._clock() // 60)
        for _ in range(min(_MINUTES, minute - self._minute)):
            self._minutes.append(0)
        self._minute = minute

    @property
    def minutes(self) -> list[int]:
        """What each of the last 60 minutes has cost, the current one last."""
        self._turn()
        return list(self._minutes)

    def frame(self) -> dict[str, Any]:
        """As the feed tells it; the dearest 50 of each grouping."""
        told: dict[str, Any] = {"total": attrs.asdict(self.total), "minutes": self.minutes}
        for group, sums in self._sums.items():
            rows = sorted(sums.items(), key=lambda item: (-item[1].cost, -item[1].calls, item[0]))
            told[group] = [{"name": name, **attrs.asdict(sum)} for name, sum in rows[:_TOLD]]
        return told
