"""The course of one request: whom it has asked, what came of it, and who is next.

    course = Course(route, request, call, streamed=True)
    while True:
        hop = await course.next()           # raises the last word, where nobody is left
        ...                                 # one attempt, or two that race
        course.failed(hop, error)           # or: hop.place.leave()

This is all that is remembered and decided of retries. The loop itself is as
short as above, and stands where an answer is had whole (execution.py) and where it
is streamed (live_answer.py); hedge.py is one turn of it. A target that fails
is tried again as its policy says (policy/backoff.py), and when that is used up
it is a failure of the chain (policy/routing.py). A gate that refuses is neither:
the request notes when it may come back, and waits for it where nobody else can
be asked and there is time.
"""

from math import inf

import attrs
import structlog
import trio

from ..catalog.fitting import fitted
from ..chat import ChatRequest
from ..errors import ErrorKind, ProviderError
from ..gate.router_messages import Choose, Chosen
from ..gate.router_place import RouterPlace
from ..policy.backoff import KEY_IS_DEAD, retry_delay
from ..policy.routing import Candidate, Chain, GiveUp, Link, Wait, has_other, slice_until
from ..trail import AttemptRecord
from .attempt import Attempt
from .call import Call
from .last_word import last_word, spent_before
from .route import Route, facts_of
from .shortening import Shortening
from .target import Target

__all__ = ["Course", "Hop"]

_log = structlog.get_logger("trouper.request")

# A gate of ours that refuses: the target has not been asked.
_REFUSALS = frozenset({ErrorKind.CIRCUIT_OPEN, ErrorKind.LIMITER_TIMEOUT})

# Seconds that a connection which takes nothing is waited for where another target
# may be asked: what any ask has in this program. A lone crash is mended at once; what
# is not back by then crashes again and again, or is long to start, as a large model is.
_FOR_ANOTHER = 5.0

_NOT_NOW = ProviderError(kind=ErrorKind.CIRCUIT_OPEN, message="it is not to be asked now")
_TOO_LONG = ProviderError(kind=ErrorKind.CONTEXT_WINDOW_EXCEEDED, message="it does not fit")
_SLOW = ProviderError(kind=ErrorKind.TIMEOUT, message="it is slower than nearly all of its answers")


@attrs.define(eq=False)
class Hop:
    """One target that is asked now, the request as it takes it, and its place at the router.

    It has until `begin_by` to begin and until `deadline` to end, both on trio's
    clock; `hedge_after` are the seconds after which it is slow.
    """

    target: Target
    request: ChatRequest
    place: RouterPlace
    begin_by: float
    deadline: float
    hedge_after: float | None = None

    @property
    def share_ends(self) -> float:
        """When its share of the chain's time is over, where its own deadline does not say it."""
        return self.begin_by if self.begin_by < self.deadline else inf


@attrs.define(eq=False)
class _Met:
    """What a request has met with at one target, which has until `begin_by` to begin.

    That is None until it is asked, and again once a gate has refused: whoever
    was not asked has used nothing of its share of the time.
    """

    tries: int = 0
    keys: set[str] = attrs.field(factory=set[str])
    begin_by: float | None = None


