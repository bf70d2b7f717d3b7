"""Token buckets: how much may be asked of a provider now, and when a call will fit.

A provider limits requests and tokens, some of them input and output tokens for
themselves. Each limit is a bucket that fills continuously. A call takes from
all of them or from none, before it is sent, by an estimate; what it took too
much is given back when the truth is known (`true_up`). So a level may be below
zero: that is a debt, and the next call waits until it is paid.

Times are in seconds, on any clock that does not go back; they are arguments.

Before you edit: lists are made where a generator would cost as much as what it
gives, since every call comes here three times. And what a microsecond fills up counts as full. Compared exactly, a
bucket may lack so little that the clock has no step as small, and whoever
sleeps for it is woken at the same moment, for ever.
"""

from collections.abc import Sequence
from math import inf
from typing import Literal

import attrs
from attrs.validators import gt, optional

from ..chat import Usage

__all__ = ["NOTHING", "RESOURCES", "Bucket", "Buckets", "Demand", "RateLimits", "Resource", "spent"]

Resource = Literal["requests", "tokens", "input_tokens", "output_tokens"]

RESOURCES: tuple[Resource, ...] = ("requests", "tokens", "input_tokens", "output_tokens")
"""What may be limited, in the order in which amounts are written here."""

Amounts = tuple[float, float, float, float]

_NONE: Amounts = (0, 0, 0, 0)

# Seconds. Ten thousand times what trio's clock can tell apart, and far less than a send takes.
_EPSILON = 1e-6

# Seconds' worth of debt that the truth may leave, at the most: one minute, the time over
# which providers count. What a call took beyond that they have forgiven before we could pay
# it, or they say so by a 429. So one count that is wrong (2**32 - 1 tokens, for a number
# below zero) blocks a key for a minute and not for weeks.
_DEEPEST = 60.0

# Others may spend from the same limits, and the server's count is rounded.
_TRUST = 0.95


