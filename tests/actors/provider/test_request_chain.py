"""A request over a chain of targets: who is asked next, when, and what is said when nobody is left."""

from contextlib import aclosing
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import (
    ROLE,
    Answers,
    Body,
    delta,
    frame,
    make_request,
    sse,
    text_of,
)
from tests.fakes.routes import Stage, open_route
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.call import Call
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.request import stream
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child

ONCE = RetryPolicy(attempts=1)
CUT = httpx.ReadError("reset by peer")
WHOLE = {
    "id": "r1",
    "model": "fake",
    "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}],
}


def refusal(status: int, code: str = "", **headers: str) -> httpx.Response:
    error = {"message": f"no, says {status}", "code": code or None}
    return httpx.Response(status, headers=headers, json={"error": error})


def whole() -> httpx.Response:
    return httpx.Response(200, json=WHOLE)


async def collect(stage: Stage, **more: Any) -> list[Batch]:
    async with aclosing(stream(stage.route, make_request(), **more)) as batches:
        return [batch async for batch in batches]


async def fail(stage: Stage, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await collect(stage, **more)
    return caught.value


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
        batches = await collect(stage)
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
        error = await fail(stage)
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
            assert text_of(await collect(stage)) == "hello"

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
            assert text_of(await collect(stage)) == "from b"

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
            error = await fail(stage, call=Call(deadline=began + 10))

    assert error.kind is ErrorKind.CIRCUIT_OPEN
    assert error.retry_after == pytest.approx(40.0, abs=0.1)
    assert "the soonest may be asked in 40.0 s" in error.message
    assert trio.current_time() - began < 1