class Course:
    """What one request has been through. It belongs to the task that makes it."""

    def __init__(
        self,
        route: Route,
        request: ChatRequest,
        call: Call,
        *,
        streamed: bool,
        pinned: str = "",
    ) -> None:
        self.route = route
        self.call = call
        self.trail: list[AttemptRecord] = []
        self._streamed = streamed
        self._pinned = pinned
        self._request = request
        # Of this leg: the whole chain, or who has paused and goes on.
        self.request = request
        self._chain: Chain = route.chain
        self._deadline = min(call.deadline, trio.current_time() + route.total)
        self._number = 0
        self._failures: list[tuple[str, ProviderError]] = []
        self._not_before: dict[str, float] = {}
        self._met: dict[str, _Met] = {}
        self._last: ProviderError | None = None
        self._refused_at = ""
        # Whether an attempt that has failed may have been billed.
        self._ambiguous = False
        # Seconds after which the last failure may be tried again.
        self._again: float | None = None
        self._shortening = Shortening(call.fitter)
        # Where to go on at once, with another key or a shorter request.
        self._stay: Hop | None = None

    # Whom to ask.

    async def next(self) -> Hop:
        """The next target, once it may be asked. Raises the last word where nobody is left."""
        if self._stay is not None:
            hop, self._stay = self._stay, None
            if await self._fits(hop):
                return hop
        while True:
            place = RouterPlace(self.route.router, self._choose(again=self._again is not None))
            try:
                choice = await place.take()
                match choice:
                    case Chosen():
                        await self._back_off(choice.target)
                        hop = self._hop(choice, place)
                        if await self._fits(hop):
                            return hop
                    case Wait(until):
                        self._again = None
                        if not self._shortens():
                            await self._wait(until)
                    case GiveUp(reopens):
                        if not self._shortens():
                            raise self._gave_up(reopens)
            except BaseException:
                place.leave()
                raise

    async def second(self, slow: Hop) -> Hop | None:
        """One to ask beside a slow one, if there is one that may be asked now."""
        failures = (*self._failures, (slow.target.name, _SLOW))
        choose = attrs.evolve(
            self._choose(again=_spare_keys(slow.target) > 0), failures=failures, second=True
        )
        place = RouterPlace(self.route.router, choose)
        choice = await place.take()
        if not isinstance(choice, Chosen):
            return None
        hop = self._hop(choice, place)
        if hop.target is slow.target:
            hop.request = slow.request
        elif not await self._fits(hop, second=True):
            return None
        _log.info("a second one is asked", slow=slow.target.name, second=choice.target)
        return attrs.evolve(hop, hedge_after=None)

    def open(self, hop: Hop, admit_by: float) -> Attempt:
        """An attempt at `hop`, not entered yet, that is let through by then or not at all."""
        self._number += 1
        return Attempt(
            hop.target,
            hop.request,
            self.call,
            number=self._number,
            deadline=hop.deadline,
            admit_by=admit_by,
            patience=_FOR_ANOTHER if self._has_other_now(hop) else inf,
            trail=self.trail,
        )

    def _has_other_now(self, hop: Hop) -> bool:
        """Whether somebody would be asked if the target of `hop` may not be asked for now."""
        error = self._failures[-1][1] if self._failures else _NOT_NOW
        return has_other(self._chain, self._failures, hop.target.name, error)

    def _choose(self, *, again: bool) -> Choose:
        return Choose(
            chain=self._chain,
            deadline=self._deadline,
            failures=tuple(self._failures),
            not_before=dict(self._not_before),
            pinned=self._pinned,
            again=again,
            hedging=self.route.hedge,
            streamed=self._streamed,
        )

    async def _back_off(self, name: str) -> None:
        """Wait before a retry; another target is asked at once."""
        delay, self._again = self._again, None
        if self._failures and name == self._failures[-1][0]:
            self._failures.pop()
            assert delay is not None
            _log.info("request is tried again", target=name, delay_s=round(delay, 3), **self._why())
            await trio.sleep(delay)
        elif self._failures:
            _log.warning("next target is asked", next=name, **self._why())

    async def _wait(self, until: float) -> None:
        # It may have come by now: the router's word has been on its way.
        seconds = max(0.0, until - trio.current_time())
        _log.info("no target may be asked yet", wait_s=round(seconds, 3), **self._why())
        await trio.sleep(seconds)

    def _why(self) -> dict[str, str]:
        last = self._last
        if last is None:
            return {}
        return {"provider": last.provider, "model": last.model, "kind": last.kind.value}

    def _hop(self, choice: Chosen, place: RouterPlace) -> Hop:
        target = self.route.targets[choice.target]
        met = self._met.setdefault(choice.target, _Met())
        begin_by = met.begin_by
        if begin_by is None:
            now = trio.current_time()
            last = not has_other(self._chain, self._failures, choice.target)
            begin_by = slice_until(now, min(self._deadline, now + target.total), last=last)
            met.begin_by = begin_by
        return Hop(
            target=target,
            request=self._fitted(target),
            place=place,
            begin_by=begin_by,
            # A plain answer begins when it is whole.
            deadline=self._deadline if self._streamed else begin_by,
            hedge_after=choice.hedge_after,
        )

    def _fitted(self, target: Target) -> ChatRequest:
        if not self.route.several:
            return self.request
        request, changed = fitted(self.request, facts_of(target))
        if changed:
            _log.debug("request is fitted", target=target.name, changed=", ".join(changed))
        return request

    async def _fits(self, hop: Hop, *, second: bool = False) -> bool:
        """Make the request of `hop` as long as its target takes it; False where that is not the
        one to ask. A `second` one is asked the whole request or nothing."""
        name = hop.target.name
        other = second or has_other(self._chain, self._failures, name, _TOO_LONG)
        request = self._fitted(hop.target)
        try:
            hop.request = await self._shortening.fitted(hop.target, request, other=other)
        except ProviderError as error:
            hop.place.leave()
            if not second:
                self._last = error
                self._again = None
                self._failures.append((name, error))
            return False
        except BaseException:
            hop.place.leave()
            raise
        return True

    def _shortens(self) -> bool:
        """Nobody may be asked now: whether somebody is, if the request is made shorter."""
        left = self._shortening.begins(self._failures)
        if left is None:
            return False
        self._failures[:] = left
        self._again = None
        return True

    # What came of it.

    def failed(self, hop: Hop, error: ProviderError) -> None:
        """An attempt at `hop` has failed, with nothing handed on that stands."""
        name, now = hop.target.name, trio.current_time()
        self._last = error
        met = self._met[name]
        if _is_refusal(error):
            self._refused(name, error, now)
            hop.place.leave()
            return
        if self._may_change_key(hop, met, error) or self._may_be_shorter(hop, error):
            self._stay = hop
            return
        hop.place.leave()
        met.tries += 1
        delay = retry_delay(
            hop.target.retry,
            error,
            met.tries,
            hop.target.chance(),
            streamed=self._streamed,
            ambiguous_before=self._ambiguous,
        )
        self._ambiguous = self._ambiguous or error.billed != "no"
        in_time = delay is not None and now + delay < hop.begin_by
        self._again = delay if in_time else None
        self._failures.append((name, error))

    def _refused(self, name: str, error: ProviderError, now: float) -> None:
        """It may be asked again at a time; whoever says a later one is right."""
        until = inf if error.retry_after is None else now + error.retry_after
        self._refused_at = name
        self._not_before[name] = max(until, self._not_before.get(name, -inf))
        self._again = None
        self._met[name].begin_by = None
        # A wait for a circuit may be long, and each look at it is the same.
        # Of two that raced, the last record may be the other one's.
        trail = self.trail
        if len(trail) > 1 and trail[-1].kind == error.kind.value and _same(trail[-2], trail[-1]):
            del trail[-2]

    def _may_change_key(self, hop: Hop, met: _Met, error: ProviderError) -> bool:
        if error.kind not in KEY_IS_DEAD or not error.key_id or error.key_id in met.keys:
            return False
        met.keys.add(error.key_id)
        # Of two that have raced only one can stay; the other has failed as any other does.
        in_time = self._stay is None and trio.current_time() < hop.begin_by
        return in_time and len(met.keys) <= _spare_keys(hop.target)

    def _may_be_shorter(self, hop: Hop, error: ProviderError) -> bool:
        other = has_other(self._chain, self._failures, hop.target.name, error)
        in_time = self._stay is None and trio.current_time() < hop.begin_by
        return in_time and self._shortening.refused(hop.target, hop.request, error, other=other)

    def go_on(self, hop: Hop, request: ChatRequest) -> None:
        """The model of `hop` has paused: from here on only that one can go on with `request`."""
        hop.place.leave()
        self._begin((Link((Candidate(hop.target.name),)),), request)

    def turn_from(self, hop: Hop, error: ProviderError) -> bool:
        """An answer of `hop` does not stand: whether another target may give one from its
        beginning, which `next` then says."""
        hop.place.leave()
        if self._chain is not self.route.chain:
            self._begin(self.route.chain, self._request)
        name = hop.target.name
        if not has_other(self._chain, self._failures, name, error):
            return False
        self._last = attrs.evolve(error, committed=False)
        self._again = None
        self._failures.append((name, self._last))
        return True

    def _begin(self, chain: Chain, request: ChatRequest) -> None:
        self._chain, self.request = chain, request
        self._failures.clear()
        self._not_before.clear()
        self._met.clear()
        self._again = None

    def _gave_up(self, reopens: float) -> ProviderError:
        assert self._last is not None, "a chain has a target that may be asked"
        reopens_in = None if reopens == inf else reopens - trio.current_time()
        last = self._last
        if _is_refusal(last):
            last = spent_before(self._chain, self._failures, self._refused_at) or last
        return last_word(last, self.trail, self.route.name, reopens_in)


def _is_refusal(error: ProviderError) -> bool:
    if error.status is not None:
        return False
    # A connection that took nothing, too, where it may be asked again.
    is_down = error.kind is ErrorKind.UNAVAILABLE and error.retry_after is not None
    return is_down or error.kind in _REFUSALS


def _spare_keys(target: Target) -> int:
    """Keys of a target beside the one that is shown."""
    return max(0, len(target.gates.limiters) - 1)


def _same(one: AttemptRecord, other: AttemptRecord) -> bool:
    return one.target == other.target and one.kind == other.kind
