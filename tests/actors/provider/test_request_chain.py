"""A request over a chain of targets: who is asked next, when, and what is said when nobody is left."""

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
    Step,
    delta,
    frame,
    make_request,
    sse,
    text_of,
)
from tests.fakes.routes import link, open_route, refusal, whole
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import Acquire
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.policy.bucket import Demand, RateLimits
from trouper.actors.provider.call import Call
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.request import complete, stream
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child

ONCE = RetryPolicy(attempts=1)
CUT = httpx.ReadError("reset by peer")


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param([ROLE], id="after it has started"),
        pytest.param([ROLE, *[frame({})] * 30], id="after many frames without content"),
        pytest.param([ROLE, b": ping\n\n"], id="after a sign of life"),
    ],
)
async def test_before_the_first_content_the_next_target_answers_and_nobody_notices(
    begun: list[bytes], autojump_clock: MockClock
) -> None:
    """Row 9: "Hold lifecycle events until first content ('commit point'); fall back freely
    before it"."""
    a, b = Answers(Body(*begun, CUT)), Answers(sse("from ", "b"))
    async with open_route(a=a, b=b, retry=ONCE) as stage:
        batches = await stage.collect()
        under_way = await stage.in_flight()

    chunks = [type(chunk).__name__ for batch in batches for chunk in batch]
    assert text_of(batches) == "from b"
    assert chunks == ["Started", "TextDelta", "TextDelta", "Finished"]
    assert under_way == {"a/m": 0, "b/m": 0}


async def test_after_partial_output_no_other_target_says_it_again(
    autojump_clock: MockClock,
) -> None:
    """Row 10: "Never silently switch after commit; offer opt-in `restart` that emits an explicit
    Reset chunk"."""
    a, b = Answers(Body(ROLE, delta("hel"), CUT)), Answers(sse("never asked"))
    async with open_route(a=a, b=b) as stage:
        error = await stage.fails()
        counts = stage.counts

    assert error.committed
    assert counts == {"a": 1, "b": 0}


async def test_a_target_is_waited_for_until_the_later_of_two_times_that_were_said(
    autojump_clock: MockClock,
) -> None:
    """Row 23: "Breaker deadline = max(old,new); state local to the actor"."""
    circuit = child("circuit", lambda: Circuit("a"))
    async with System(circuit, signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("maintenance", 30.0))
        await ref.ask(Trip("said again, and shorter", 5.0))
        began = trio.current_time()
        async with open_route(a=Answers(sse("hello")), gates={"a": Gates(circuit=ref)}) as stage:
            assert text_of(await stage.collect()) == "hello"

    assert trio.current_time() - began == pytest.approx(30.0, abs=0.5)


async def test_where_all_targets_are_open_the_soonest_is_waited_for_and_answers(
    autojump_clock: MockClock,
) -> None:
    """Row 24: "Router may wait until min(reopen, caller deadline)"."""
    specs = [child(f"circuit-{name}", lambda: Circuit("x")) for name in "ab"]
    async with System(*specs, signals=False) as system:
        refs = {name: system.ref(f"circuit-{name}", Circuit) for name in "ab"}
        await refs["a"].ask(Trip("down", 40.0))
        await refs["b"].ask(Trip("down", 20.0))
        gates = {name: Gates(circuit=ref) for name, ref in refs.items()}
        began = trio.current_time()
        async with open_route(
            a=Answers(sse("from a")), b=Answers(sse("from b")), gates=gates
        ) as stage:
            assert text_of(await stage.collect()) == "from b"

    assert trio.current_time() - began == pytest.approx(20.0, abs=0.5)


async def test_where_none_reopens_in_time_it_gives_up_at_once_and_says_when(
    autojump_clock: MockClock,
) -> None:
    """Row 24, the other side: a deadline that cannot be met is not waited for."""
    async with System(child("circuit", lambda: Circuit("a", "m")), signals=False) as system:
        ref = system.ref("circuit", Circuit)
        await ref.ask(Trip("down", 40.0))
        began = trio.current_time()
        async with open_route(a=Answers(), gates={"a": Gates(circuit=ref)}) as stage:
            error = await stage.fails(Call(deadline=began + 10))

    assert error.kind is ErrorKind.CIRCUIT_OPEN
    assert error.retry_after == pytest.approx(40.0, abs=0.1)
    assert "the soonest may be asked in 40.0 s" in error.message
    assert trio.current_time() - began < 1


async def test_the_last_error_tells_the_whole_way_in_words(autojump_clock: MockClock) -> None:
    a = Answers(refusal(500), refusal(500))
    b = Answers(refusal(404))
    async with open_route(a=a, b=b, retry=RetryPolicy(attempts=2)) as stage:
        error = await stage.fails()

    assert str(error) == (
        "b: model_not_found (HTTP 404): no, says 404; no target has answered: "
        "a/m server_error 2 times (0.0 s), then b/m model_not_found (0.0 s) "
        "[the provider has no model of that name; check targets of this model]"
    )
    assert [record.kind for record in error.trail] == [
        "server_error",
        "server_error",
        "model_not_found",
    ]


async def test_the_error_of_one_target_alone_is_the_providers_own_word(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Answers(refusal(404))) as stage:
        error = await stage.fails()

    assert error.message == "no, says 404"


async def test_an_answer_has_the_trail_of_all_who_were_asked(autojump_clock: MockClock) -> None:
    async with open_route(a=Answers(refusal(500), refusal(500), whole()), b=Answers()) as stage:
        completion = await stage.complete()

    assert [record.kind for record in completion.trail] == ["server_error", "server_error", "ok"]


