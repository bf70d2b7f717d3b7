"""The retry loop: what is repeated, when, and what is never repeated. In virtual time."""

from contextlib import aclosing

import attrs
import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Answers,
    Body,
    config,
    delta,
    frame,
    make_request,
    open_target,
    sse,
    text_of,
)
from trouper.actors.chat import Started, UsageUpdate
from trouper.actors.config import TimeoutConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import complete, stream
from trouper.actors.provider.route import make_route
from trouper.actors.provider.target import Target
from trouper.runtime import MailboxFull

REFUSED = httpx.ConnectError("refused")
CUT = httpx.ReadError("reset by peer")
USAGE = frame({}).replace(b'"choices"', b'"usage":{"prompt_tokens":3},"choices"')


def busy(retry_after: str = "", status: int = 429) -> httpx.Response:
    headers = {"retry-after": retry_after} if retry_after else {}
    return httpx.Response(status, headers=headers, json={"error": {"message": "slow down"}})


async def collect(*targets: Target) -> list[Batch]:
    # All are the model "m" of the provider "fake", unless they are said to be another's.
    route = make_route(
        target if target.model or len(targets) == 1 else attrs.evolve(target, model=f"m{number}")
        for number, target in enumerate(targets)
    )
    async with aclosing(stream(route, make_request())) as batches:
        return [batch async for batch in batches]


async def test_an_answer_comes_a_batch_for_each_read(autojump_clock: MockClock) -> None:
    answers = Answers(Body(ROLE + delta("a"), delta("b") + delta("c"), FINISH + DONE))
    async with open_target(answers) as (target, _):
        batches = await collect(target)

    assert [text_of([batch]) for batch in batches] == ["a", "bc", ""]


async def test_a_retry_before_the_first_word_is_invisible(autojump_clock: MockClock) -> None:
    begun = Body(ROLE, USAGE, CUT)
    async with open_target(Answers(REFUSED, begun, sse("hel", "lo"))) as (target, _):
        batches = await collect(target)

    chunks = [chunk for batch in batches for chunk in batch]
    assert text_of(batches) == "hello"
    assert sum(isinstance(chunk, Started) for chunk in chunks) == 1
    assert not any(isinstance(chunk, UsageUpdate) for chunk in chunks)
    assert begun.closed