@attrs.frozen
class Demand:
    """What calls take from the limits: how many they are, and their tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1

    @property
    def amounts(self) -> Amounts:
        """In the order of RESOURCES; `tokens` counts both directions."""
        return (
            self.requests,
            self.input_tokens + self.output_tokens,
            self.input_tokens,
            self.output_tokens,
        )

    def __add__(self, other: "Demand") -> "Demand":
        return Demand(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.requests + other.requests,
        )

    def __sub__(self, other: "Demand") -> "Demand":
        return Demand(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.requests - other.requests,
        )


NOTHING = Demand(requests=0)


def spent(usage: Usage, *, cache_reads_count: bool = True) -> Demand:
    """What one call took, by what the provider says of it.

    Anthropic does not count input that it read from its cache against the
    limits of most models: say so by `cache_reads_count`.
    """
    cached = 0 if cache_reads_count else usage.cache_read
    return Demand(max(0, usage.input - cached), usage.output)


@attrs.frozen(kw_only=True)
class RateLimits:
    """What a provider allows for one key; None is without limit.

    `requests_per_minute`, `tokens_per_minute` of both kinds together, and where they
    are counted apart `input_tokens_per_minute` and `output_tokens_per_minute`.
    `burst` is how many seconds' worth may be asked for at once after a pause.
    """

    requests_per_minute: float | None = attrs.field(default=None, validator=optional(gt(0)))
    tokens_per_minute: float | None = attrs.field(default=None, validator=optional(gt(0)))
    input_tokens_per_minute: float | None = attrs.field(default=None, validator=optional(gt(0)))
    output_tokens_per_minute: float | None = attrs.field(default=None, validator=optional(gt(0)))
    # Servers enforce a minute's limit over shorter times. Ten seconds are what
    # the strict ones let through at once; a tenth less makes up for requests
    # that left one after the other and arrive together.
    burst: float = attrs.field(default=9.0, validator=gt(0))

    def enough(self, resource: Resource) -> float:
        """What a server has to say is left of this, for `Buckets.observe` to change nothing.

        A full bucket, with what is not trusted: what was taken since then is
        taken off both, what has filled up is added to both, and a bucket that
        runs over only has less.
        """
        rate: float | None = getattr(self, f"{resource}_per_minute")
        return 0.0 if rate is None else rate / 60 * self.burst / _TRUST


@attrs.frozen
class Bucket:
    """One limit: `rate` units a second fill it up to `capacity`; `level` is that at the time `at`.

    Where `at` is to come, it does not fill before.
    """

    rate: float
    capacity: float
    level: float
    at: float

    def level_at(self, now: float) -> float:
        """How much is in it; less than nothing is a debt."""
        passed = now - self.at
        level = self.level + self.rate * passed if passed > 0 else self.level
        return min(self.capacity, level)

    def wait_for(self, amount: float, now: float, ahead: float = 0.0) -> float:
        """Seconds until `amount` may be taken, after `ahead` has been taken by others.

        What is more than it holds waits for a full bucket, and leaves a debt.
        """
        if amount <= 0:
            return 0.0
        missing = ahead + min(amount, self.capacity) - self.level_at(now)
        if missing <= self.rate * _EPSILON:
            return 0.0
        return missing / self.rate + max(0.0, self.at - now)

    def less(self, amount: float, now: float) -> "Bucket":
        """With `amount` taken out; given back where it is below zero."""
        level = min(self.capacity, self.level_at(now) - amount)
        return Bucket(self.rate, self.capacity, level, max(now, self.at))

    def corrected(self, amount: float, now: float) -> "Bucket":
        """With `amount` that was not foreseen taken out, but no deeper in debt than a minute."""
        less = self.less(amount, now)
        deepest = -self.rate * _DEEPEST
        if less.level >= deepest:
            return less
        # What was deeper before stays: an estimate that was taken may have been that large.
        deepest = min(deepest, self.level_at(now))
        return less if less.level >= deepest else attrs.evolve(less, level=deepest)

    def lowered(self, level: float, since: float, now: float) -> "Bucket":
        """With what `level` at the time `since` has become, unless there is less already."""
        filled = level + self.rate * max(0.0, now - since)
        if filled >= self.level_at(now):
            return self
        return Bucket(self.rate, self.capacity, filled, max(now, self.at))

    def stopped(self, until: float, now: float) -> "Bucket":
        """With what is in it now, and no more before `until`."""
        return Bucket(self.rate, self.capacity, self.level_at(now), max(now, until, self.at))


@attrs.frozen
class Buckets:
    """All limits of one key, in the order of RESOURCES, and until when it is paused."""

    each: tuple[Bucket | None, ...]
    paused_until: float = -inf

    @classmethod
    def of(cls, limits: RateLimits, now: float) -> "Buckets":
        """Full buckets."""
        rates = (
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.input_tokens_per_minute,
            limits.output_tokens_per_minute,
        )
        return cls(tuple(_full(rate, limits.burst, now) for rate in rates))

    def changed(self, limits: RateLimits, now: float) -> "Buckets":
        """With other limits: each bucket as full as it was, debts included, and new ones full."""
        fresh = Buckets.of(limits, now)
        each = tuple(
            new
            if new is None or old is None
            else attrs.evolve(new, level=old.level_at(now) / old.capacity * new.capacity, at=old.at)
            for old, new in zip(self.each, fresh.each, strict=True)
        )
        return Buckets(each, self.paused_until)

    def wait_for(self, cost: Demand, now: float, ahead: Demand = NOTHING) -> float:
        """Seconds until `cost` may be taken, after `ahead` has been: 0 is now.

        Never too long, but for what is given back meanwhile. It may be too
        short: a bucket may run over while another is waited for.
        """
        wait = self.paused_until - now if self.paused_until > now else 0.0
        before = _NONE if ahead is NOTHING else ahead.amounts
        for bucket, amount, first in zip(self.each, cost.amounts, before, strict=True):
            if bucket is not None and (longer := bucket.wait_for(amount, now, first)) > wait:
                wait = longer
        return wait

    def acquire(self, cost: Demand, now: float) -> "tuple[Buckets, float]":
        """Take `cost` from all buckets, or from none.

        Returns the buckets afterwards, and how many seconds to wait before
        asking again: 0 where it has been taken.
        """
        wait = self.wait_for(cost, now)
        return (self, wait) if wait else (self._less(cost, now), 0.0)

    def true_up(self, estimate: Demand, actual: Demand, now: float) -> "Buckets":
        """With the truth in place of the estimate that was taken.

        What it makes a debt is at most what fills up in a minute.
        """
        if actual == estimate:
            return self
        amounts = (actual - estimate).amounts
        each = [
            bucket.corrected(amount, now) if bucket is not None and amount else bucket
            for bucket, amount in zip(self.each, amounts, strict=True)
        ]
        return Buckets(tuple(each), self.paused_until)

    def observe(
        self, remaining: Sequence[float | None], since: float, taken: Demand, now: float
    ) -> "Buckets":
        """With what the server says is left, in the order of RESOURCES, where it is less.

        `since` is when the server may have written that down, at the earliest.
        From then on it has filled up, and `taken` has been taken here. Where the
        server wrote later, the one makes up for the other. It never raises a
        level: others may be about to spend.
        """
        each = [
            bucket
            if bucket is None or left is None
            else bucket.lowered(left * _TRUST - amount, since, now)
            for bucket, left, amount in zip(self.each, remaining, taken.amounts, strict=True)
        ]
        return Buckets(tuple(each), self.paused_until)

    def pause(self, until: float, now: float) -> "Buckets":
        """With nothing to be had before `until`, and nothing filled. Never made shorter.

        Who is told to wait has counted on more than there was. When it is over,
        what was refused is sure to fit, and a burst behind it is not.
        """
        each = tuple(bucket and bucket.stopped(until, now) for bucket in self.each)
        return Buckets(each, max(until, self.paused_until))

    def _less(self, cost: Demand, now: float) -> "Buckets":
        each = [
            bucket.less(amount, now) if bucket is not None and amount else bucket
            for bucket, amount in zip(self.each, cost.amounts, strict=True)
        ]
        return Buckets(tuple(each), self.paused_until)


def _full(per_minute: float | None, burst: float, now: float) -> Bucket | None:
    if per_minute is None:
        return None
    rate = per_minute / 60
    return Bucket(rate, rate * burst, rate * burst, now)
