"""What the requests of a provider's batch cost: reserved when it is sent, settled by its results.

Each request has one row in the ledger, under an id that is always the same
(`op_id_of`), so that neither a second try nor another process opens a second
one. A row that its program has left open counts as lost, in full, until the
results say better; see store/ledger.py.
"""

import time
from collections.abc import Sequence

import attrs

from ..catalog.facts import ModelRef
from ..catalog.prices import BATCH
from ..catalog.rates import Rates, UnknownPrice, ceiling, cost_of
from ..chat import ChatRequest, Completion
from ..errors import ProviderError
from ..gate.budget import Budgets
from ..gate.budget_refusals import budget_exceeded, price_unknown, too_dear
from ..policy.budget import UNKNOWN_LONGEST, guarded_input, limits_of
from ..provider.knowledge import Knowledge
from ..store.ledger import MOST_NANO, Closing, Denied, Limit, Opening, windows_of
from ..store.ledger_operations import Settled
from ..wire.batch import CANCELLED, BatchFault
from .lines import answer_of, answer_of_fault
from .operations import RequestResult
from .rows import BatchRow, RequestState, op_id_of

__all__ = ["Books", "fault_of"]


def fault_of(error: ProviderError) -> BatchFault:
    """Why a request has no answer, as an error says it."""
    return BatchFault(error.kind.value, error.message)


class Books:
    """The books of the requests of one model, at the price of batch work."""

    def __init__(
        self, knowledge: Knowledge, budgets: Budgets, ref: ModelRef, batch: BatchRow
    ) -> None:
        self._knowledge = knowledge
        self._budgets = budgets
        self._ref = ref
        self._batch = batch

    async def opening(
        self, n: int, request: ChatRequest, key_id: str
    ) -> tuple[Opening, tuple[Limit, ...]]:
        """The row of request `n` at the most that it can cost, and the limits that it falls under.

        Raises ProviderError of kind PRICE_UNKNOWN where a budget applies and nobody knows the
        price, and INVALID_REQUEST where it may cost more than MOST_NANO.
        """
        rates = self._rates()
        reserved, price_id = 0, ""
        if isinstance(rates, Rates):
            counted = await self._knowledge.count(self._ref, request)
            likely = guarded_input(self._knowledge.likely_input(self._ref, counted))
            longest = self._longest(request)
            reserved = ceiling(likely, longest, rates)
            price_id = rates.price_id
            if reserved > MOST_NANO:
                raise too_dear(self._ref.provider, self._ref.model, longest, reserved)
        opening = attrs.evolve(
            self._opening(op_id_of(self._batch.id, n), time.time()),
            reserved=reserved,
            price_id=price_id,
            key_id=key_id,
        )
        held = limits_of(self._budgets.budgets, opening)
        if held and isinstance(rates, UnknownPrice):
            raise price_unknown(held[0][0], opening, rates)
        # What is free goes on when nothing is left.
        return opening, tuple(limit for _, limit in held) if reserved else ()

    async def refused(self, opening: Opening, denied: Denied) -> BatchFault:
        """That a budget does not cover it. Raises what the ledger does."""
        held = limits_of(self._budgets.budgets, opening)
        budget = next(budget for budget, limit in held if limit == denied.limit)
        await self._budgets.refused(opening, denied)
        return fault_of(budget_exceeded(budget, opening, denied))

    def answered(self, n: int, outcome: Completion | BatchFault) -> RequestResult:
        """What became of request `n` at its provider, with what it cost."""
        if isinstance(outcome, BatchFault):
            # Nothing is billed for what was not answered.
            return self.failed(n, outcome, Closing(state="released", outcome=outcome.kind, cost=0))
        usage, rates = outcome.usage, self._rates()
        cost, price_id = None, ""
        if usage is not None and isinstance(rates, Rates):
            cost, price_id = cost_of(usage, rates).nano_dollars, rates.price_id
        closing = Closing(
            state="unknown" if usage is None else "settled",
            outcome="ok",
            usage=usage,
            cost=cost,
            price_id=price_id,
            model=outcome.model,
            service_tier=BATCH,
        )
        return RequestResult(
            n, "done", answer_of(outcome, cost), op_id_of(self._batch.id, n), closing
        )

    async def closed(self, settled: Sequence[tuple[RequestResult, Settled]]) -> None:
        """Let the budgets warn of what these have cost. Raises what the ledger does."""
        days: dict[str, tuple[float, int]] = {}
        for _, one in settled:
            # All of one day are the same to every budget.
            day = windows_of(one.at)[1]
            days[day] = one.at, days.get(day, (0.0, 0))[1] + one.added
        for at, added in days.values():
            await self._budgets.charged(self._opening("", at), added)

    def _opening(self, op_id: str, at: float) -> Opening:
        """A row of this batch, with no amount yet."""
        return Opening(
            op_id=op_id,
            request_id=self._batch.id,
            attempt=1,
            at=at,
            provider=self._ref.provider,
            model=self._ref.model,
            reserved=0,
            session=self._batch.session,
            user=self._batch.user,
        )

    def failed(self, n: int, fault: BatchFault, closing: Closing | None) -> RequestResult:
        """A request that has no answer; `closing` is None where it has no row to close."""
        state: RequestState = "cancelled" if fault.kind == CANCELLED else "failed"
        op_id = op_id_of(self._batch.id, n)
        return RequestResult(n, state, answer_of_fault(fault), op_id, closing)

    def _rates(self) -> Rates | UnknownPrice:
        return self._knowledge.rates(self._ref, BATCH)

    def _longest(self, request: ChatRequest) -> int:
        wanted = request.max_output_tokens
        known = self._knowledge.facts(self._ref).max_output_tokens
        if wanted is not None:
            return wanted
        return UNKNOWN_LONGEST if known is None else known
