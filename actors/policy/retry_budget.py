"""How many retries a deployment gets: a share of its requests, and a few for who asks rarely.

Retries help against faults that are few. In an outage every request fails, and
if each is tried three times the deployment has three times its load just when
it cannot bear it. So retries are paid for by requests: each one saves a share
of a retry, and a retry takes a whole one. The same account bounds hedging.

Nothing here waits: the account is a value, and time an argument, in seconds on
one clock.
"""

from math import inf

import attrs

__all__ = ["Account", "Allowance", "deposit", "withdraw"]

# What is left after many small deposits is not exact.
_EPSILON = 1e-9


@attrs.frozen(kw_only=True)
class Allowance:
    """How much may be taken.

    `share` of one is saved with each request, up to `most`, so that what a long
    quiet time has saved is no storm. Up to `floor` it fills by time, too, one in
    `seconds`: a program that asks once an hour may retry. The default is within
    the 10 to 20 % of the requests that gateways use (Finagle's RetryBudget 20 %,
    Linkerd's 20 %): 1,000 requests that all fail within 200 seconds are at most
    1,200 that are sent, whatever was saved before.
    """

    share: float = attrs.field(default=0.15, validator=attrs.validators.ge(0))
    floor: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    most: float = attrs.field(default=30.0, validator=attrs.validators.ge(0))
    seconds: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))


@attrs.frozen
class Account:
    """What is left at the time `at`."""

    left: float
    at: float = -inf

    @classmethod
    def opened(cls, allowance: Allowance, now: float) -> "Account":
        """An account of which nothing has been taken yet."""
        return cls(allowance.floor, now)


def deposit(account: Account, allowance: Allowance, now: float) -> Account:
    """A request has been made."""
    left = _at(account, allowance, now)
    return Account(max(left, min(allowance.most, left + allowance.share)), now)


def withdraw(account: Account, allowance: Allowance, now: float) -> Account | None:
    """Take one; None where there is not a whole one left."""
    left = _at(account, allowance, now)
    if left < 1 - _EPSILON:
        return None
    return Account(max(0.0, left - 1), now)


def _at(account: Account, allowance: Allowance, now: float) -> float:
    """What is left now, with what time has brought."""
    if account.left >= allowance.floor:
        return account.left
    brought = max(0.0, now - account.at) / allowance.seconds
    return min(allowance.floor, account.left + brought)
