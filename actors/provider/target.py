"""A target: a model of a provider, and all that an attempt at it goes through."""

import random
from collections.abc import Callable

import attrs

from ...runtime import Ref
from ..config import ProviderConfig
from ..policy.backoff import RetryPolicy
from .messages import ConnectionMessage

__all__ = ["Target", "make_target"]


@attrs.frozen(kw_only=True)
class Target:
    """A model of a provider, and how patiently it is asked.

    `model` is the provider's own name for it, and "" leaves the request's.
    Times are in seconds: `total` bounds all tries together, and `patience` how
    long a connection that is down is waited for. `kind` and `base_url` are told
    to who observes.
    """

    provider: str
    model: str
    connection: Ref[ConnectionMessage] = attrs.field(repr=False)
    retry: RetryPolicy
    total: float
    patience: float
    chance: Callable[[], float] = attrs.field(default=random.random, repr=False)
    kind: str = ""
    base_url: str = ""

    @property
    def name(self) -> str:
        """As configuration writes it: "provider/model"."""
        return f"{self.provider}/{self.model}"


def make_target(
    config: ProviderConfig, connection: Ref[ConnectionMessage], model: str = ""
) -> Target:
    """The target of a configured provider."""
    return Target(
        provider=config.name,
        model=model,
        connection=connection,
        retry=RetryPolicy(
            attempts=config.retry.attempts,
            base_delay=config.retry.base_delay,
            max_delay=config.retry.max_delay,
        ),
        total=config.timeouts.total,
        patience=config.timeouts.first_event,
        kind=config.kind,
        base_url=config.base_url,
    )
