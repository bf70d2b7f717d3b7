"""A request that is too long for some of its chain: who is asked, and with how much of it."""

from collections.abc import Mapping

import attrs
import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import Answers, make_request, sse, text_of
from tests.fakes.routes import Stage, link, open_route, refusal, whole
from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import Choose
from trouper.actors.gate.router_place import RouterPlace
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.policy.bucket import RateLimits
from trouper.actors.policy.hedging import LEAST_SAMPLES
from trouper.actors.policy.retry_budget import Allowance
from trouper.actors.provider.call import Call
from trouper.actors.provider.request import complete
from trouper.actors.provider.shortening import Fitter, is_too_long
from trouper.actors.provider.target import Gates, Target
from trouper.runtime import System, child

ONCE = RetryPolicy(attempts=1)
BIGGER = frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED})

# The request of `Stage.collect` has five letters, so these are too small.
SMALL, TINY = 4, 2


@attrs.define
class Letters:
    """Fits texts: a letter is a token, and the last letters are kept."""

    windows: Mapping[str, int]
    shortens: bool = True
    refusals: list[str] = attrs.field(factory=list)
    taken: set[str] = attrs.field(factory=set)

    async def fitted(self, target: Target, request: ChatRequest, *, shorten: bool) -> ChatRequest:
        await trio.lowlevel.checkpoint()
        window = self.windows.get(target.provider, 100) - self.refusals.count(target.provider)
        text = request.messages[0].text
        if len(text) <= window:
            return request
        if not (shorten and self.shortens) or window < 1:
            raise ProviderError(
                kind=ErrorKind.CONTEXT_WINDOW_EXCEEDED,
                message=f"{len(text)} of {window}",
                provider=target.provider,
            )
        message = Message("user", (TextPart(text[-window:]),))
        return attrs.evolve(request, messages=(message,))

    def refused(self, target: Target, request: ChatRequest, error: ProviderError) -> bool:
        assert is_too_long(error)
        self.refusals.append(target.provider)
        return self.shortens


def fits(shortens: bool = True, **windows: int) -> Call:
    fitter: Fitter = Letters(windows, shortens)
    return Call(fitter=fitter)


def said(answers: Answers) -> list[str]:
    """What a provider was asked, each time."""
    return [orjson.loads(request.content)["messages"][0]["content"] for request in answers.requests]


def too_long() -> httpx.Response:
    return refusal(400, "context_length_exceeded")


async def test_what_fits_is_sent_as_it_is(autojump_clock: MockClock) -> None:
    a = Answers(sse("yes"))
    async with open_route(a=a) as stage:
        await stage.collect(fits(a=5))

    assert said(a) == ["hello"]


async def test_the_only_target_is_asked_with_what_fits_into_its_window(
    autojump_clock: MockClock,
) -> None:
    a = Answers(sse("yes"))
    async with open_route(a=a) as stage:
        await stage.collect(fits(a=SMALL))

    assert said(a) == ["ello"]


async def test_without_a_fitter_the_provider_has_the_word(autojump_clock: MockClock) -> None:
    async with open_route(a=Answers(too_long())) as stage:
        error = await stage.fails()

    assert error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED
    assert error.message == "no, says 400"


