"""One attempt's way through the gates of its target: in by one door after the other, out at once.

    facts of the model -> circuit -> key -> limiter of that key -> budgets -> the provider

Before you edit: `enter` may stop at any gate, and `leave` gives back what has
been taken by then, in reverse. It is synchronous, so that it runs under
Cancelled as well, and each gate sees the error as it came.
"""

import time
from collections.abc import Iterable, Set
from typing import TypeVar

import attrs
import httpx

from ...runtime import Ref
from ..catalog.facts import ModelRef
from ..catalog.rates import Rates, UnknownPrice, cost_of
from ..catalog.validation import validate, without_refused_sampling
from ..chat import ChatRequest, Usage
from ..errors import ErrorKind, ProviderError
from ..gate.budget import Budgets
from ..gate.budget_lease import Lease
from ..gate.circuit_use import CircuitUse
from ..gate.key_use import KeyUse
from ..gate.limiter_messages import LimiterMessage
from ..gate.limiter_use import LimiterUse
from ..ids import new_id
from ..policy.bucket import Demand, spent
from ..policy.budget import least_output
from ..store.ledger import Opening
from ..wire.extra import limits_in
from ..wire.rate_limits import left, limits_of
from .call import Call
from .knowledge import is_paid
from .tally import Tally
from .target import Target

__all__ = ["GateChain"]

U = TypeVar("U", CircuitUse, KeyUse, LimiterUse)


