"""What the end of a call says about the health of the deployment that it went to.

Only what the deployment itself did counts against it. A request that nobody
could have answered, a key that is refused or too fast, a caller who left: these
are neutral, or one bad client would close a provider to all the others.
"""

from enum import Enum

import attrs

from ..errors import ErrorKind, ProviderError

__all__ = ["NEUTRAL", "SUCCESS", "CallResult", "Outcome", "outcome_of", "result_of"]


class Outcome(Enum):
    """What the end of a call says."""

    SUCCESS = "success"
    FAILURE = "failure"
    """It answered, and badly."""
    UNREACHABLE = "unreachable"
    """A failure too: nobody was there, or nobody answered in time."""
    NEUTRAL = "neutral"
    """Nothing."""

    @property
    def failed(self) -> bool:
        """Whether it counts against the deployment."""
        return self is Outcome.FAILURE or self is Outcome.UNREACHABLE


# In a stream too, where they come behind a status of 200. A kind that is new
# and not named here is neutral: it opens nothing before somebody thought of it.
_FAILURES = {
    ErrorKind.SERVER_ERROR: Outcome.FAILURE,
    ErrorKind.OVERLOADED: Outcome.FAILURE,
    ErrorKind.STREAM_TRUNCATED: Outcome.FAILURE,
    # A proxy's page, or half a line: whoever is asked next fares no better.
    ErrorKind.PROTOCOL_ERROR: Outcome.FAILURE,
    ErrorKind.CONNECTION_FAILED: Outcome.UNREACHABLE,
    ErrorKind.TIMEOUT: Outcome.UNREACHABLE,
}


@attrs.frozen
class CallResult:
    """The end of a call: what it says, and for a failure what a person reads of it.

    `retry_after` is the provider's word on when to come back, in seconds.
    """

    outcome: Outcome
    retry_after: float | None = None
    what: str = ""


SUCCESS = CallResult(Outcome.SUCCESS)
NEUTRAL = CallResult(Outcome.NEUTRAL)


def outcome_of(error: ProviderError | None) -> Outcome:
    """What a call says that ended with `error`, or well where that is None."""
    if error is None:
        return Outcome.SUCCESS
    if error.phase == "pool":
        return Outcome.NEUTRAL  # our own line was too long
    outcome = _FAILURES.get(error.kind, Outcome.NEUTRAL)
    if outcome is Outcome.UNREACHABLE and (error.in_stream or error.committed):
        return Outcome.FAILURE  # it was there, and fell silent
    return outcome


def result_of(error: ProviderError | None) -> CallResult:
    """`outcome_of`, and what a person reads of a failure: its kind and status, and no more."""
    outcome = outcome_of(error)
    if error is None or not outcome.failed:
        return CallResult(outcome)
    status = f" (HTTP {error.status})" if error.status is not None else ""
    return CallResult(outcome, error.retry_after, f"{error.kind.value}{status}")
