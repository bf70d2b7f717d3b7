"""The circuit of a deployment: one actor that lets calls through, or refuses them at once.

What is decided, and when, stands in policy/breaker.py; how calls go through,
in circuit_use.py.

Before you edit: a permit is named by its asker, before it is asked for. So it
can be given back whatever happens to the ask: one that was cancelled while its
answer was on the way holds no place. An owner that ended without a report (its
task is dead, or the mailbox was full) is noticed whenever its place is wanted.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import ClassVar, assert_never

import trio

from ...runtime import Actor, on
from ...runtime.actor import Inspected
from ..errors import ErrorKind, ProviderError
from ..policy.breaker import (
    Breaker,
    BreakerPolicy,
    Closed,
    HalfOpen,
    Open,
    Pass,
    Refusal,
    admit,
    at,
    reset,
    settle,
    trip,
)
from ..policy.outcome import CallResult
from .circuit_messages import (
    CircuitMessage,
    CircuitPhase,
    CircuitState,
    GetState,
    Permit,
    Report,
    Reset,
    Trip,
)

__all__ = ["Circuit"]

_POLICY = BreakerPolicy()

# Seconds after which to ask again while a probe is out: about what a short
# answer takes. Nobody can know when a probe ends.
_PROBE_TAKES = 1.0

# Calls under way before dead owners are looked for among them.
_FEW = 64


class Circuit(Actor[CircuitMessage]):
    """The breaker of one deployment: a model of a provider at one address.

    `chance` gives numbers from 0 to 1. A new life begins closed: what the last
    one knew is found out again within some calls.
    """

    inspected: ClassVar[Mapping[str, Inspected]] = {
        "_provider": "value",
        "_model": "value",
        "_policy": "value",
        "_breaker": "value",
        "_passes": "len",
    }

    def __init__(
        self,
        provider: str,
        model: str = "",
        policy: BreakerPolicy = _POLICY,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._provider = provider
        self._model = model
        self._policy = policy
        self._chance = chance
        self._breaker: Breaker = Closed()
        self._transitions: Counter[CircuitPhase] = Counter()
        self._passes: dict[Permit, Pass] = {}
        self._look_at = _FEW
        # trio.current_time, without its way to the clock: every call asks twice.
        self._now = trio.lowlevel.current_clock().current_time

    @on(Permit)
    def permit(self, message: Permit) -> Pass:
        """Let it through, or raise the refusal."""
        known = self._passes.get(message)
        if known is not None:
            return known
        if len(self._passes) >= self._look_at:
            self._reap()
            # So that looking costs each call the same, however many there are.
            self._look_at = max(_FEW, 2 * len(self._passes))
        given = self._admit()
        if isinstance(given, Refusal) and given.until is None and self._reap():
            given = self._admit()
        if isinstance(given, Refusal):
            raise self._refused(given)
        self._passes[message] = given
        return given

    @on(Report)
    def report(self, message: Report) -> None:
        """Take a pass back."""
        self._settle(message.permit, message.result)

    @on(Trip)
    def trip(self, message: Trip) -> CircuitState:
        """Open it."""
        now = self._now()
        cause = f"opened by hand: {message.cause}"
        self._become(trip(self._breaker, now, cause, message.seconds))
        return self._state()

    @on(Reset)
    def reset(self, message: Reset) -> CircuitState:
        """Close it."""
        self._become(reset(self._breaker))
        return self._state()

    @on(GetState)
    def get_state(self, message: GetState) -> CircuitState:
        """Say how it is."""
        self._reap()
        self._become(at(self._breaker, self._now()))
        return self._state()

    def _admit(self) -> Pass | Refusal:
        breaker, given = admit(self._breaker, self._now())
        self._become(breaker)
        return given

    def _settle(self, permit: Permit, result: CallResult) -> None:
        given = self._passes.pop(permit, None)
        if given is None:
            return
        self._become(
            settle(
                self._breaker,
                given,
                result,
                policy=self._policy,
                now=self._now(),
                chance=self._chance(),
            )
        )

    def _reap(self) -> bool:
        """Settle what has ended without a report that came; say whether there was any."""
        ended = [
            (permit, result)
            for permit in self._passes
            if (result := permit.owner.ended) is not None
        ]
        for permit, result in ended:
            self._settle(permit, result)
        return bool(ended)

    def _become(self, breaker: Breaker) -> None:
        before, self._breaker = self._breaker, breaker
        if type(before) is type(breaker):
            return
        self._transitions[self._state().state] += 1
        match breaker:
            case Open(until=until, cause=cause):
                seconds = until - self._now()
                then = "until it is reset" if seconds == inf else f"for {seconds:.1f} s"
                self.announce("circuit opened", f"{then}: {cause}", level="warning")
            case HalfOpen():
                self.announce("circuit probes")
            case Closed():
                self.announce("circuit closed")
            case _:
                assert_never(breaker)

    def _refused(self, refusal: Refusal) -> ProviderError:
        if refusal.until is None:
            wait: float | None = _PROBE_TAKES
            then = "one call is finding out whether it is well again"
        elif refusal.until == inf:
            wait, then = None, "it stays open until it is reset"
        else:
            wait = refusal.until - self._now()
            then = f"it is tried again in {wait:.1f} s"
        return ProviderError(
            kind=ErrorKind.CIRCUIT_OPEN,
            message=f"{refusal.cause}; {then}",
            provider=self._provider,
            model=self._model,
            retry_after=wait,
            # Only a person ends that, so there is nothing to wait for.
            should_retry=False if wait is None else None,
        )

    def _state(self) -> CircuitState:
        breaker = self._breaker
        match breaker:
            case Closed(window=window):
                return self._told("closed", "", 0.0, window.calls, window.failures)
            case Open(until=until, cause=cause):
                return self._told("open", cause, until - self._now())
            case HalfOpen(cause=cause, probing=probing):
                return self._told("half_open", cause, None if probing else 0.0)
            case _:
                assert_never(breaker)

    def _told(
        self,
        state: CircuitPhase,
        cause: str,
        reopens_in: float | None,
        calls: int = 0,
        failures: int = 0,
    ) -> CircuitState:
        return CircuitState(
            state=state,
            cause=cause,
            reopens_in=reopens_in,
            calls=calls,
            failures=failures,
            in_flight=len(self._passes),
            transitions=dict(self._transitions),
        )