async def test_what_says_only_that_it_has_begun_is_held_back_and_then_handed_on_first(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(Body(ROLE, 5.0, USAGE, 5.0, delta("a"), FINISH + DONE))
    async with (
        open_target(answers) as (target, _),
        aclosing(stream(make_route([target]), make_request())) as batches,
    ):
        first = await anext(batches)

    assert trio.current_time() >= 10
    assert [type(chunk).__name__ for chunk in first] == ["Started", "UsageUpdate", "TextDelta"]


async def test_a_provider_that_only_says_that_it_lives_is_handed_on_at_a_bound(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(Body(ROLE, *[USAGE] * 100, CUT))
    async with open_target(answers) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert caught.value.committed
    assert len(answers.requests) == 1


async def test_a_provider_that_makes_much_of_its_beginning_is_handed_on_at_a_bound(
    autojump_clock: MockClock,
) -> None:
    long = frame({"role": "assistant"}).replace(b'"r1"', b'"%b"' % (b"r" * 300_000))
    async with open_target(Answers(Body(long, CUT))) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert caught.value.committed


async def test_after_the_first_word_nothing_is_repeated_and_the_error_says_so(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(Body(ROLE, delta("hel"), CUT), sse("never asked"))
    got: list[Batch] = []
    async with open_target(answers) as (target, _):
        with pytest.raises(ProviderError) as caught:
            async with aclosing(stream(make_route([target]), make_request())) as batches:
                async for batch in batches:
                    got.append(batch)  # noqa: PERF401 - kept also when it ends in an error

    assert text_of(got) == "hel"
    assert caught.value.committed
    assert caught.value.kind is ErrorKind.STREAM_TRUNCATED
    assert len(answers.requests) == 1


async def test_an_empty_answer_is_an_answer(autojump_clock: MockClock) -> None:
    async with open_target(Answers(Body(ROLE, FINISH, DONE))) as (target, _):
        batches = await collect(target)

    assert [type(chunk).__name__ for chunk in batches[0]] == ["Started", "Finished"]


async def test_it_gives_up_after_its_attempts_with_the_last_error(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(REFUSED, busy(status=500), httpx.ConnectError("the last"))
    async with open_target(answers) as (target, _):
        with pytest.raises(ProviderError, match="the last") as caught:
            await collect(target)

    assert len(answers.requests) == 3
    assert (caught.value.provider, caught.value.model) == ("fake", "m")
    assert not caught.value.committed


async def test_what_cannot_succeed_later_is_asked_once(autojump_clock: MockClock) -> None:
    answers = Answers(busy(status=401))
    async with open_target(answers) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert caught.value.kind is ErrorKind.AUTH
    assert trio.current_time() < 0.1


async def test_the_delays_grow(autojump_clock: MockClock) -> None:
    answers = Answers(*[REFUSED] * 5)
    patient = RetryPolicy(attempts=5)
    async with open_target(answers, retry=patient) as (target, _):
        with pytest.raises(ProviderError):
            await collect(target)

    pauses = [b - a for a, b in zip(answers.times, answers.times[1:], strict=False)]
    assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0], abs=0.01)


async def test_the_servers_own_delay_is_kept(autojump_clock: MockClock) -> None:
    answers = Answers(busy("30"), sse("hello"))
    async with open_target(answers, chance=0.0) as (target, _):
        assert text_of(await collect(target)) == "hello"

    assert answers.times[1] - answers.times[0] == pytest.approx(30, abs=0.01)


async def test_a_server_that_asks_for_more_than_a_minute_is_left_to_the_caller(
    autojump_clock: MockClock,
) -> None:
    async with open_target(Answers(busy("61"))) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert caught.value.retry_after == 61
    assert trio.current_time() < 1


async def test_no_delay_goes_beyond_the_total(autojump_clock: MockClock) -> None:
    short = config(timeouts=TimeoutConfig(total=20))
    async with open_target(Answers(busy("30")), short) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert trio.current_time() < 1


async def test_all_tries_together_have_the_total_also_after_the_first_word(
    autojump_clock: MockClock,
) -> None:
    short = config(timeouts=TimeoutConfig(total=100))
    endless = Body(ROLE, *[step for _ in range(200) for step in (delta("x"), 1.0)])
    async with open_target(Answers(Body(80.0, CUT), endless), short) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert 100 <= trio.current_time() <= 102
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert caught.value.committed


async def test_a_total_that_ends_before_the_first_word_is_a_timeout(
    autojump_clock: MockClock,
) -> None:
    short = config(timeouts=TimeoutConfig(total=10))
    async with open_target(Answers(Body(ROLE, 50.0)), short) as (target, _):
        with pytest.raises(ProviderError, match="10 s") as caught:
            await collect(target)

    assert caught.value.kind is ErrorKind.TIMEOUT
    assert not caught.value.committed
    assert trio.current_time() <= 11


async def test_a_provider_that_is_down_is_waited_for_a_while_and_then_the_next_one_is_asked(
    autojump_clock: MockClock,
) -> None:
    starts = 0

    def once() -> httpx.AsyncBaseTransport:
        nonlocal starts
        starts += 1
        if starts > 1:
            raise OSError("no memory for it any more")
        return Answers(Body(ROLE, KeyError("a bug")))

    one, two = open_target(once), open_target(Answers(sse("from two"), sse("from two")))
    async with one as (first, _), two as (second, _):
        assert text_of(await collect(first, second)) == "from two"
        assert 5 <= trio.current_time() <= 6
        # Who is alone is waited for as long as an answer may take to begin.
        with pytest.raises(ProviderError, match="took nothing within 120 s") as caught:
            await collect(first)

    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert starts > 10


async def test_a_provider_that_comes_back_in_time_answers(autojump_clock: MockClock) -> None:
    answers, starts = Answers(Body(ROLE, KeyError("a bug")), sse("hello")), 0

    def slow() -> httpx.AsyncBaseTransport:
        nonlocal starts
        starts += 1
        if 1 < starts < 8:
            raise OSError("not yet")
        return answers

    async with open_target(slow) as (target, _):
        assert text_of(await collect(target)) == "hello"


async def test_the_next_target_is_asked_with_its_own_model(autojump_clock: MockClock) -> None:
    one, two = Answers(busy("100")), Answers(sse("from two"))
    async with open_target(one) as (first, _), open_target(two) as (second, _):
        chain = [attrs.evolve(first, model="a"), attrs.evolve(second, model="b")]
        assert text_of(await collect(*chain)) == "from two"

    assert [b'"model":"a"' in one.requests[0].content, b'"model":"b"' in two.requests[0].content]


async def test_the_last_target_says_why(autojump_clock: MockClock) -> None:
    one, two = Answers(busy(status=401)), Answers(busy(status=404))
    async with open_target(one) as (first, _), open_target(two) as (second, _):
        with pytest.raises(ProviderError) as caught:
            await collect(first, second)

    assert caught.value.kind is ErrorKind.MODEL_NOT_FOUND


async def test_a_request_that_is_wrong_is_wrong_for_every_target(
    autojump_clock: MockClock,
) -> None:
    one, two = Answers(busy(status=400)), Answers(sse("never asked"))
    async with open_target(one) as (first, _), open_target(two) as (second, _):
        with pytest.raises(ProviderError) as caught:
            await collect(first, second)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert two.requests == []


async def test_a_crash_of_the_connection_is_got_over_with_a_fresh_pool(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(Body(ROLE, KeyError("a bug")), sse("hello"))
    async with open_target(answers) as (target, system):
        assert text_of(await collect(target)) == "hello"
        (connection,) = system.snapshot("connection")

    assert connection.restarts == 1
    assert answers.closed == 2


async def test_a_crash_after_the_first_word_says_committed(autojump_clock: MockClock) -> None:
    answers = Answers(Body(ROLE, delta("hel"), KeyError("a bug")))
    async with open_target(answers) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(target)

    assert (caught.value.committed, caught.value.retryable) == (True, True)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.provider == "fake"


class Full:
    """The ref of an actor whose mailbox is full."""

    def stream(self, message: object) -> object:
        raise MailboxFull("providers/fake/connection", 1024)


async def test_a_connection_whose_mailbox_is_full_is_an_overloaded_provider(
    autojump_clock: MockClock,
) -> None:
    async with open_target(Answers(sse("hello"))) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await collect(attrs.evolve(target, connection=Full()))  # type: ignore[arg-type]

    assert caught.value.kind is ErrorKind.OVERLOADED
    assert isinstance(caught.value.__cause__, MailboxFull)


async def test_leaving_early_stops_the_provider_at_once(autojump_clock: MockClock) -> None:
    body = Body(ROLE, delta("a"), 60.0, delta("b"))
    async with open_target(Answers(body)) as (target, _):
        async with aclosing(stream(make_route([target]), make_request())) as batches:
            await anext(batches)
        await trio.sleep(0.01)
        assert body.closed


WHOLE = {
    "id": "r1",
    "model": "fake",
    "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}],
}


async def test_a_whole_answer_is_retried_in_the_same_way(autojump_clock: MockClock) -> None:
    answers = Answers(REFUSED, busy("2"), httpx.Response(200, json=WHOLE))
    async with open_target(answers, chance=0.0) as (target, _):
        completion = await complete(make_route([target]), make_request())

    assert completion.text == "hello"
    assert answers.times[2] - answers.times[1] == pytest.approx(2, abs=0.01)


async def test_a_whole_answer_that_never_comes_ends_at_the_total_and_not_before(
    autojump_clock: MockClock,
) -> None:
    async with open_target(Answers(Body(5000.0))) as (target, _):
        with pytest.raises(ProviderError) as caught:
            await complete(make_route([attrs.evolve(target, model="other")]), make_request())

    assert 900 <= trio.current_time() <= 901
    assert (caught.value.kind, caught.value.model) == (ErrorKind.TIMEOUT, "other")
