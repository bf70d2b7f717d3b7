"""When a deployment that fails is left alone, and when it is asked again.

    closed     calls flow and are counted  --too many failed-->         open
    open       calls are refused           --its time is over-->        half_open
    half_open  one call at a time probes   --a probe failed-->          open, for longer
                                           --two probes succeeded-->    closed

Nothing here waits or calls: a state is a value, and time and chance are
arguments. All times are seconds on one clock that does not go backwards.

Each state has a generation, and so has each probe; a pass carries the one that
it was given in. A report from an earlier generation is news of the past and
changes nothing, but for one thing: a failure that says when to come back keeps
an open breaker open for as long.
"""

from math import inf
from typing import assert_never

import attrs

from .outcome import CallResult, Outcome
from .window import SPAN, Window

__all__ = [
    "LONGEST_OPEN",
    "LONGEST_RETRY_AFTER",
    "PROBES_TO_CLOSE",
    "UNREACHABLE_IN_A_ROW",
    "Breaker",
    "BreakerPolicy",
    "Closed",
    "HalfOpen",
    "Open",
    "Pass",
    "Refusal",
    "admit",
    "at",
    "reset",
    "settle",
    "trip",
]

UNREACHABLE_IN_A_ROW = 5
"""Calls in a row that found nobody: no ratio is needed to know what that means."""

PROBES_TO_CLOSE = 2
"""One success may be luck, or the one worker of many that is well."""

LONGEST_OPEN = 60.0
"""Seconds at most between two probes, before jitter: an outage that is over is seen soon."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds of a provider's own word that are believed, so that a broken clock closes no provider."""

# Added to each wait, so that breakers which opened together do not probe together.
_JITTER = 0.2


