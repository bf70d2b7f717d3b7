"""Every phase of a request ends, never early and late by a known bound. In virtual time."""

from math import inf
from typing import Any

import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.provider.deadlines import RequestTimeouts, TimedRequest, Watch

LIMITS = RequestTimeouts(first_event=120, idle=300, total=900)
SECONDS = st.floats(0.001, 10_000)


async def fate(watch: Watch, answered: bool = False, **more: Any) -> tuple[float, ProviderError]:
    """Wait for ever in an exchange; when that was ended, and how."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        began = trio.current_time()
        with pytest.raises(ProviderError) as caught, watch.exchange(**more) as exchange:
            exchange.phase = "stream" if answered else "headers"
            exchange.waiting_since = began
            await trio.sleep_forever()
        took = trio.current_time() - began
        nursery.cancel_scope.cancel()
    assert len(watch) == 0
    return took, caught.value


async def test_a_provider_that_never_begins_is_given_up(autojump_clock: MockClock) -> None:
    took, error = await fate(Watch(LIMITS))

    assert 120 <= took <= 121
    assert (error.kind, error.phase, error.in_stream) == (ErrorKind.TIMEOUT, "headers", False)
    assert error.message == "nothing came for 120 s (first_event)"
    assert (error.retryable, error.billed) == (True, "maybe")


async def test_a_provider_that_falls_silent_is_given_up(autojump_clock: MockClock) -> None:
    took, error = await fate(Watch(LIMITS), answered=True)

    assert 300 <= took <= 301
    assert (error.kind, error.phase, error.in_stream) == (ErrorKind.TIMEOUT, "stream", True)
    assert error.message == "nothing came for 300 s in the middle of the answer (idle)"


async def test_an_answer_without_end_is_given_up_however_lively(
    autojump_clock: MockClock,
) -> None:
    watch = Watch(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with pytest.raises(ProviderError) as caught, watch.exchange() as exchange:
            exchange.phase = "stream"
            while True:
                exchange.waiting_since = trio.current_time()
                await trio.sleep(10)
        nursery.cancel_scope.cancel()

    assert 900 <= trio.current_time() <= 901
    assert caught.value.message == "the answer was not whole after 900 s (total)"


async def test_who_is_never_given_a_connection_is_told_so(autojump_clock: MockClock) -> None:
    watch = Watch(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with pytest.raises(ProviderError) as caught, watch.exchange():
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()

    assert 900 <= trio.current_time() <= 901
    assert (caught.value.phase, caught.value.billed) == ("pool", "no")
    assert "max_connections" in caught.value.message


async def test_an_earlier_end_goes_first(autojump_clock: MockClock) -> None:
    took, error = await fate(Watch(LIMITS), until=trio.current_time() + 7)

    assert 7 <= took <= 8
    assert "(total)" in error.message


async def test_an_answer_in_one_piece_has_only_a_total(autojump_clock: MockClock) -> None:
    took, _ = await fate(Watch(LIMITS), in_one_piece=True)
    assert 900 <= took <= 901


async def test_while_nobody_waits_for_the_provider_its_clock_stands_still(
    autojump_clock: MockClock,
) -> None:
    watch = Watch(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watch.exchange() as exchange:
            exchange.phase = "stream"
            exchange.waiting_since = inf
            await trio.sleep(800)
            exchange.waiting_since = trio.current_time()
            await trio.sleep(90)
        nursery.cancel_scope.cancel()


async def test_a_whole_answer_cannot_be_late_any_more(autojump_clock: MockClock) -> None:
    watch = Watch(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with watch.exchange() as exchange:
            exchange.waiting_since = trio.current_time()
            exchange.whole()
            await trio.sleep(10_000)
        nursery.cancel_scope.cancel()


async def test_short_deadlines_are_kept_to_within_a_quarter(autojump_clock: MockClock) -> None:
    watch = Watch(RequestTimeouts(first_event=0.2, idle=1, total=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with pytest.raises(ProviderError), watch.exchange() as exchange:
            exchange.phase = "headers"
            await trio.sleep(0.13)
            exchange.waiting_since = trio.current_time()
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()
    assert 0.2 <= trio.current_time() - 0.13 <= 0.25


async def test_one_that_is_late_harms_no_other(autojump_clock: MockClock) -> None:
    watch = Watch(LIMITS)
    ends: list[tuple[str, float]] = []

    async def one(name: str, begins: float) -> None:
        await trio.sleep(begins)
        with pytest.raises(ProviderError), watch.exchange() as exchange:
            exchange.phase = "headers"
            exchange.waiting_since = trio.current_time()
            await trio.sleep_forever()
        ends.append((name, trio.current_time()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        async with trio.open_nursery() as requests:
            for name, begins in (("a", 0), ("b", 50), ("c", 400)):
                requests.start_soon(one, name, begins)
        nursery.cancel_scope.cancel()

    assert [name for name, _ in ends] == ["a", "b", "c"]
    assert [round(end) for _, end in ends] == [120, 170, 520]


async def test_a_cancel_from_outside_is_no_timeout(autojump_clock: MockClock) -> None:
    watch = Watch(LIMITS)
    with trio.move_on_after(1) as scope, watch.exchange():
        await trio.sleep_forever()

    assert scope.cancelled_caught
    assert len(watch) == 0


async def test_an_idle_watch_sleeps_without_a_timer(mock_clock: MockClock) -> None:
    watch = Watch(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == inf
        nursery.cancel_scope.cancel()


@given(SECONDS, SECONDS, SECONDS, SECONDS, SECONDS, st.sampled_from(["pool", "headers", "stream"]))
def test_nothing_is_ever_called_late_too_early(
    first_event: float, idle: float, total: float, waited: float, lasted: float, phase: str
) -> None:
    limits = RequestTimeouts(first_event=first_event, idle=idle, total=total)
    exchange = TimedRequest(limits, until=total, phase=phase)  # type: ignore[arg-type]
    exchange.waiting_since = lasted - waited

    patience = idle if phase == "stream" else first_event
    late = lasted >= total or lasted - exchange.waiting_since >= patience

    assert bool(exchange.overdue(lasted)) == late
