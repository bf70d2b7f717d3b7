"""Everything at once: three providers that misbehave at random, and callers that leave."""

import random
from contextlib import aclosing

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, Step, delta, make_request
from tests.fakes.routes import Stage, link, open_route, refusal, whole
from trouper.actors.errors import ProviderError
from trouper.actors.gate.router import Router
from trouper.actors.policy.retry_budget import Allowance
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import complete, stream
from trouper.actors.wire.assembly import Assembly

WORDS = ("one ", "two ", "three ", "four ")
CALLS = 250


class Moody(Answers):
    """Answers as it likes: "NAME: " and the words, or less."""

    def __init__(self, name: str, chance: random.Random) -> None:
        super().__init__()
        self._name = name
        self._chance = chance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await trio.sleep(self._chance.choice([0, 0.01, 5]))
        mood = self._chance.random()
        if mood < 0.1:
            raise httpx.ConnectError("refused")
        if mood < 0.2:
            return refusal(self._chance.choice([429, 500, 503, 529]))
        if b'"stream":true' not in request.content:
            if mood < 0.3:
                raise httpx.ReadTimeout("slow")
            return whole(self.text)
        steps: list[Step] = [ROLE, *map(delta, (f"{self._name}: ", *WORDS)), FINISH, DONE]
        if mood < 0.5:
            steps = [*steps[: self._chance.randrange(len(steps) - 1)], httpx.ReadError("reset")]
        steps.insert(self._chance.randrange(len(steps)), self._chance.choice([0.0, 0.1, 4.0]))
        return httpx.Response(200, stream=Body(*steps))

    @property
    def text(self) -> str:
        return f"{self._name}: {''.join(WORDS)}"


def fold(batches: list[Batch]) -> str:
    assembly = Assembly()
    for batch in batches:
        assembly.extend(batch)
    return assembly.completion().text


async def ask(stage: Stage, *, plain: bool, batches: list[Batch]) -> str:
    if plain:
        return (await complete(stage.route, make_request())).text
    async with aclosing(stream(stage.route, make_request())) as answer:
        async for batch in answer:
            batches.append(batch)  # noqa: PERF401 - kept also when it ends in an error
    return fold(batches)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", ["raise", "restart", "buffer", "plain"])
async def test_every_request_ends_with_one_whole_answer_or_an_error_that_says_what_there_is(
    way: str, seed: int, autojump_clock: MockClock
) -> None:
    chance = random.Random(f"{way} {seed}")
    answers = {name: Moody(name, chance) for name in "abc"}
    allowed = {moody.text for moody in answers.values()}
    route = {"on_midstream": "raise" if way == "plain" else way, "hedge": True}
    failures: list[tuple[ProviderError, str]] = []
    ended = {"answer": 0, "error": 0, "left": 0}

    async with open_route(
        [link("a", "b"), link("c")],
        answers=answers,
        route=route,
        router=Router(hedges=Allowance(floor=50.0), chance=chance.random),
        total=60.0,
    ) as stage:

        async def one() -> None:
            batches: list[Batch] = []
            with trio.move_on_after(chance.choice([0.5, 5.0, 100.0, 100.0])) as scope:
                try:
                    text = await ask(stage, plain=way == "plain", batches=batches)
                except ProviderError as error:
                    ended["error"] += 1
                    failures.append((error, fold(batches)))
                else:
                    ended["answer"] += 1
                    assert text in allowed
            ended["left"] += scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            for _ in range(CALLS):
                nursery.start_soon(one)
                await trio.sleep(0.05)
        under_way = await stage.in_flight()

    assert sum(ended.values()) == CALLS
    assert ended["answer"] > CALLS / 3
    assert set(under_way.values()) == {0}
    for error, seen in failures:
        assert error.trail
        assert error.committed == (error.partial is not None)
        assert seen == (error.partial.text if error.partial is not None else "")
        assert any(full.startswith(seen) for full in allowed)
