"""What one attempt holds of the budgets: opened at the most it can cost, closed at its cost.

Nothing here waits for the ledger after the reservation: what closes a lease is
synchronous, so that it happens under Cancelled too, and exactly once.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import attrs
import structlog
import trio

from ..catalog.rates import Rates, UnknownPrice, ceiling, cost_of
from ..chat import Usage
from ..errors import ProviderError
from ..policy.budget import UNKNOWN_LONGEST, Alert, Budget, limits_of, longest_output
from ..policy.money import dollars
from ..store.ledger import MOST_NANO, Closing, Denied, Ledger, Limit, Opening
from .budget_refusals import budget_exceeded, price_unknown, too_dear
from .limit_sums import LimitSum, LimitSums

__all__ = ["Lease", "Purse"]

_log = structlog.get_logger("trouper.budget")

# How often a shorter answer is tried, where others take what is left meanwhile.
_TRIES = 4


@attrs.frozen(kw_only=True)
class Purse:
    """What all leases draw on: the budgets, their ledger and sums, the time, who is warned."""

    budgets: tuple[Budget, ...]
    ledger: Ledger
    sums: LimitSums
    clock: Callable[[], float]
    on_alert: Callable[[Alert], None]


class Lease:
    """What one attempt holds of the budgets, as a block. Made by `Budgets.lease`; good for one use.

    Entering opens the attempt's row and reserves the most that it can cost.
    It raises ProviderError of kind BUDGET_EXCEEDED where a budget does not cover
    that, nor a shorter answer where its `clamp` allows one; PRICE_UNKNOWN where
    a budget applies and nobody knows the price; INVALID_REQUEST where it may cost
    more than nine million dollars (MOST_NANO); and what the ledger raises.
    `max_output_tokens` is what to ask for then.

    Leaving it closes the row, if `settle` has not: nothing was spent before
    `sent`, or where the provider refused it unbilled; else it cost what `note`
    has said, or counts as all that was reserved. `cost` is known then.

    Who has no block for it may call `open` and `close`.
    """

    __slots__ = (
        "_closed",
        "_first_token",
        "_held",
        "_input_tokens",
        "_least",
        "_longest",
        "_noted",
        "_purse",
        "_rates",
        "_sent",
        "_sums",
        "cost",
        "max_output_tokens",
        "opening",
    )

    def __init__(
        self,
        purse: Purse,
        opening: Opening,
        rates: Rates | UnknownPrice,
        *,
        input_tokens: int,
        max_output_tokens: int | None,
        longest: int | None,
        least: int,
    ) -> None:
        self.opening = opening
        """The row, as it was opened."""
        self.max_output_tokens = max_output_tokens
        """What to ask for: what was wanted, or less."""
        self.cost: int | None = None
        """Nano-dollars, after the end; None where nobody knows it."""
        self._purse = purse
        self._rates = rates
        self._input_tokens = input_tokens
        self._longest = longest
        self._least = least
        self._held: Sequence[tuple[Budget, Limit]] = ()
        self._sums: Sequence[LimitSum] = ()
        self._noted: _Noted | None = None
        # When it was sent, and when the first token came, on trio's clock.
        self._sent: float | None = None
        self._first_token: float | None = None
        # Until a row may have been opened, there is none to close.
        self._closed = True

    async def open(self) -> None:
        """Reserve the most that the attempt can cost; where this raises, it is closed."""
        purse, rates = self._purse, self._rates
        longest = _least_known(self.max_output_tokens, self._longest)
        output = UNKNOWN_LONGEST if longest is None else longest
        self._ask_for(output, at=purse.clock())
        held = limits_of(purse.budgets, self.opening)
        if held and isinstance(rates, UnknownPrice):
            raise price_unknown(held[0][0], self.opening, rates)
        if held and self.opening.reserved:
            # What is free goes on when nothing is left.
            if longest is None:
                self.max_output_tokens = output
            self._sums = await purse.sums.begin([limit for _, limit in held])
            self._held = held
        await self._reserve_shortened(output)

    def sent(self) -> None:
        """The call is being sent. Say it before the first byte leaves."""
        self._sent = trio.current_time()

    def first_token(self) -> None:
        """The first content has come."""
        self._first_token = trio.current_time()

    def note(self, usage: Usage, rates: Rates | UnknownPrice | None = None) -> None:
        """Say what it has used so far, or by an estimate: what counts if nobody settles."""
        self._noted = _Noted(usage, rates)

    def settle(
        self,
        usage: Usage | None,
        *,
        rates: Rates | UnknownPrice | None = None,
        outcome: str = "ok",
        model: str = "",
        service_tier: str = "",
    ) -> None:
        """Say what it has used; never blocks. Only the first word counts.

        `rates` are those of the tier that has served, where they are not those
        that it was opened with. `outcome` is "ok", "cancelled" or an error's
        kind, `model` the one that has answered, and `service_tier` the tier that has
        served. Without any usage it counts as all that was reserved, which of a free
        model is nothing.
        """
        rates = rates or self._rates
        cost, price_id = None, ""
        if usage is not None and isinstance(rates, Rates):
            cost, price_id = cost_of(usage, rates).nano_dollars, rates.price_id
        elif isinstance(rates, Rates) and not self.opening.reserved:
            # Whatever it has used was free.
            cost, price_id = 0, rates.price_id
        self._close(
            Closing(
                state="unknown" if usage is None else "settled",
                outcome=outcome,
                usage=usage,
                cost=cost,
                price_id=price_id,
                model=model,
                service_tier=service_tier,
                first_token_ms=self._milliseconds(self._first_token),
                duration_ms=self._milliseconds(trio.current_time()) or 0,
            )
        )

    def close(self, error: BaseException | None = None, outcome: str = "") -> None:
        """End it as an attempt that has ended with that error; never blocks.

        `outcome` is what that is called, where the error alone does not say it.
        """
        if self._closed:
            return
        outcome = outcome or _outcome(error)
        if self._sent is None or self._refused_unbilled(error):
            self._close(
                Closing(
                    state="released",
                    outcome=outcome,
                    cost=0,
                    duration_ms=self._milliseconds(trio.current_time()) or 0,
                )
            )
        elif self._noted is not None:
            self.settle(self._noted.usage, rates=self._noted.rates, outcome=outcome)
        else:
            self.settle(None, outcome=outcome)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error)

    def _refused_unbilled(self, error: BaseException | None) -> bool:
        if not isinstance(error, ProviderError) or error.billed != "no":
            return False
        # Whoever fails after the first words has worked for them.
        return not error.committed and self._first_token is None

    def _ask_for(self, output: int, at: float) -> None:
        rates = self._rates
        amount, price_id = 0, ""
        if isinstance(rates, Rates):
            amount, price_id = ceiling(self._input_tokens, output, rates), rates.price_id
        if amount > MOST_NANO:
            raise too_dear(self.opening.provider, self.opening.model, output, amount)
        self.opening = attrs.evolve(self.opening, at=at, reserved=amount, price_id=price_id)

    async def _reserve_shortened(self, output: int) -> None:
        """Reserve for so long an answer, or for the longest that still can be paid."""
        least = min(self._least, output)
        tries = 0
        while (denied := await self._reserve()) is not None:
            tries += 1
            budget = next(budget for budget, limit in self._held if limit == denied.limit)
            # Without a price there was no limit to deny it.
            assert isinstance(self._rates, Rates)
            output = longest_output(denied.left, self._input_tokens, output, self._rates)
            if not budget.clamp or output < least or tries == _TRIES:
                raise self._refused(budget, denied)
            self.max_output_tokens = output
            self._ask_for(output, at=self.opening.at)

    async def _reserve(self) -> Denied | None:
        limits = [limit for _, limit in self._held]
        self._closed = False
        try:
            return await self._purse.ledger.reserve(self.opening, limits)
        except BaseException as error:
            self.close(error)  # it may have been reserved meanwhile
            raise

    def _refused(self, budget: Budget, denied: Denied) -> ProviderError:
        self._closed = True  # without a row
        for (one, limit), total in zip(self._held, self._sums, strict=True):
            total.calls -= 1
            if one is budget:
                self._tell(total.refuse(one, limit))
        return budget_exceeded(budget, self.opening, denied)

    def _close(self, closing: Closing) -> None:
        if self._closed:
            return
        self._closed = True
        self.cost = closing.cost
        self._purse.ledger.settle(self.opening.op_id, closing)
        charged = self.opening.reserved if closing.cost is None else closing.cost
        if self._held and charged > self.opening.reserved:
            # The one way in which a budget can be overrun, so it is never silent.
            _log.warning(
                "call cost more than was reserved",
                provider=self.opening.provider,
                model=self.opening.model,
                cost_usd=dollars(charged),
                reserved_usd=dollars(self.opening.reserved),
            )
        for (budget, limit), total in zip(self._held, self._sums, strict=True):
            total.calls -= 1
            self._tell(total.spend(budget, limit, charged))

    def _tell(self, alert: Alert | None) -> None:
        if alert is not None:
            self._purse.on_alert(alert)

    def _milliseconds(self, until: float | None) -> int | None:
        if self._sent is None or until is None:
            return None
        return round((until - self._sent) * 1000)


@attrs.frozen
class _Noted:
    usage: Usage
    rates: Rates | UnknownPrice | None


def _least_known(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, ProviderError):
        return error.kind.value
    if isinstance(error, BaseExceptionGroup):
        # Of a nursery that ends for a fault, all but the fault are cancelled.
        return min(map(_outcome, error.exceptions), key="cancelled".__eq__)
    # "failed" is a fault of our own or of the caller's.
    return "failed" if isinstance(error, Exception) else "cancelled"
