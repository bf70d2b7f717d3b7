"""How an attempt at a provider goes: how long, how often, and when nobody asks any more."""

from collections.abc import Iterator

import attrs

from ..policy.breaker import LONGEST_OPEN, BreakerPolicy
from . import checks

__all__ = ["BreakerConfig", "RetryConfig", "TimeoutConfig"]


@attrs.frozen(kw_only=True)
class RetryConfig:
    """How often a request is tried, and how long is waited between.

    Before try n a random time up to `base_delay` doubled n times is waited, at
    most `max_delay`, or what the provider itself asks for.
    """

    # Two retries get over one restart of a provider's server; more make an outage worse.
    attempts: int = attrs.field(default=3, metadata=checks.whole(1, 20))
    """How often a request is tried, the first time included."""
    # What the official clients of OpenAI and Anthropic do.
    base_delay: float = attrs.field(default=0.5, metadata=checks.seconds())
    """Seconds that are waited at most before the first retry."""
    # What the official clients do, too.
    max_delay: float = attrs.field(default=8.0, metadata=checks.seconds())
    """Seconds that are waited at most before any retry."""
    # A second bill for the same answer is worse than an error that says so.
    ambiguous: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether a request that the provider may have billed, but has not answered, is tried once
    more."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        if self.max_delay < self.base_delay:
            yield (
                f"max_delay: {self.max_delay:g} s is less than base_delay, {self.base_delay:g} s"
            )


@attrs.frozen(kw_only=True)
class TimeoutConfig:
    """How long each phase of a request may take."""

    # A TCP and TLS handshake around the world takes less than one second.
    connect: float = attrs.field(default=5.0, metadata=checks.seconds())
    """Seconds until a connection stands."""
    # A long prompt, or a model that thinks first.
    first_event: float = attrs.field(default=120.0, metadata=checks.seconds())
    """Seconds from the request to the first event of the answer."""
    # Reasoning models fall silent for minutes.
    idle: float = attrs.field(default=300.0, metadata=checks.seconds())
    """Seconds between two events of an answer."""
    # Three times the longest silence; an answer that takes longer is one that nobody waits for.
    total: float = attrs.field(default=900.0, metadata=checks.seconds())
    """Seconds for the whole request, from its beginning to the end of the answer. A chain has
    those of its most patient provider for all together."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """When a model that fails is left alone for a while.

    Each model of the provider has a breaker of its own. It looks at the calls of
    the last 30 seconds.
    """

    # Half of the calls: fewer are what retries are for.
    failure_ratio: float = attrs.field(
        default=BreakerPolicy().failure_ratio, metadata=checks.share()
    )
    """The share of the calls, above 0 and up to 1, that must have failed."""
    # Fewer would let two failures of three close a provider at night.
    min_calls: int = attrs.field(
        default=BreakerPolicy().min_calls, metadata=checks.whole(1, 10_000)
    )
    """How many calls there must have been before a share of them says anything."""
    # Longer than a restart behind a balancer.
    open_for: float = attrs.field(
        default=BreakerPolicy().open_for, metadata=checks.seconds(LONGEST_OPEN)
    )
    """Seconds until it is tried again; doubled with each try that fails, up to 60."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)

    @property
    def policy(self) -> BreakerPolicy:
        """These settings as the circuit takes them."""
        return BreakerPolicy(
            failure_ratio=self.failure_ratio, min_calls=self.min_calls, open_for=self.open_for
        )
