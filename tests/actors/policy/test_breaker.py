"""A breaker under any run of calls, reports, waits and hands: what always holds."""

from math import inf

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from trouper.actors.policy.breaker import (
    LONGEST_RETRY_AFTER,
    PROBES_TO_CLOSE,
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
from trouper.actors.policy.outcome import NEUTRAL, SUCCESS, CallResult, Outcome

POLICY = BreakerPolicy(min_calls=4)
FAILURES = st.builds(
    CallResult,
    st.sampled_from([Outcome.FAILURE, Outcome.UNREACHABLE]),
    st.none() | st.floats(0, 200),
    st.just("server_error"),
)
RESULTS = FAILURES | st.sampled_from([SUCCESS, NEUTRAL])


class Calls(RuleBasedStateMachine):
    """Callers that get passes and settle them, or not, in any order and at any time.

    `era` is the tests' own count of what the breaker numbers by generations.
    """

    passes: Bundle[tuple[Pass, int]] = Bundle("passes")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.breaker: Breaker = Closed()
        self.era = 0
        self.until = -inf
        self.probing = False

    def become(self, breaker: Breaker) -> None:
        if type(breaker) is not type(self.breaker):
            self.new_era()
        self.breaker = breaker
        self.until = breaker.until if isinstance(breaker, Open) else self.until

    def new_era(self) -> None:
        self.era += 1
        self.probing = False

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(short=st.sampled_from([0.0, 0.25]))
    def wait_for_the_deadline_or_nearly(self, short: float) -> None:
        if self.until < inf:
            self.now = max(self.now, self.until - short)

    @rule(target=passes)
    def ask(self) -> tuple[Pass, int] | MultipleResults[tuple[Pass, int]]:
        after, given = admit(self.breaker, self.now)
        self.become(after)
        if isinstance(given, Refusal):
            assert self.probing or self.now < self.until, "a refusal has its reason"
            assert given.until == (None if self.probing else self.until)
            return multiple()
        assert self.now >= self.until, "nothing gets through before the deadline"
        assert not self.probing, "never more than one probe"
        assert given.probe == isinstance(after, HalfOpen)
        self.probing = given.probe
        return given, self.era

    @rule(one=consumes(passes), result=RESULTS, chance=st.floats(0, 1))
    def report(self, one: tuple[Pass, int], result: CallResult, chance: float) -> None:
        self.settle(*one, result, chance)

    @rule(one=passes, result=RESULTS, chance=st.floats(0, 1))
    def report_and_again_later(
        self, one: tuple[Pass, int], result: CallResult, chance: float
    ) -> None:
        self.settle(*one, result, chance)

    @rule(results=st.lists(RESULTS, max_size=8), chance=st.floats(0, 1))
    def call_one_after_another(self, results: list[CallResult], chance: float) -> None:
        for result in results:
            one = self.ask()
            if isinstance(one, tuple):
                self.settle(*one, result, chance)
                if one[0].probe:
                    self.settle(*one, result, chance)

    def settle(self, given: Pass, era: int, result: CallResult, chance: float) -> None:
        before = at(self.breaker, self.now)
        self.become(before)
        after = settle(before, given, result, policy=POLICY, now=self.now, chance=chance)
        late = era != self.era
        self.become(after)
        if isinstance(before, Open):
            self.check_heard_while_open(before, after, result)
        elif late or (isinstance(before, Closed) and result == NEUTRAL):
            assert after == before, "news of the past, or none"
        elif isinstance(before, HalfOpen):
            assert isinstance(after, Open) == result.outcome.failed
            success = result.outcome is Outcome.SUCCESS
            enough = before.successes + success == PROBES_TO_CLOSE
            assert isinstance(after, Closed) == (success and enough)
            self.new_era()
        if isinstance(after, Open) and not isinstance(before, Open):
            assert self.until >= self.now + POLICY.open_for
            assert self.until >= self.now + (result.retry_after or 0)

    def check_heard_while_open(self, before: Open, after: Breaker, result: CallResult) -> None:
        assert isinstance(after, Open)
        assert (after.generation, after.times) == (before.generation, before.times)
        heard = (result.retry_after or 0.0) if result.outcome.failed else 0.0
        assert after.until == max(before.until, self.now + min(heard, LONGEST_RETRY_AFTER))

    @rule(seconds=st.floats(0, 100) | st.just(inf))
    def open_by_hand(self, seconds: float) -> None:
        before = at(self.breaker, self.now)
        after = trip(self.breaker, self.now, "by hand", seconds)
        assert after.until >= self.now + seconds
        assert not isinstance(before, Open) or after.until >= before.until
        self.become(after)
        self.new_era()

    @rule()
    def close_by_hand(self) -> None:
        self.until = -inf
        self.become(reset(self.breaker))
        self.new_era()

    @invariant()
    def it_is_never_stuck(self) -> None:
        """Whatever has happened, a call gets through once the time is over or a probe is back."""
        breaker = self.breaker
        if isinstance(breaker, Open) and breaker.until < inf:
            assert isinstance(admit(breaker, breaker.until)[1], Pass)
        if isinstance(breaker, HalfOpen) and breaker.probing:
            probe = Pass(breaker.generation, probe=True)
            freed = settle(breaker, probe, NEUTRAL, policy=POLICY, now=self.now, chance=0)
            assert isinstance(admit(freed, self.now)[1], Pass)


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
