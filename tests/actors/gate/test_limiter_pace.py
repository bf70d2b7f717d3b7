"""The pace of a limiter before a server that counts: nothing refused, and nothing left unused.

The server here is a model: two buckets, as OpenAI describes its limits, that
start full. It charges what a request may take when it arrives, refuses it where
that does not fit, and puts the truth in its place when the answer is whole.
"""

import random
from collections.abc import Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import GetLevel, LimiterMessage
from trouper.actors.gate.limiter_use import LimiterUse
from trouper.actors.policy.bucket import Demand, RateLimits
from trouper.actors.wire.rate_limits import Allowance, RateSnapshot
from trouper.runtime import Ref
from trouper.runtime.testing import running

REQUESTS = 600
PER_MINUTE = 300.0
TOKENS_PER_MINUTE = 150_000.0
LIMITS = RateLimits(requests_per_minute=PER_MINUTE, tokens_per_minute=TOKENS_PER_MINUTE)


@attrs.define(eq=False)
class Server:
    """A provider with limits, of which it lets `burst` seconds' worth through at once."""

    burst: float
    rng: random.Random
    others: float = 0.0  # tokens a second that somebody else spends from the same limit
    refused: int = 0
    served: int = 0
    tokens: int = 0
    last: float = 0.0
    _at: float = attrs.field(factory=trio.current_time)
    _requests: float = attrs.field(init=False)
    _left: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._requests = PER_MINUTE / 60 * self.burst
        self._left = TOKENS_PER_MINUTE / 60 * self.burst

    def empty(self) -> None:
        """Let somebody else have spent all there was."""
        self._requests = self._left = 0.0

    def _fill(self) -> None:
        seconds, self._at = trio.current_time() - self._at, trio.current_time()
        requests, tokens = PER_MINUTE / 60, TOKENS_PER_MINUTE / 60
        self._requests = min(requests * self.burst, self._requests + requests * seconds)
        gain = (tokens - self.others) * seconds
        self._left = min(tokens * self.burst, self._left + gain)

    def _told(self) -> RateSnapshot:
        return RateSnapshot(
            requests=Allowance(remaining=int(self._requests)),
            tokens=Allowance(remaining=max(0, int(self._left))),
        )

    async def call(
        self, estimate: Demand, actual: Demand, answered: Callable[[RateSnapshot], None]
    ) -> None:
        await trio.sleep(self.rng.uniform(0.01, 0.5))  # on its way
        self._fill()
        tokens = estimate.input_tokens + estimate.output_tokens
        if self._requests < 1 or self._left < tokens:
            self.refused += 1
            answered(self._told())
            raise ProviderError(
                kind=ErrorKind.RATE_LIMITED, message="slow down", retry_after=1.0, billed="no"
            )
        self._requests -= 1
        self._left -= tokens
        self.last = trio.current_time()
        told = self._told()
        await trio.sleep(self.rng.uniform(0.2, 1.0))
        answered(told)
        await trio.sleep(self.rng.uniform(0.2, 3.0))
        self._fill()
        spent = actual.input_tokens + actual.output_tokens
        self._left += tokens - spent
        self.served += 1
        self.tokens += spent


def call_of(rng: random.Random) -> tuple[Demand, Demand]:
    """A call's estimate and its truth: most are small, and three in a hundred are large."""
    if rng.random() < 0.03:
        return Demand(12_000, 2_000), Demand(12_000, 2_000)
    input, output = rng.randint(100, 600), rng.randint(50, 300)
    return Demand(input, 300), Demand(input, output)


def ignore(_snapshot: RateSnapshot) -> None:
    """The headers of answers are not looked at."""


async def offer(
    ref: Ref[LimiterMessage],
    server: Server,
    rng: random.Random,
    per_second: float,
    *,
    heeds: bool = True,
) -> None:
    """Make REQUESTS calls through the limiter, as they come; again where one is refused."""

    async def one(estimate: Demand, actual: Demand) -> None:
        while True:
            try:
                async with LimiterUse(ref, estimate) as admission:
                    admission.sent()
                    heard = admission.answered if heeds else ignore
                    await server.call(estimate, actual, heard)
                    admission.settle(actual)
            except ProviderError:
                continue
            return

    async with trio.open_nursery() as nursery:
        for _ in range(REQUESTS):
            nursery.start_soon(one, *call_of(rng))
            await trio.sleep(rng.expovariate(per_second))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("per_second", [4.0, 8.0])
@pytest.mark.parametrize("burst", [10.0, 60.0], ids=["strict", "by_the_minute"])
async def test_a_server_at_its_limits_refuses_nothing_and_has_nothing_left_over(
    autojump_clock: MockClock, seed: int, per_second: float, burst: float
) -> None:
    rng = random.Random(seed)
    async with running(lambda: Limiter("openai", LIMITS)) as ref:
        began = trio.current_time()
        server = Server(burst, rng)
        await offer(ref, server, rng, per_second)
        level = await ref.ask(GetLevel())

    minutes = (server.last - began) / 60
    per_minute = server.tokens / minutes
    # What a fluid would have got out of a strict server in this time: its burst, too.
    possible = TOKENS_PER_MINUTE * (minutes + 10 / 60)
    print(
        f"{server.served} served, {server.refused} refused, {per_minute:.0f} tokens a minute, "
        f"{server.tokens / possible:.2%} of the possible"
    )
    assert (server.served, server.refused) == (REQUESTS, 0)
    assert per_minute >= 0.99 * TOKENS_PER_MINUTE
    assert (level.in_flight, level.waiting, level.refused) == (0, 0, 0)
    assert level.granted == REQUESTS


async def test_where_others_have_emptied_the_limits_the_servers_headers_say_so(
    autojump_clock: MockClock,
) -> None:
    """They have spent all when we begin, and go on to take a fifth of the tokens."""
    refused: dict[bool, int] = {}
    for heeds in (True, False):
        rng = random.Random(1)
        async with running(lambda: Limiter("openai", LIMITS)) as ref:
            server = Server(10.0, rng, others=500.0)
            server.empty()
            began = trio.current_time()
            await offer(ref, server, rng, 8.0, heeds=heeds)
        left = (server.last - began) * (TOKENS_PER_MINUTE / 60 - server.others)
        share = server.tokens / left
        refused[heeds] = server.refused
        print(f"headers heeded: {heeds}; {server.refused} refused, {share:.2%} of what was left")
        assert server.served == REQUESTS
        # It took 97.9 to 99.9 % in two dozen runs: refused calls come again in any order.
        assert share >= 0.95

    assert refused[True] * 1.5 < refused[False]
