"""What one asks of a circuit and tells it."""

from collections.abc import Mapping
from math import inf
from typing import Literal, Protocol

import attrs

from ...runtime import Request
from ..policy.breaker import Pass
from ..policy.outcome import CallResult

__all__ = [
    "CircuitMessage",
    "CircuitPhase",
    "CircuitState",
    "GetState",
    "Owner",
    "Permit",
    "Report",
    "Reset",
    "Trip",
]

CircuitPhase = Literal["closed", "open", "half_open"]


class Owner(Protocol):
    """Whoever has a pass, as the circuit sees it."""

    @property
    def ended(self) -> CallResult | None:
        """What came of the call; None while it is under way."""
        ...


@attrs.frozen(eq=False)
class Permit(Request[Pass]):
    """May I make one call? Answered at once.

    Each permit is one call, however often it is asked for. Raises ProviderError
    of kind CIRCUIT_OPEN, whose `retry_after` says when it is worth asking again.
    """

    owner: Owner


@attrs.frozen
class Report:
    """The call of that permit has ended. Of a permit that holds no pass it says nothing."""

    permit: Permit
    result: CallResult


@attrs.frozen(kw_only=True)
class CircuitState:
    """A circuit at one moment.

    `calls` and `failures` are those of the last 30 seconds while it is closed.
    `reopens_in` is in seconds, 0 where a call may be made now, infinity until it
    is reset by hand, and None while a probe decides it. `in_flight` counts
    passes that are out, `transitions` how often it has gone into each state since it
    was started.
    """

    state: CircuitPhase
    cause: str
    reopens_in: float | None
    calls: int
    failures: int
    in_flight: int
    transitions: Mapping[CircuitPhase, int] = attrs.field(
        factory=dict[CircuitPhase, int], eq=False, hash=False
    )


@attrs.frozen
class Trip(Request[CircuitState]):
    """Open it by hand, for `seconds` or until it is reset; `cause` is told to who is refused.

    A circuit that is open anyway never reopens sooner for it.
    """

    cause: str
    seconds: float = inf


@attrs.frozen
class Reset(Request[CircuitState]):
    """Close it by hand."""


@attrs.frozen
class GetState(Request[CircuitState]):
    """How is it?"""


CircuitMessage = Permit | Report | Trip | Reset | GetState
