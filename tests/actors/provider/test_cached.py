"""A route that keeps answers: what was answered is not asked again, and all books say so."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.fakes.ledger import FakeLedger
from tests.fakes.provider import (
    DONE,
    FINISH,
    ROLE,
    Answers,
    Body,
    delta,
    make_request,
    sse,
    text_of,
)
from tests.fakes.routes import Stage, link, open_route, refusal, whole
from trouper.actors.chat import ChatRequest, Completion
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.response_cache import ResponseCache
from trouper.actors.provider.caching import Caching
from trouper.actors.provider.call import Call
from trouper.actors.provider.request import complete, stream
from trouper.actors.store.cache import MemoryAnswers
from trouper.actors.store.errors import StoreBusy
from trouper.actors.store.ledger import Closing
from trouper.actors.telemetry.observer import (
    AttemptBegan,
    RequestBegan,
    RequestEnded,
    RequestSeen,
)
from trouper.runtime.testing import running

TOO_LONG = link("b", on=frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED}))
CALL = Call(request_id="req_1", session="s1", user="alice")


class Seen:
    """Writes down how requests ended, and how many attempts they took."""

    content = False

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.attempts = 0

    def began(self, began: RequestBegan) -> RequestSeen:
        return self

    def attempted(self, began: AttemptBegan) -> Any:
        self.attempts += 1
        return self

    def sent(self, waited: float = 0.0) -> None: ...

    def first_token(self) -> None: ...

    def ended(self, ended: Any) -> None:
        if isinstance(ended, RequestEnded):
            self.ends.append(ended.result)


@attrs.define
class House:
    """A route that keeps answers for a minute."""

    stage: Stage
    ledger: FakeLedger
    seen: Seen

    async def stream(self, request: ChatRequest | None = None) -> Completion:
        async with aclosing(stream(self.stage.route, request or make_request(), CALL)) as answer:
            batches = [batch async for batch in answer]
        completion = answer.completion()
        assert text_of(batches) == completion.text
        return completion

    async def complete(self) -> Completion:
        return await complete(self.stage.route, make_request(), CALL)


@asynccontextmanager
async def house(chain: Any = None, **answers: Answers) -> AsyncGenerator[House]:
    ledger, seen = FakeLedger(), Seen()
    kept = MemoryAnswers(100_000)
    async with running(lambda: ResponseCache(kept, trio.current_time)) as cache:
        caching = Caching(cache=cache, keep_for=60, ledger=ledger)
        route = {"caching": caching, "observer": seen}
        async with open_route(chain, route=route, answers=answers) as stage:
            yield House(stage, ledger, seen)


async def test_an_equal_request_is_answered_without_a_provider(autojump_clock: MockClock) -> None:
    async with house(a=Answers(sse("one ", "two"))) as home:
        first = await home.stream()
        again = await home.stream()

    assert first == again
    assert again.text == "one two"
    assert home.stage.counts == {"a": 1}
    assert home.seen.ends == ["ok", "cached"]
    assert home.seen.attempts == 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_hit_has_the_log_line_of_every_call_and_says_that_it_was_kept(
    autojump_clock: MockClock, *, streamed: bool
) -> None:
    usage = b'data: {"id":"r1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
    async with house(a=Answers(Body(ROLE, delta("one"), FINISH, usage, DONE))) as home:
        await home.stream()
        await trio.sleep(5)
        with capture_logs() as lines:
            await (home.stream() if streamed else home.complete())

    [line] = [line for line in lines if line["event"] == "call answered"]
    assert line == {
        "event": "call answered",
        "log_level": "info",
        "provider": "a",
        "model": "m",
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "tokens": 9,
        "cached": True,
        "source": "kept",
        "age_s": 5.0,
        "request": "req_1",
    }


async def test_a_hit_is_in_the_ledger_and_the_trail_and_costs_nothing(
    autojump_clock: MockClock,
) -> None:
    async with house(a=Answers(sse("one"))) as home:
        asked = await home.stream()
        hit = await home.stream()

    assert [(record.target, record.kind) for record in asked.trail] == [("a/m", "ok")]
    assert [(record.target, record.kind, record.cost) for record in hit.trail] == [
        ("a/m", "cached", 0)
    ]
    (row,) = home.ledger.table.values()
    assert (row.state, row.opening.reserved) == ("settled", 0)
    assert (row.opening.provider, row.opening.model) == ("a", "m")
    assert (row.opening.request_id, row.opening.session, row.opening.user) == (
        "req_1",
        "s1",
        "alice",
    )
    assert row.closing == Closing(state="settled", outcome="cached", cost=0, model="m")


async def test_a_ledger_that_fails_does_not_fail_an_answer_that_is_there(
    autojump_clock: MockClock,
) -> None:
    async with house(a=Answers(sse("one"))) as home:
        await home.stream()
        home.ledger.failing = StoreBusy("x.db", "busy")
        hit = await home.stream()

    assert hit.text == "one"
    assert home.ledger.table == {}


async def test_plain_calls_and_streams_answer_for_each_other(autojump_clock: MockClock) -> None:
    async with house(a=Answers(whole("hello"))) as home:
        plain = await home.complete()
        streamed = await home.stream()
        plain_again = await home.complete()

    assert plain == streamed == plain_again
    assert [record.kind for record in plain.trail] == ["ok"]
    assert [record.kind for record in plain_again.trail] == ["cached"]
    assert home.stage.counts == {"a": 1}


async def test_equal_requests_under_way_cost_one_call(autojump_clock: MockClock) -> None:
    slow = Body(ROLE, delta("one "), 5.0, delta("two"), *sse().steps[1:])
    texts: list[str] = []
    async with house(a=Answers(slow)) as home, trio.open_nursery() as nursery:

        async def ask() -> None:
            texts.append((await home.stream()).text)

        for _ in range(10):
            nursery.start_soon(ask)

    assert texts == ["one two"] * 10
    assert sorted(home.seen.ends) == ["cached"] * 9 + ["ok"]
    assert len(home.ledger.table) == 9
    assert {row.opening.provider for row in home.ledger.table.values()} == {"a"}


async def test_who_leaves_is_told_as_cancelled_once(autojump_clock: MockClock) -> None:
    slow = Body(ROLE, delta("one "), 5.0, delta("two"), *sse().steps[1:])
    async with house(a=Answers(slow)) as home:
        answer = stream(home.stage.route, make_request(), CALL)
        async with aclosing(answer):
            assert text_of([await anext(answer)]) == "one "
        await answer.aclose()
        await trio.testing.wait_all_tasks_blocked()

        assert home.seen.ends == ["cancelled"]
        assert await home.stage.in_flight() == {"a/m": 0}
        assert slow.closed
        with pytest.raises(StopAsyncIteration):
            await anext(answer)


async def test_what_a_stand_in_said_is_not_given_to_who_comes_later(
    autojump_clock: MockClock,
) -> None:
    a = Answers(refusal(401), sse("from a"))
    async with house(a=a, b=Answers(sse("from b"))) as home:
        first = await home.stream()
        await trio.sleep(1)
        second = await home.stream()

    assert (first.text, second.text) == ("from b", "from a")
    assert home.seen.ends == ["ok", "ok"]


async def test_what_must_be_asked_elsewhere_each_time_is_kept(autojump_clock: MockClock) -> None:
    a = Answers(refusal(400, "context_length_exceeded"))
    async with house([link("a"), TOO_LONG], a=a, b=Answers(sse("from b"))) as home:
        first = await home.stream()
        second = await home.stream()

    assert first.text == second.text == "from b"
    assert home.seen.ends == ["ok", "cached"]


@pytest.mark.parametrize(
    "change", [{"max_output_tokens": 5}, {"stop": ("x",)}, {"extra": {"x": 1}}]
)
async def test_another_request_is_asked(autojump_clock: MockClock, change: dict[str, Any]) -> None:
    async with house(a=Answers(sse("one"), sse("two"))) as home:
        await home.stream()
        other = await home.stream(attrs.evolve(make_request(), **change))

    assert other.text == "two"


async def test_the_name_that_a_caller_has_for_the_model_makes_no_difference(
    autojump_clock: MockClock,
) -> None:
    async with house(a=Answers(sse("one"))) as home:
        await home.stream(make_request(model="my-model"))
        other = await home.stream(make_request(model="default"))

    assert other.text == "one"


async def test_a_failure_is_told_as_one(autojump_clock: MockClock) -> None:
    async with house(a=Answers(refusal(401))) as home:
        with pytest.raises(ProviderError) as caught:
            await home.stream()

    assert caught.value.kind is ErrorKind.AUTH
    assert [record.kind for record in caught.value.trail] == ["auth"]
    assert home.seen.ends == ["failed"]


async def test_what_no_wire_can_say_fails_as_it_does_without_a_cache(
    autojump_clock: MockClock,
) -> None:
    async with house(a=Answers()) as home:
        with pytest.raises(ProviderError) as caught:
            await home.stream(attrs.evolve(make_request(), extra={"x": {1}}))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert home.seen.ends == ["failed"]


async def test_a_cache_that_dies_in_between_is_a_failure_that_says_so(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, delta("one "), RuntimeError("a bug"))
    async with house(a=Answers(slow, sse("one"))) as home:
        with pytest.raises(ProviderError) as caught:
            await home.stream()
        again = await home.stream()

    assert caught.value.committed
    assert again.text == "one"
