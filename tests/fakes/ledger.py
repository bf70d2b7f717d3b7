"""A ledger in a dict that takes its time, can be told to fail, and never lets a sum go wrong."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import trio

from trouper.actors.store.ledger import Closing, Denied, Limit, Opening, Row, Selection, Totals


class FakeLedger:
    """Acknowledges a reservation `delay` seconds after it is made."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.failing: Exception | None = None
        self.reads = 0
        self.table: dict[str, Row] = {}
        self._limits: dict[str, tuple[Limit, ...]] = {}
        self._sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.failing is not None:
            raise self.failing
        denied = self._take(opening, limits)
        # It is in the book now, whether or not who has asked is still there to hear it.
        await trio.sleep(self.delay)
        return denied

    def _take(self, opening: Opening, limits: Sequence[Limit]) -> Denied | None:
        assert opening.op_id not in self.table
        for limit in limits:
            left = limit.most - sum(self._sums[limit.scope, limit.window])
            if opening.reserved > left:
                return Denied(limit, left)
        for limit in limits:
            self._sums[limit.scope, limit.window][1] += opening.reserved
        self._limits[opening.op_id] = tuple(limits)
        self.table[opening.op_id] = Row(opening=opening, state="reserved", closing=None)
        return None

    def settle(self, op_id: str, closing: Closing) -> None:
        row = self.table.get(op_id)
        if row is None or row.state != "reserved":
            assert row is None, "it was settled twice"
            return
        self.table[op_id] = Row(opening=row.opening, state=closing.state, closing=closing)
        cost = row.opening.reserved if closing.cost is None else closing.cost
        for limit in self._limits[op_id]:
            total = self._sums[limit.scope, limit.window]
            total[1] -= row.opening.reserved
            total[0] += cost

    async def spent(self, scope: str, window: str) -> Totals:
        self.reads += 1
        await trio.sleep(self.delay)
        spent, reserved = self._sums[scope, window]
        return Totals(spent=spent, reserved=reserved)

    async def rows(self, selection: Selection) -> AsyncIterator[Row]:
        for row in self.table.values():
            yield row