async def test_a_link_for_longer_requests_gets_the_whole_one_and_nobody_else_is_asked(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(), Answers(sse("from b"))
    async with open_route([link("a"), link("b", on=BIGGER)], a=a, b=b) as stage:
        assert text_of(await stage.collect(fits(a=SMALL))) == "from b"
        counts, under_way = stage.counts, await stage.in_flight()

    assert said(b) == ["hello"]
    assert counts == {"a": 0, "b": 1}
    assert set(under_way.values()) == {0}


async def test_a_later_link_that_is_for_other_failures_does_not_keep_it_from_being_shortened(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(sse("from a")), Answers()
    async with open_route(a=a, b=b) as stage:
        assert text_of(await stage.collect(fits(a=SMALL))) == "from a"

    assert said(a) == ["ello"]


async def test_where_it_fits_nowhere_the_last_of_the_links_for_it_leaves_out_the_least(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(), Answers(sse("from b"))
    async with open_route([link("a"), link("b", on=BIGGER)], a=a, b=b) as stage:
        await stage.collect(fits(a=TINY, b=SMALL))

    assert said(b) == ["ello"]


async def test_where_the_larger_window_fails_the_others_answer_what_they_have_room_for(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(sse("from a")), Answers(refusal(500))
    chain = [link("a"), link("b", on=BIGGER)]
    async with open_route(chain, a=a, b=b, retry=ONCE) as stage:
        assert text_of(await stage.collect(fits(a=SMALL))) == "from a"

    assert (said(a), said(b)) == (["ello"], ["hello"])


async def test_where_the_larger_window_is_not_to_be_asked_now_nobody_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(sse("from a")), Answers()
    circuit = child("circuit", lambda: Circuit("b"))
    async with System(circuit, signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("maintenance", 60.0))
        chain, gates = [link("a"), link("b", on=BIGGER)], {"b": Gates(circuit=ref)}
        began = trio.current_time()
        async with open_route(chain, a=a, b=b, gates=gates) as stage:
            assert text_of(await stage.collect(fits(a=SMALL))) == "from a"

    assert said(a) == ["ello"]
    assert trio.current_time() - began < 1.0


async def test_a_target_that_counts_otherwise_is_asked_once_more_with_less(
    autojump_clock: MockClock,
) -> None:
    a = Answers(too_long(), sse("yes"))
    async with open_route(a=a) as stage:
        await stage.collect(fits(a=5))
        under_way = await stage.in_flight()

    assert said(a) == ["hello", "ello"]
    assert under_way == {"a/m": 0}


async def test_it_is_asked_once_more_and_not_for_ever(autojump_clock: MockClock) -> None:
    a = Answers(too_long(), too_long())
    async with open_route(a=a) as stage:
        error = await stage.fails(fits(a=5))

    assert said(a) == ["hello", "ello"]
    assert error.kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED
    assert [record.kind for record in error.trail] == ["context_window_exceeded"] * 2


async def test_a_larger_window_goes_before_a_second_try_with_less(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(too_long()), Answers(sse("from b"))
    async with open_route([link("a"), link("b", on=BIGGER)], a=a, b=b) as stage:
        assert text_of(await stage.collect(fits(a=5))) == "from b"

    assert (said(a), said(b)) == (["hello"], ["hello"])


async def test_who_never_shortens_is_told_in_figures_and_nobody_is_asked(
    autojump_clock: MockClock,
) -> None:
    a = Answers()
    async with open_route(a=a) as stage:
        error = await stage.fails(fits(shortens=False, a=SMALL))

    assert (error.kind, error.message) == (ErrorKind.CONTEXT_WINDOW_EXCEEDED, "5 of 4")
    assert a.requests == []


async def test_who_never_shortens_is_not_asked_twice(autojump_clock: MockClock) -> None:
    a, b = Answers(too_long()), Answers(refusal(500))
    chain = [link("a"), link("b", on=BIGGER)]
    async with open_route(chain, a=a, b=b, retry=ONCE) as stage:
        error = await stage.fails(fits(shortens=False))
        counts = stage.counts

    assert counts == {"a": 1, "b": 1}
    assert error.kind is ErrorKind.SERVER_ERROR


async def test_what_cannot_be_made_short_enough_for_anybody_is_refused(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Answers(), b=Answers()) as stage:
        error = await stage.fails(fits(a=0, b=0))
        under_way = await stage.in_flight()

    assert (error.kind, error.message) == (ErrorKind.CONTEXT_WINDOW_EXCEEDED, "5 of 0")
    assert set(under_way.values()) == {0}


async def test_who_leaves_while_it_is_made_shorter_keeps_no_place(
    autojump_clock: MockClock,
) -> None:
    class Slow(Letters):
        async def fitted(
            self, target: Target, request: ChatRequest, *, shorten: bool
        ) -> ChatRequest:
            await trio.sleep(10)
            return request

    async with open_route(a=Answers()) as stage:
        with trio.move_on_after(1):
            await stage.collect(Call(fitter=Slow({})))
        under_way = await stage.in_flight()

    assert under_way == {"a/m": 0}


async def test_a_plain_answer_is_fitted_as_well(autojump_clock: MockClock) -> None:
    a = Answers(whole())
    async with open_route(a=a) as stage:
        await complete(stage.route, make_request(), fits(a=SMALL))

    assert said(a) == ["ello"]


async def late(_: httpx.Request) -> httpx.Response:
    await trio.sleep(30)
    return httpx.Response(200, stream=sse("a"))


def hedging() -> Router:
    return Router(hedges=Allowance(floor=100.0), chance=lambda: 0.0)


async def seconds(stage: Stage, *answers: float) -> None:
    """Let the router know how long answers of "a" take to begin."""
    for took in answers:
        place = RouterPlace(stage.router, Choose(chain=[link("a")]))
        await place.take()
        place.began(took)
        place.leave()


@pytest.mark.parametrize(
    ("window", "said_by", "asked"),
    [
        pytest.param(5, "b", {"a": 1, "b": 1}, id="it fits"),
        pytest.param(SMALL, "a", {"a": 1, "b": 0}, id="it does not"),
    ],
)
async def test_beside_a_slow_one_nobody_is_asked_who_would_not_get_the_whole_request(
    window: int, said_by: str, asked: dict[str, int], autojump_clock: MockClock
) -> None:
    answers = {"a": Answers(late), "b": Answers(sse("b"))}
    async with open_route(answers=answers, route={"hedge": True}, router=hedging()) as stage:
        await seconds(stage, *[2.0] * LEAST_SAMPLES)
        assert text_of(await stage.collect(fits(b=window))) == said_by
        counts, under_way = stage.counts, await stage.in_flight()

    assert counts == asked
    assert set(under_way.values()) == {0}


async def test_beside_a_slow_one_the_same_target_is_asked_the_same(
    autojump_clock: MockClock,
) -> None:
    limiter = child("limiter", lambda: Limiter("a", RateLimits()))
    a = Answers(late, sse("with another key"))
    async with System(limiter, signals=False) as system:
        ref = system.ref("limiter", Limiter)
        gates = {"a": Gates(limiters={"one": ref, "other": ref})}
        async with open_route(a=a, gates=gates, route={"hedge": True}, router=hedging()) as stage:
            await seconds(stage, *[2.0] * LEAST_SAMPLES)
            text = text_of(await stage.collect(fits(a=SMALL)))

    assert text == "with another key"
    assert said(a) == ["ello", "ello"]


@pytest.mark.parametrize("kind", [ErrorKind.REQUEST_TOO_LARGE, ErrorKind.INVALID_REQUEST])
def test_other_failures_are_no_matter_of_length(kind: ErrorKind) -> None:
    assert not is_too_long(ProviderError(kind=kind, message="no"))
