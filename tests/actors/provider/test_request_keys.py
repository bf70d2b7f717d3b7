"""A request and the keys of its provider: what is refused to one is asked with the next."""

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import Answers, sse, text_of
from tests.fakes.routes import Stage, open_route, refusal, whole
from trouper.actors.errors import ErrorKind
from trouper.actors.policy.backoff import RetryPolicy

KEYS = {"a": ("one", "two", "three")}


def shown(stage: Stage) -> list[str]:
    """The keys that were shown, in their order."""
    return [
        request.headers["authorization"].removeprefix("Bearer ")
        for request in stage.asked["a"].requests
    ]


@pytest.mark.parametrize(
    "refused",
    [
        refusal(401),
        refusal(402),
        refusal(403),
        refusal(429, "insufficient_quota"),
        refusal(401, **{"x-should-retry": "false"}),
    ],
    ids=["401", "402", "403", "quota", "401 with a word against it"],
)
async def test_what_one_key_is_refused_is_asked_with_the_next_at_once(
    refused: httpx.Response, autojump_clock: MockClock
) -> None:
    began = trio.current_time()
    answers = Answers(refused, refused, sse("hello"))
    async with open_route(a=answers, keys=KEYS, retry=RetryPolicy(attempts=1)) as stage:
        batches = await stage.collect()
        keys = shown(stage)
        under_way = await stage.in_flight()

    assert text_of(batches) == "hello"
    assert sorted(keys) == ["one", "three", "two"]
    assert trio.current_time() == began
    assert under_way == {"a/m": 0}


async def test_where_every_key_is_refused_the_next_target_is_asked(
    autojump_clock: MockClock,
) -> None:
    a, b = Answers(*[refusal(401)] * 3), Answers(sse("from b"), sse("from b"))
    async with open_route(a=a, b=b, keys=KEYS) as stage:
        assert text_of(await stage.collect()) == "from b"
        # That no key is left is known from now on, and nothing is sent.
        assert text_of(await stage.collect()) == "from b"
        assert stage.counts == {"a": 3, "b": 2}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}


async def test_a_lone_key_that_is_refused_is_not_shown_again(autojump_clock: MockClock) -> None:
    async with open_route(a=Answers(refusal(403)), keys={"a": ("one",)}) as stage:
        error = await stage.fails()

        assert stage.counts == {"a": 1}
    assert error.kind is ErrorKind.PERMISSION


async def test_after_too_many_requests_another_key_is_shown_and_the_delay_is_kept(
    autojump_clock: MockClock,
) -> None:
    """Keys of one account often share its limits."""
    answers = Answers(refusal(429, "", **{"retry-after": "7"}), whole())
    async with open_route(a=answers, keys=KEYS, chance=0.0) as stage:
        completion = await stage.complete()
        first, second = shown(stage)

    assert completion.text == "hello"
    assert first != second
    assert answers.times[1] - answers.times[0] == pytest.approx(7.0, abs=0.1)