class GateChain:
    """One attempt at the gates. `waited` are the seconds that the limiter has made it wait.

    `tried` are ids of keys that this request has failed with already.
    """

    __slots__ = (
        "_answered",
        "_call",
        "_circuit_use",
        "_counted",
        "_key_use",
        "_lease",
        "_limiter_use",
        "_number",
        "_ref",
        "_request",
        "_target",
        "_tried",
        "_uses",
        "cost",
        "is_sent",
        "key_id",
        "usage",
        "waited",
    )

    def __init__(
        self,
        target: Target,
        request: ChatRequest,
        call: Call,
        number: int = 1,
        tried: Set[str] = frozenset(),
    ) -> None:
        self._target = target
        self._request = request
        self._call = call
        self._number = number
        self._tried = tried
        self._ref = ModelRef(target.provider, request.model, target.family)
        self._circuit_use: CircuitUse | None = None
        self._key_use: KeyUse | None = None
        self._limiter_use: LimiterUse | None = None
        # Those that have been entered, in that order.
        self._uses: list[CircuitUse | KeyUse | LimiterUse] = []
        self._lease: Lease | None = None
        self._counted = 0
        self.is_sent = False
        self._answered = False
        self.key_id = ""
        self.waited = 0.0
        # Of what has become of it, once it has been left.
        self.usage: Usage | None = None
        self.cost: int | None = None

    async def enter(self, deadline: float) -> ChatRequest:
        """Pass all gates by `deadline`; the request as it is to be sent.

        Raises ProviderError where one refuses, and what asking it raises.
        `leave` is due in any case.
        """
        gates, knowledge = self._target.gates, self._target.knowledge
        request = self._request = self._fitted(self._request)
        rates = knowledge.rates(self._ref)
        # Before anything is held, because of a long prompt it takes its time.
        if gates.counts_tokens or (gates.budgets is not None and is_paid(rates)):
            self._counted = await knowledge.count(self._ref, request)
        if gates.circuit is not None:
            self._circuit_use = await self._entered(CircuitUse(gates.circuit))
        if gates.keys is not None:
            use = KeyUse(gates.keys, model=request.model, tried=self._tried)
            self._key_use = await self._entered(use)
            self.key_id = use.key_id
        limiter = gates.limiters.get(self.key_id)
        if limiter is not None:
            await self._admit(limiter, deadline)
        if gates.budgets is not None:
            await self._reserve(gates.budgets, rates)
        return self._request

    async def _entered(self, use: U) -> U:
        await use.enter()
        self._uses.append(use)
        return use

    async def _admit(self, limiter: Ref[LimiterMessage], deadline: float) -> None:
        knowledge = self._target.knowledge
        estimate = Demand(
            knowledge.likely_input(self._ref, self._counted),
            knowledge.likely_output(self._ref, self._request.max_output_tokens),
        )
        priority = self._call.priority
        use = LimiterUse(limiter, estimate, priority=priority, deadline=deadline)
        self._limiter_use = await self._entered(use)
        self.waited = use.waited

    async def _reserve(self, budgets: Budgets, rates: Rates | UnknownPrice) -> None:
        knowledge, call, request = self._target.knowledge, self._call, self._request
        if request.extra and budgets.budgets and (hidden := limits_in(request.extra)):
            raise _invalid(
                f"extra.{name}: budgets must know what an answer can cost at most; "
                "say max_output_tokens of the request instead, and ask for one answer"
                for name in hidden
            )
        lease = budgets.lease(
            Opening(
                # Not made of the request's: that one is the caller's word.
                op_id=new_id(),
                request_id=call.request_id,
                attempt=self._number,
                at=0.0,
                provider=self._target.provider,
                model=request.model,
                reserved=0,
                key_id=self.key_id,
                session=call.session,
                user=call.user,
            ),
            rates,
            input_tokens=knowledge.likely_input(self._ref, self._counted),
            max_output_tokens=request.max_output_tokens,
            longest=knowledge.facts(self._ref).max_output_tokens,
            least=least_output(request),
        )
        await lease.open()
        self._lease = lease
        if lease.max_output_tokens != request.max_output_tokens:
            self._request = attrs.evolve(request, max_output_tokens=lease.max_output_tokens)

    def _fitted(self, request: ChatRequest) -> ChatRequest:
        """The request as this model takes it. Raises ProviderError where it takes it in no way."""
        facts = self._target.knowledge.facts(self._ref)
        request, _ = without_refused_sampling(request, facts)
        faults = validate(request, facts)
        if faults:
            raise _invalid(faults)
        return request

    def sent(self) -> None:
        """The request is about to be sent."""
        self.is_sent = True
        if self._limiter_use is not None:
            self._limiter_use.sent()
        if self._lease is not None:
            self._lease.sent()

    def answered(self, headers: httpx.Headers) -> None:
        """The provider has answered, well or badly."""
        self._answered = True
        gates = self._target.gates
        if self._limiter_use is not None and gates.limited:
            # A look at what is left: mostly it is enough, and nobody has to hear of it.
            raw = headers.raw
            for resource, there in left(raw).items():
                if there < gates.enough[resource]:
                    self._limiter_use.answered(limits_of(raw, time.time()))
                    break

    def begun(self) -> None:
        """The first content has come."""
        self._answered = True
        if self._lease is not None:
            self._lease.first_token()
        if self._key_use is not None:
            self._key_use.begun()
        if self._circuit_use is not None:
            self._circuit_use.begun()

    def leave(self, error: BaseException | None, tally: Tally, outcome: str) -> None:
        """Give back everything. Never blocks.

        `error` is what ended it, as it came, and `outcome` what that is called.
        """
        if error is None and not self._answered:
            # Who leaves before there was an answer has learned nothing of anybody.
            error = GeneratorExit()
        # No gate is skipped for what another one raises, or what was used: nobody comes again.
        try:
            self._settle(tally, outcome)
        finally:
            try:
                if self._lease is not None:
                    self._lease.close(error, outcome)
            finally:
                self._give_back(error)
        self.cost = self._cost(error, tally)

    def _give_back(self, error: BaseException | None) -> None:
        if self._uses:
            try:
                self._uses.pop().close(error)
            finally:
                self._give_back(error)

    def _settle(self, tally: Tally, outcome: str) -> None:
        """Say what it has used, as far as anybody knows."""
        usage = self.usage = self._used(tally)
        if usage is None:
            return
        if self._lease is not None:
            self._lease.settle(
                usage,
                rates=self._target.knowledge.rates(self._ref, tally.service_tier),
                outcome=outcome,
                model=tally.model,
                service_tier=tally.service_tier or "",
            )
        if self._limiter_use is not None:
            reads = self._target.kind != "anthropic"
            self._limiter_use.settle(spent(usage, cache_reads_count=reads))

    def _cost(self, error: BaseException | None, tally: Tally) -> int | None:
        if self._lease is not None:
            return self._lease.cost
        if self.usage is not None:
            rates = self._target.knowledge.rates(self._ref, tally.service_tier)
            return cost_of(self.usage, rates).nano_dollars if isinstance(rates, Rates) else None
        return 0 if not self.is_sent or _is_unbilled(error) else None

    def _used(self, tally: Tally) -> Usage | None:
        """What it has used: as the provider says, or by an estimate; None where nobody knows."""
        knowledge = self._target.knowledge
        if tally.is_counted:
            assert tally.usage is not None
            knowledge.learn(self._ref, self._counted, tally.usage)
            return tally.usage
        if tally.begun:
            return knowledge.estimate(self._ref, self._request, self._counted, tally)
        return None


def _is_unbilled(error: BaseException | None) -> bool:
    return isinstance(error, ProviderError) and error.billed == "no"


def _invalid(faults: Iterable[str]) -> ProviderError:
    return ProviderError(
        kind=ErrorKind.INVALID_REQUEST,
        message=f"not sent, because it would be refused: {'; '.join(faults)}",
    )
