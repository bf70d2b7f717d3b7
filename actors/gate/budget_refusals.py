"""What a call hears that no budget covers: which one, what is left of it, when it renews."""

from datetime import UTC, datetime

from ..catalog.rates import UnknownPrice
from ..errors import ErrorKind, ProviderError
from ..policy.budget import Budget, renews_at
from ..policy.money import short_dollars
from ..store.ledger import MOST_NANO, Denied, Opening

__all__ = ["budget_exceeded", "price_unknown", "too_dear"]

_PER = {"total": "", "day": " a day", "month": " a month"}


def budget_exceeded(budget: Budget, call: Opening, denied: Denied) -> ProviderError:
    """That budget has less left than `call.reserved`; `retry_after` is when it renews."""
    renews = renews_at(budget.per, call.at)
    whose = "" if budget.scope == "all" else f" for {_whose(denied.limit.scope)}"
    message = (
        f'budget "{budget.name}" ({short_dollars(budget.limit)}{_PER[budget.per]}{whose}) has '
        f"{short_dollars(max(0, denied.left))} left, and this call may cost "
        f"{short_dollars(call.reserved)}"
    )
    if renews is None:
        message += "; it does not renew by itself"
    else:
        message += f"; it renews at {datetime.fromtimestamp(renews, UTC):%Y-%m-%d %H:%M} UTC"
    return ProviderError(
        kind=ErrorKind.BUDGET_EXCEEDED,
        message=message,
        provider=call.provider,
        model=call.model,
        key_id=call.key_id,
        code=budget.name,
        retry_after=None if renews is None else renews - call.at,
    )


def price_unknown(budget: Budget, call: Opening, price: UnknownPrice) -> ProviderError:
    """That budget applies, and what cannot be priced cannot be held to it."""
    return ProviderError(
        kind=ErrorKind.PRICE_UNKNOWN,
        message=f'budget "{budget.name}" applies, and {price.why}',
        provider=call.provider,
        model=call.model,
        key_id=call.key_id,
        code=budget.name,
    )


def too_dear(provider: str, model: str, output: int, amount: int) -> ProviderError:
    """That an answer of `output` tokens may cost `amount`, more than a ledger has room for."""
    return ProviderError(
        kind=ErrorKind.INVALID_REQUEST,
        message=(
            f"not sent: max_output_tokens: an answer of {output} tokens may cost "
            f"{short_dollars(amount)}, and one call {short_dollars(MOST_NANO)} at most; "
            "ask for a shorter one, or correct the price of the model"
        ),
        provider=provider,
        model=model,
    )


def _whose(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return f"{kind} {name}" if name else f"calls without a {kind}"