async def test_a_prompt_that_is_too_long_is_never_sent_there_again(
    autojump_clock: MockClock,
) -> None:
    too_long = refusal(400, "context_length_exceeded")
    large = link("c", on=frozenset({ErrorKind.CONTEXT_WINDOW_EXCEEDED}))
    async with open_route(
        [link("a"), link("b"), large],
        a=Answers(too_long),
        b=Answers(),
        c=Answers(sse("I can read that")),
    ) as stage:
        assert text_of(await stage.collect()) == "I can read that"
        assert stage.counts == {"a": 1, "b": 0, "c": 1}


async def test_each_target_but_the_last_has_half_of_the_time_to_begin(
    autojump_clock: MockClock,
) -> None:
    lifecycle: list[Step] = [frame({}), 1.0]
    silent = Body(ROLE, *lifecycle * 50, 10_000.0)
    async with open_route(
        a=Answers(silent), b=Answers(Body(60.0)), c=Answers(sse("in time")), total=100.0
    ) as stage:
        began = trio.current_time()
        batches = await stage.collect()

    assert text_of(batches) == "in time"
    assert trio.current_time() - began == pytest.approx(75.0, abs=1.0)
    assert silent.closed


async def test_what_has_begun_in_its_half_may_use_all_of_the_time(
    autojump_clock: MockClock,
) -> None:
    words: list[Step] = [step for _ in range(90) for step in (delta("x"), 1.0)]
    long = Body(ROLE, delta("x"), *words, FINISH, DONE)
    async with open_route(a=Answers(long), b=Answers(), total=100.0) as stage:
        assert len(text_of(await stage.collect())) == 91


async def test_the_deadline_is_that_of_the_whole_chain(autojump_clock: MockClock) -> None:
    names = {name: Answers(Body(10_000.0)) for name in "abc"}
    async with open_route(total=100.0, answers=names) as stage:
        began = trio.current_time()
        error = await stage.fails()

        assert stage.counts == {"a": 1, "b": 1, "c": 1}
    assert error.kind is ErrorKind.TIMEOUT
    assert trio.current_time() - began == pytest.approx(100.0, abs=2.0)


async def test_a_conversation_is_first_asked_of_who_answered_it_last(
    autojump_clock: MockClock,
) -> None:
    async with (
        open_route(a=Answers(), b=Answers(sse("b again"))) as stage,
        aclosing(stream(stage.route, make_request(), pinned="b/m")) as answer,
    ):
        assert text_of([batch async for batch in answer]) == "b again"
        assert answer.target == "b/m"


async def test_a_request_is_fitted_to_each_of_several_models_and_not_to_one_alone(
    autojump_clock: MockClock,
) -> None:
    small = Knowledge(ModelCatalog({"b/m": {"max_output_tokens": 100}}))
    request = attrs.evolve(make_request(), max_output_tokens=5000)
    async with open_route(a=Answers(refusal(404)), b=Answers(whole()), facts=small) as stage:
        await complete(stage.route, request)
        [[first], [second]] = [one.requests for one in stage.asked.values()]
    async with open_route(b=Answers(), facts=small) as stage:
        with pytest.raises(ProviderError, match="max_output_tokens: 5000 is out of range"):
            await complete(stage.route, request)

    assert b'"max_tokens":5000' in first.content
    assert b'"max_tokens":100' in second.content


async def test_a_prompt_that_is_too_long_goes_to_a_window_that_is_known_to_be_larger(
    autojump_clock: MockClock,
) -> None:
    tables = {"a/m": 1000, "b/m": 1000, "c/m": 9000}
    known = Knowledge(ModelCatalog({key: {"max_input_tokens": n} for key, n in tables.items()}))
    answers = {"a": Answers(refusal(400, "context_length_exceeded")), "b": Answers()}
    async with open_route(answers=answers, c=Answers(sse("I can")), facts=known) as stage:
        assert text_of(await stage.collect()) == "I can"


async def test_a_limiter_that_has_nothing_in_time_leaves_it_to_the_next_target(
    autojump_clock: MockClock,
) -> None:
    slow = child("limiter", lambda: Limiter("a", RateLimits(requests_per_minute=1)))
    async with System(slow, signals=False) as system:
        ref = system.ref("limiter", Limiter)
        await ref.ask(Acquire(Demand()))
        gates = {"a": Gates(limiters={"": ref})}
        call = Call(deadline=trio.current_time() + 30)
        async with open_route(a=Answers(), b=Answers(sse("from b")), gates=gates) as stage:
            assert text_of(await stage.collect(call)) == "from b"
        async with open_route(a=Answers(), gates=gates) as stage:
            error = await stage.fails(call)

    assert error.kind is ErrorKind.LIMITER_TIMEOUT
    assert error.retry_after is not None
    assert 30 < error.retry_after <= 60


async def test_a_limiter_that_would_use_up_a_targets_share_of_the_time_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    slow = child("limiter", lambda: Limiter("a", RateLimits(requests_per_minute=1)))
    async with System(slow, signals=False) as system:
        ref = system.ref("limiter", Limiter)
        await ref.ask(Acquire(Demand()))
        gates = {"a": Gates(limiters={"": ref})}
        async with open_route(a=Answers(), b=Answers(sse("b")), gates=gates, total=100.0) as stage:
            began = trio.current_time()
            assert text_of(await stage.collect()) == "b"

    assert trio.current_time() - began < 1
