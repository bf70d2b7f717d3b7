"""A connection that is down: how long it is waited for, and who is asked meanwhile."""

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import Answers, Body, sse, text_of
from tests.fakes.routes import open_route, whole
from trouper.actors.chat import Completion
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import Trip
from trouper.actors.provider.target import Gates
from trouper.runtime import System, child


class Fragile(Answers):
    """The first request crashes its connection, which cannot start anew for so many seconds."""

    def __init__(self, seconds: float, *then: Body | httpx.Response) -> None:
        super().__init__(crash, *then)
        self._seconds = seconds

    def __call__(self) -> Answers:
        if self.times and trio.current_time() < self.times[0] + self._seconds:
            raise OSError("not yet")
        return self


async def crash(request: httpx.Request) -> httpx.Response:
    raise KeyError("a bug")


@pytest.mark.parametrize("way", ["plain", "stream"])
async def test_who_is_down_leaves_it_to_the_next_target_in_five_seconds(
    way: str, autojump_clock: MockClock
) -> None:
    answer = whole if way == "plain" else sse
    async with open_route(a=Fragile(900), b=Answers(answer("one"), answer("two"))) as stage:
        await (stage.complete() if way == "plain" else stage.collect())
        began = trio.current_time()
        answered = await (stage.complete() if way == "plain" else stage.collect())
        took = trio.current_time() - began
        counts, under_way = stage.counts, await stage.in_flight()

    text = answered.text if isinstance(answered, Completion) else text_of(answered)
    assert text == "two"
    assert took == pytest.approx(5, abs=0.1)
    assert counts == {"a": 1, "b": 2}
    assert under_way == {"a/m": 0, "b/m": 0}


async def test_a_plain_call_waits_for_who_is_down_as_a_stream_does_and_is_not_billed(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Fragile(900)) as stage:
        with pytest.raises(ProviderError):
            await stage.complete()
        began = trio.current_time()
        with pytest.raises(ProviderError, match="took nothing within 120 s") as caught:
            await stage.complete()

        assert trio.current_time() - began == pytest.approx(120, abs=0.1)
    assert (caught.value.kind, caught.value.billed) == (ErrorKind.UNAVAILABLE, "no")
    assert [(record.kind, record.cost) for record in caught.value.trail] == [("unavailable", 0)]


async def test_a_plain_call_that_is_taken_in_time_has_all_its_time(
    autojump_clock: MockClock,
) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(300)
        return whole("at last")

    fragile = Fragile(60)
    fragile.answers.append(slow)
    async with open_route(a=fragile) as stage:
        with pytest.raises(ProviderError):
            await stage.complete()

        assert (await stage.complete()).text == "at last"


async def test_who_is_down_is_asked_again_where_no_other_may_be_asked_yet(
    autojump_clock: MockClock,
) -> None:
    async with System(child("circuit", lambda: Circuit("b")), signals=False) as system:
        circuit = system.ref("circuit", Circuit)
        await circuit.ask(Trip("down"))
        async with open_route(
            a=Fragile(60, sse("back again")), b=Answers(), gates={"b": Gates(circuit=circuit)}
        ) as stage:
            assert text_of(await stage.collect()) == "back again"
            assert stage.counts == {"a": 2, "b": 0}
            assert await stage.in_flight() == {"a/m": 0, "b/m": 0}
