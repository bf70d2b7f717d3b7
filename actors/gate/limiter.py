"""The limiter of a provider's key: one actor that says when a call may be made.

How much is left, and when a call fits, is decided in policy/bucket.py; who goes
first in line.py; how one call goes through, in limiter_use.py.

Before you edit: the head of the line waits for what it needs and nobody
overtakes it, so a large call is never starved by small ones. Who waits does so
in a task of its own, so that the limiter hears of what ended meanwhile; most
are granted at once and need none. An
Acquire names its grant before it is asked for: it can be settled whatever
happens to the ask. An owner that ended without a word (its task is dead, or the
mailbox was full) is noticed when grants are looked through; a server's pause that
the mailbox did not take, before each grant.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import ClassVar

import trio

from ...runtime import Actor, Reject, on
from ...runtime.actor import Inspected
from ..errors import ErrorKind, ProviderError
from ..policy.bucket import NOTHING, Bucket, Buckets, Demand, RateLimits
from ..wire.rate_limits import RateSnapshot
from .held_grants import HeldGrant, HeldGrants
from .limiter_messages import (
    Acquire,
    GetLevel,
    Grant,
    Level,
    LimiterLevel,
    LimiterMessage,
    Observe,
    Pause,
    SetLimits,
    Settle,
    Unheard,
)
from .line import Line, Waiter

__all__ = ["Limiter"]

_AT_ONCE = Grant(waited=0.0)

# Seconds between two looks for dead owners while somebody waits.
_LOOK_EVERY = 1.0
# Seconds. A server that names a time of day may be right; asking again each hour finds out.
_LONGEST_PAUSE = 3600.0


class Limiter(Actor[LimiterMessage], background=True):
    """Hands out calls at the pace that `limits` allow, at most `max_in_flight` at once.

    `max_waiting` calls stand in line; one more is refused at once. A new life
    begins with full buckets and knows nothing of calls under way: it may let
    through one burst too much, which the server's own headers put right.
    """

    # Who waits in line does so in a task of its own, and is told of as such.
    patience: float | None = inf
    inspected: ClassVar[Mapping[str, Inspected]] = {
        "_provider": "value",
        "_buckets": "value",
        "_line": "len",
        "_granted": "value",
        "_refused": "value",
        "_max_waiting": "value",
    }

    def __init__(
        self,
        provider: str,
        limits: RateLimits,
        *,
        max_in_flight: int | None = None,
        # Some MB of memory, and minutes of work at the limits of most keys.
        max_waiting: int = 1_000,
    ) -> None:
        self._provider = provider
        self._max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        # trio.current_time, without its way to the clock: every call asks three times.
        self._now = trio.lowlevel.current_clock().current_time
        self._buckets = Buckets.of(limits, self._now())
        self._line = Line()
        self._grants = HeldGrants()
        self._unheard = Unheard()
        self._taken = NOTHING
        self._looked = -inf
        self._stirred = trio.Event()
        self._granted = 0
        self._refused = 0

    async def on_start(self) -> None:
        self.start_soon(self._serve_line)

    @on(Acquire)
    def acquire(self, message: Acquire) -> Grant:
        """Grant it when its turn has come, or raise the refusal."""
        if message in self._line:
            raise Reject("this Acquire stands in line already; each is one call")
        if message in self._grants or self._take_at_once(message):
            return _AT_ONCE
        return self.answer_later(self._decided, self._stand_in_line(message))

    @on(Settle)
    def settle(self, message: Settle) -> None:
        """Take a grant back; of one who waits, the place in line."""
        waiter = self._line.remove(message.acquire)
        if waiter is not None:
            waiter.decided.set()
            self._stir()
        self._settle(message.acquire, message.actual)

    @on(Observe)
    def observe(self, message: Observe) -> None:
        """Fold in what the server says is left."""
        grant = self._grants.find(message.acquire)
        if grant is not None:
            # A server writes down what is left when it takes a call, and some
            # send it much later, with the first word of the answer.
            self._buckets = self._buckets.observe(
                _remaining(message.snapshot),
                grant.at,
                self._taken - grant.taken,
                self._now(),
            )

    @on(Pause)
    def pause(self, message: Pause) -> None:
        """Make no call for a while, and tell those at once who cannot wait as long."""
        self._pause_until(self._now() + message.seconds)

    def _pause_until(self, until: float) -> None:
        now = self._now()
        self._buckets = self._buckets.pause(min(until, now + _LONGEST_PAUSE), now)
        ahead = NOTHING
        for waiter in list(self._line):
            if not self._refuse_if_late(waiter, ahead, now):
                ahead += waiter.acquire.cost

    @on(SetLimits)
    def set_limits(self, message: SetLimits) -> LimiterLevel:
        """Keep to other limits."""
        now = self._now()
        self._buckets = self._buckets.changed(message.limits, now)
        self._stir()
        return self._level(now)

    @on(GetLevel)
    def get_level(self, message: GetLevel) -> LimiterLevel:
        """Say how it is."""
        self._hear()
        self._reap()
        return self._level(self._now())

    def _hear(self) -> None:
        """Take what the mailbox was too full for."""
        if self._unheard.paused_until > -inf:
            until, self._unheard.paused_until = self._unheard.paused_until, -inf
            self._pause_until(until)

    # Granting.

    def _take_at_once(self, acquire: Acquire) -> bool:
        self._hear()
        if self._grants.grown:
            self._reap()
        return not self._line and self._take(acquire) == 0

    def _take(self, acquire: Acquire) -> float:
        """Grant it if there is room now: 0, or the seconds until it may be tried again."""
        if self._max_in_flight is not None and len(self._grants) >= self._max_in_flight:
            return inf
        now = self._now()
        self._buckets, wait = self._buckets.acquire(acquire.cost, now)
        if not wait:
            self._taken += acquire.cost
            self._grants.give(acquire, HeldGrant(now, self._taken))
            acquire.holder.unheard = self._unheard
            self._granted += 1
        return wait

    def _stand_in_line(self, acquire: Acquire) -> Waiter:
        """Take the last place in line. Raises the refusal where there is none in time."""
        now = self._now()
        ahead = self._line.ahead_of(acquire.priority)
        waiter = Waiter(acquire, since=now)
        if len(self._line) >= self._max_waiting:
            said = f"{self._max_waiting} calls wait already"
            raise self._refusal(said, self._again_in(acquire, ahead, now))
        if self._refuse_if_late(waiter, ahead, now):
            assert waiter.refused is not None
            raise waiter.refused
        self._line.add(waiter)
        self._stir()
        return waiter

    async def _decided(self, waiter: Waiter) -> Grant:
        """Wait until the line has decided, or the deadline has come."""
        acquire = waiter.acquire
        try:
            with trio.move_on_at(acquire.deadline):
                await waiter.decided.wait()
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            # It may have been granted in the moment in which its asker left.
            if waiter.granted:
                self._settle(acquire, NOTHING)
            raise
        finally:
            if self._line.remove(acquire) is not None:
                self._stir()
        if not waiter.granted:
            raise waiter.refused or self._late(acquire)
        return Grant(waited=self._now() - waiter.since)

    def _late(self, acquire: Acquire) -> ProviderError:
        ahead = self._line.ahead_of(acquire.priority)
        wait = self._again_in(acquire, ahead, self._now())
        return self._refusal("its turn did not come by the call's deadline", wait)

    def _again_in(self, acquire: Acquire, ahead: Demand, now: float) -> float:
        """Seconds after which one who is refused may ask again: never at once.

        Where the line waits for calls to end, nobody knows how long that is.
        """
        return max(self._buckets.wait_for(acquire.cost, now, ahead), _LOOK_EVERY)

    def _refuse_if_late(self, waiter: Waiter, ahead: Demand, now: float) -> bool:
        """Refuse one who cannot go by its deadline, as things stand."""
        acquire = waiter.acquire
        wait = self._buckets.wait_for(acquire.cost, now, ahead)
        if now + wait <= acquire.deadline:
            return False
        left = max(0.0, acquire.deadline - now)
        said = f"its turn comes in {wait:.1f} s and the call has {left:.1f} s"
        waiter.refused = self._refusal(said, wait)
        waiter.decided.set()
        self._line.remove(acquire)
        return True

    def _refusal(self, said: str, wait: float) -> ProviderError:
        self._refused += 1
        return ProviderError(
            kind=ErrorKind.LIMITER_TIMEOUT,
            message=f"not sent, to stay within the provider's limits: {said}",
            provider=self._provider,
            retry_after=wait,
        )

    # The line.

    def _stir(self) -> None:
        """Have the line looked at."""
        self._stirred.set()

    async def _serve_line(self) -> None:
        while True:
            wait = self._advance()
            if self._stirred.is_set():
                self._stirred = trio.Event()
            with trio.move_on_after(wait):
                await self._stirred.wait()

    def _advance(self) -> float:
        """Grant what may go now; the seconds after which to look again."""
        self._hear()
        while (waiter := self._line.head) is not None:
            wait = self._take(waiter.acquire)
            if wait and self._look_again():
                continue
            if wait:
                return min(wait, _LOOK_EVERY)
            self._line.remove(waiter.acquire)
            waiter.granted = True
            waiter.decided.set()
        return inf

    def _look_again(self) -> bool:
        """Look for dead owners now and then; whether there was any."""
        now = self._now()
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        return self._reap()

    # Grants that are out.

    def _settle(self, acquire: Acquire, actual: Demand | None) -> None:
        if not self._grants.end(acquire):
            return
        if actual is not None:
            now = self._now()
            self._taken += actual - acquire.cost
            self._buckets = self._buckets.true_up(acquire.cost, actual, now)
        if self._line:
            self._stir()

    def _reap(self) -> bool:
        """Settle what has ended without a word that came; whether there was any.

        Where an owner is dead nobody knows what was sent: the estimate is kept.
        """
        ended = self._grants.ended()
        for acquire in ended:
            self._settle(acquire, acquire.holder.ended)
        return bool(ended)

    def _level(self, now: float) -> LimiterLevel:
        requests, tokens, inputs, outputs = (_told(each, now) for each in self._buckets.each)
        head = self._line.head
        full = self._max_in_flight is not None and len(self._grants) >= self._max_in_flight
        next_in = None
        if head is not None and not full:
            next_in = self._buckets.wait_for(head.acquire.cost, now)
        return LimiterLevel(
            requests=requests,
            tokens=tokens,
            input_tokens=inputs,
            output_tokens=outputs,
            paused_for=max(0.0, self._buckets.paused_until - now),
            in_flight=len(self._grants),
            max_in_flight=self._max_in_flight,
            waiting=len(self._line),
            next_in=next_in,
            granted=self._granted,
            refused=self._refused,
        )


def _remaining(snapshot: RateSnapshot) -> Sequence[float | None]:
    each = (snapshot.requests, snapshot.tokens, snapshot.input_tokens, snapshot.output_tokens)
    return [allowance.remaining if allowance is not None else None for allowance in each]


def _told(bucket: Bucket | None, now: float) -> Level | None:
    if bucket is None:
        return None
    return Level(level=bucket.level_at(now), capacity=bucket.capacity, rate=bucket.rate)