@attrs.frozen(kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    It opens when `min_calls` have ended within the last 30 seconds and at least
    `failure_ratio` of them failed. `open_for` is in seconds; it doubles with
    each probe that fails, up to 60.
    """

    # Half of the calls: fewer are what retries are for.
    failure_ratio: float = 0.5
    # Fewer would let two failures of three close a provider at night.
    min_calls: int = 10
    # What LiteLLM waits too: longer than a restart behind a balancer.
    open_for: float = 5.0


@attrs.frozen(kw_only=True)
class Closed:
    """Calls flow. `unreachable` counts those in a row that found nobody."""

    generation: int = 0
    window: Window = Window()
    unreachable: int = 0


@attrs.frozen(kw_only=True)
class Open:
    """Calls are refused before `until`; infinity is until somebody resets it.

    `times` is how often in a row failures have opened it since it was closed.
    """

    generation: int
    until: float
    times: int
    cause: str


@attrs.frozen(kw_only=True)
class HalfOpen:
    """One call at a time may try. `probing` says that one does."""

    generation: int
    times: int
    cause: str
    successes: int = 0
    probing: bool = False


Breaker = Closed | Open | HalfOpen


@attrs.frozen
class Pass:
    """Leave to make one call. Whoever has it settles it, whatever becomes of the call."""

    generation: int
    probe: bool = False


@attrs.frozen
class Refusal:
    """No call now. `until` is when it is worth asking again; None while a probe decides that."""

    until: float | None
    cause: str


def at(breaker: Breaker, now: float) -> Breaker:
    """The breaker as it is at `now`: one whose time is over is half open."""
    match breaker:
        case Closed(generation=generation, window=window, unreachable=unreachable):
            current = window.at(now)
            if current is window:
                return breaker
            return Closed(generation=generation, window=current, unreachable=unreachable)
        case Open(until=until) if now >= until:
            return HalfOpen(
                generation=breaker.generation + 1, times=breaker.times, cause=breaker.cause
            )
        case _:
            return breaker


def admit(breaker: Breaker, now: float) -> tuple[Breaker, Pass | Refusal]:
    """May one call be made at `now`? Gives the breaker after that, too."""
    breaker = at(breaker, now)
    match breaker:
        case Closed():
            return breaker, Pass(breaker.generation)
        case Open():
            return breaker, Refusal(breaker.until, breaker.cause)
        case HalfOpen(probing=True):
            return breaker, Refusal(None, breaker.cause)
        case HalfOpen():
            return attrs.evolve(breaker, probing=True), Pass(breaker.generation, probe=True)
        case _:
            assert_never(breaker)


def settle(
    breaker: Breaker,
    given: Pass,
    result: CallResult,
    *,
    policy: BreakerPolicy,
    now: float,
    chance: float,
) -> Breaker:
    """The breaker after the call of a pass has ended. `chance`, from 0 to 1, spreads the probes."""
    breaker = at(breaker, now)
    match breaker:
        case Open():
            return _heard_while_open(breaker, result, now)
        case _ if given.generation != breaker.generation:
            return breaker
        case Closed():
            return _counted(breaker, result, policy, now, chance)
        case HalfOpen():
            return _probed(breaker, result, policy, now, chance)
        case _:
            assert_never(breaker)


def trip(breaker: Breaker, now: float, cause: str, seconds: float = inf) -> Open:
    """The breaker, opened by hand for `seconds`, or for as long as it was open anyway."""
    breaker = at(breaker, now)
    until = now + seconds
    times = 0
    if isinstance(breaker, Open):
        until = max(until, breaker.until)
    if not isinstance(breaker, Closed):
        times = breaker.times
    return Open(generation=breaker.generation + 1, until=until, times=times, cause=cause)


def reset(breaker: Breaker) -> Closed:
    """The breaker, closed by hand; what was counted is forgotten."""
    return Closed(generation=breaker.generation + 1)


def _heard_while_open(breaker: Open, result: CallResult, now: float) -> Open:
    if not result.outcome.failed:
        return breaker
    until = max(breaker.until, now + _asked_for(result))
    return breaker if until == breaker.until else attrs.evolve(breaker, until=until)


def _counted(
    breaker: Closed, result: CallResult, policy: BreakerPolicy, now: float, chance: float
) -> Closed | Open:
    outcome = result.outcome
    if outcome is Outcome.NEUTRAL:
        return breaker
    after = Closed(
        generation=breaker.generation,
        window=breaker.window.counted(now, failed=outcome.failed),
        unreachable=breaker.unreachable + 1 if outcome is Outcome.UNREACHABLE else 0,
    )
    cause = _why_open(after, policy) if outcome.failed else ""
    if not cause:
        return after
    return _opened(after, 1, f"{cause}, the last with {result.what}", result, policy, now, chance)


def _why_open(breaker: Closed, policy: BreakerPolicy) -> str:
    """Why this breaker should open; empty if it should not."""
    calls, failures = breaker.window.calls, breaker.window.failures
    if calls >= policy.min_calls and failures >= policy.failure_ratio * calls:
        return f"{failures} of {calls} calls failed within {SPAN:g} s"
    if breaker.unreachable >= UNREACHABLE_IN_A_ROW:
        return f"{breaker.unreachable} calls in a row got no answer"
    return ""


def _probed(
    breaker: HalfOpen, result: CallResult, policy: BreakerPolicy, now: float, chance: float
) -> Breaker:
    outcome = result.outcome
    if outcome.failed:
        cause = f"a probe failed with {result.what}"
        return _opened(breaker, breaker.times + 1, cause, result, policy, now, chance)
    successes = breaker.successes + (outcome is Outcome.SUCCESS)
    generation = breaker.generation + 1
    if successes >= PROBES_TO_CLOSE:
        return Closed(generation=generation)
    return attrs.evolve(breaker, generation=generation, successes=successes, probing=False)


def _opened(
    breaker: Breaker,
    times: int,
    cause: str,
    result: CallResult,
    policy: BreakerPolicy,
    now: float,
    chance: float,
) -> Open:
    ceiling = max(LONGEST_OPEN, policy.open_for)
    # 2 ** 32 is beyond every ceiling, and far from overflow.
    seconds = min(ceiling, policy.open_for * 2 ** min(times - 1, 32)) * (1 + _JITTER * chance)
    return Open(
        generation=breaker.generation + 1,
        until=now + max(seconds, _asked_for(result)),
        times=times,
        cause=cause,
    )


def _asked_for(result: CallResult) -> float:
    """Seconds that the provider itself wants to be left alone for."""
    return min(result.retry_after or 0.0, LONGEST_RETRY_AFTER)
