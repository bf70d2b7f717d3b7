"""A target: a model of a provider, and all that an attempt at it goes through."""

import random
from collections.abc import Callable, Mapping

import attrs

from ...runtime import Ref
from ..config import ProviderConfig
from ..gate.budget import Budgets
from ..gate.circuit_messages import Permit, Report
from ..gate.keys_messages import ChooseKey, ReportKey
from ..gate.limiter_messages import LimiterMessage
from ..policy.backoff import RetryPolicy
from ..policy.bucket import RESOURCES, RateLimits, Resource
from ..policy.key_verdict import key_id
from .deadlines import RequestTimeouts
from .knowledge import Knowledge
from .messages import ConnectionMessage

__all__ = ["Gates", "Target", "key_ids", "make_target"]


def _limits_tokens(gates: "Gates") -> bool:
    limits = gates.limits
    each = (
        limits.tokens_per_minute,
        limits.input_tokens_per_minute,
        limits.output_tokens_per_minute,
    )
    return any(limit is not None for limit in each)


def _limits_any(gates: "Gates") -> bool:
    return gates.limits != RateLimits()


def _enough(gates: "Gates") -> Mapping[Resource, float]:
    return {resource: gates.limits.enough(resource) for resource in RESOURCES}


@attrs.frozen(kw_only=True)
class Gates:
    """The actors that an attempt must pass. One that is None, or is not there, lets all pass.

    `limiters` are by the id of the key that they hold to its limits, "" where
    the provider has no key. `limits` are those that they hold to; where there
    are none they only keep the pauses that a provider asks for. `budgets` write a row for
    each attempt, whether or not any budget applies to it.
    """

    circuit: Ref[Permit | Report] | None = None
    keys: Ref[ChooseKey | ReportKey] | None = None
    limiters: Mapping[str, Ref[LimiterMessage]] = attrs.field(
        factory=dict[str, Ref[LimiterMessage]], hash=False
    )
    limits: RateLimits = RateLimits()
    budgets: Budgets | None = None
    counts_tokens: bool = attrs.field(
        init=False, default=attrs.Factory(_limits_tokens, takes_self=True)
    )
    """Whether tokens are limited, so that a prompt has to be counted before it is sent."""
    limited: bool = attrs.field(init=False, default=attrs.Factory(_limits_any, takes_self=True))
    """Whether anything is, so that what the provider tells of its limits is of use."""
    enough: Mapping[Resource, float] = attrs.field(
        init=False, default=attrs.Factory(_enough, takes_self=True), hash=False
    )
    """So much is left of each limit where what the provider tells of it changes nothing."""


def _name(target: "Target") -> str:
    return f"{target.provider}/{target.model}"


@attrs.frozen(kw_only=True)
class Target:
    """A model of a provider, and how patiently it is asked.

    `model` is the provider's own name for it, and "" leaves the request's.
    Times are in seconds: `total` bounds all tries together, and `patience` how
    long a connection that is down is waited for. `kind` and `base_url` are told
    to who observes; `family` says whose models these are to the catalog.
    `deadlines` are this model's own, in place of its provider's.
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
    family: str = ""
    deadlines: RequestTimeouts | None = None
    gates: Gates = attrs.field(default=Gates(), repr=False)
    knowledge: Knowledge = attrs.field(factory=Knowledge, repr=False, eq=False)
    name: str = attrs.field(init=False, default=attrs.Factory(_name, takes_self=True))
    """As configuration writes it: "provider/model"."""


def make_target(
    config: ProviderConfig,
    connection: Ref[ConnectionMessage],
    model: str = "",
    *,
    gates: Gates = Gates(),
    knowledge: Knowledge | None = None,
    first_event: float | None = None,
    idle: float | None = None,
) -> Target:
    """The target of a configured provider; `first_event` and `idle`, in seconds, outrank its own."""
    timeouts = config.timeouts
    own = RequestTimeouts(
        first_event=timeouts.first_event if first_event is None else first_event,
        idle=timeouts.idle if idle is None else idle,
        total=timeouts.total,
    )
    knowledge = knowledge or Knowledge()
    return Target(
        provider=config.name,
        model=model,
        connection=connection,
        retry=RetryPolicy(
            attempts=config.retry.attempts,
            base_delay=config.retry.base_delay,
            max_delay=config.retry.max_delay,
            ambiguous=config.retry.ambiguous,
        ),
        total=timeouts.total,
        patience=own.first_event,
        deadlines=None if first_event is None and idle is None else own,
        kind=config.kind,
        base_url=config.base_url,
        family=knowledge.family(config.kind, config.base_url),
        gates=gates,
        knowledge=knowledge,
    )


def key_ids(config: ProviderConfig) -> tuple[str, ...]:
    """The names of the provider's keys, in the order of the configuration."""
    return tuple(key_id(key.reveal()) for key in config.api_keys)
