"""Calls through a circuit: however they end, their place is given back."""

import gc
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import ref as weak

import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import CircuitMessage, GetState, Trip
from trouper.actors.gate.circuit_use import CircuitUse
from trouper.actors.policy.outcome import NEUTRAL
from trouper.runtime import ActorDown, Mailbox, Ref, System, child


@asynccontextmanager
async def circuit(capacity: int = 1024) -> AsyncGenerator[Ref[CircuitMessage]]:
    """A circuit of which chance never makes a wait longer."""
    spec = child(
        "circuit", lambda: Circuit("openai", chance=lambda: 0.0), mailbox=Mailbox(capacity)
    )
    async with System(spec, intensity=0, signals=False) as system:
        yield system.ref("circuit", Circuit)


def failure(kind: ErrorKind = ErrorKind.CONNECTION_FAILED) -> ProviderError:
    return ProviderError(kind=kind, message="no")


async def fail(ref: Ref[CircuitMessage], error: BaseException) -> None:
    with pytest.raises(type(error)):
        async with CircuitUse(ref):
            raise error


async def half_open(ref: Ref[CircuitMessage]) -> None:
    """Let it be open, and its time over."""
    await ref.ask(Trip("a test", 5.0))
    await trio.sleep(5.0)


async def test_a_block_that_ends_well_is_a_success(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        async with CircuitUse(ref) as passage:
            assert not passage.is_probe
            assert (await ref.ask(GetState())).in_flight == 1
        state = await ref.ask(GetState())

    assert (state.calls, state.failures, state.in_flight) == (1, 0, 0)


async def test_provider_errors_that_leave_the_block_open_the_circuit(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        for _ in range(5):
            await fail(ref, failure())
        with pytest.raises(ProviderError) as caught:
            async with CircuitUse(ref):
                raise AssertionError("nothing gets through")
        state = await ref.ask(GetState())

    assert caught.value.kind is ErrorKind.CIRCUIT_OPEN
    assert (state.state, state.in_flight) == ("open", 0)


@pytest.mark.parametrize(
    "error", [failure(ErrorKind.INVALID_REQUEST), failure(ErrorKind.RATE_LIMITED), ValueError()]
)
async def test_other_errors_are_neutral(autojump_clock: MockClock, error: BaseException) -> None:
    async with circuit() as ref:
        for _ in range(20):
            await fail(ref, error)
        state = await ref.ask(GetState())

    assert (state.state, state.calls, state.in_flight) == ("closed", 0, 0)


async def test_a_call_that_is_cancelled_is_neutral(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        for _ in range(20):
            with trio.move_on_after(1):
                async with CircuitUse(ref):
                    await trio.sleep_forever()
        state = await ref.ask(GetState())

    assert (state.state, state.calls, state.in_flight) == ("closed", 0, 0)


async def test_a_probe_that_is_cancelled_gives_its_place_to_the_next(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        await half_open(ref)
        with trio.move_on_after(1):
            async with CircuitUse(ref) as first:
                assert first.is_probe
                await trio.sleep_forever()
        async with CircuitUse(ref) as second:
            assert second.is_probe


async def test_an_ask_that_is_cancelled_when_it_has_been_granted_holds_no_place(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        await half_open(ref)
        # The permit is handled in the same moment in which its asker is cancelled.
        for _ in range(50):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_through, ref)
                for _ in range(random.randrange(4)):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            async with CircuitUse(ref) as passage:
                assert passage.is_probe
                passage.settle(NEUTRAL)


async def _through(ref: Ref[CircuitMessage]) -> None:
    async with CircuitUse(ref):
        await trio.sleep_forever()


async def test_a_probe_whose_answer_has_begun_keeps_nobody_out(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        await half_open(ref)
        async with CircuitUse(ref) as long:
            long.begun()
            async with CircuitUse(ref) as next_one:
                assert next_one.is_probe
            assert (await ref.ask(GetState())).state == "closed"
        state = await ref.ask(GetState())

    assert (state.calls, state.in_flight) == (0, 0)


async def test_where_calls_flow_the_begin_of_an_answer_is_not_yet_its_end(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        with pytest.raises(ProviderError):
            async with CircuitUse(ref) as passage:
                passage.begun()
                raise failure(ErrorKind.STREAM_TRUNCATED)
        state = await ref.ask(GetState())

    assert (state.calls, state.failures) == (1, 1)


async def test_a_report_that_finds_the_mailbox_full_is_not_lost(autojump_clock: MockClock) -> None:
    async with circuit(capacity=1) as ref:
        for _ in range(5):
            with pytest.raises(ProviderError):
                async with CircuitUse(ref):
                    ref.tell(GetState())
                    raise failure()
            await wait_all_tasks_blocked()
        state = await ref.ask(GetState())

    assert (state.state, state.in_flight) == ("open", 0)


async def test_the_place_of_a_task_that_died_in_the_block_without_leaving_it_is_found(
    autojump_clock: MockClock,
) -> None:
    async def enter() -> None:
        await kept.__aenter__()

    async with circuit() as ref:
        await half_open(ref)
        kept = CircuitUse(ref)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter)
        async with CircuitUse(ref) as passage:
            assert passage.is_probe
        # What the dead one says is late.
        await kept.__aexit__(None, None, None)
        state = await ref.ask(GetState())

    assert (state.state, state.in_flight) == ("half_open", 0)


async def test_without_a_circuit_no_call_is_made(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        pass
    with pytest.raises(ActorDown):
        async with CircuitUse(ref):
            raise AssertionError("nothing gets through")


async def test_a_call_leaves_nothing_for_the_garbage_collector(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        gc.disable()
        try:
            async with CircuitUse(ref) as passage:
                call = weak(passage._call)
            await wait_all_tasks_blocked()
            del passage

            assert call() is None
        finally:
            gc.enable()


class Storm:
    """Callers of all kinds at one circuit, and a provider that fails by turns."""

    def __init__(self, seed: int, calls: int) -> None:
        self.calls = calls
        self.random = random.Random(seed)
        self.probes = 0
        self.refused = 0
        self.through = 0

    async def caller(self, ref: Ref[CircuitMessage]) -> None:
        for _ in range(self.calls):
            await trio.sleep(self.random.choice((0, 0, 0.1, 3)))
            with trio.move_on_after(self.random.choice((0, 0.05, 2, 60))):
                try:
                    await self.call(ref)
                except ProviderError as error:
                    self.refused += error.kind is ErrorKind.CIRCUIT_OPEN

    async def call(self, ref: Ref[CircuitMessage]) -> None:
        passage = CircuitUse(ref)
        if self.random.random() < 0.1:
            # One that breaks off without a word, as a generator that is never closed.
            await passage.__aenter__()
            passage._call.result = NEUTRAL
            return
        async with passage:
            self.through += 1
            self.probes += passage.is_probe
            try:
                assert self.probes <= 1 or not passage.is_probe, "never more than one probe"
                await trio.sleep(self.random.choice((0, 0.1, 1, 20)))
                if trio.current_time() % 60 < 40:
                    raise failure(self.random.choice(tuple(ErrorKind)))
            finally:
                self.probes -= passage.is_probe

    async def main(self, callers: int, capacity: int) -> None:
        async with circuit(capacity) as ref:
            async with trio.open_nursery() as nursery:
                for _ in range(callers):
                    nursery.start_soon(self.caller, ref)
            assert (await ref.ask(GetState())).in_flight == 0
            # An outage is over: however it was left, it closes again.
            await trio.sleep(100)
            for _ in range(2):
                async with CircuitUse(ref):
                    pass
            assert (await ref.ask(GetState())).state == "closed"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([40, 1024]))
def test_in_any_storm_one_probes_at_once_and_every_place_is_given_back(
    seed: int, callers: int, capacity: int
) -> None:
    storm = Storm(seed, 12)
    trio.run(storm.main, callers, capacity, clock=MockClock(autojump_threshold=0))


def test_in_a_long_storm_calls_go_through_and_calls_are_refused() -> None:
    storm = Storm(3, 60)
    trio.run(storm.main, 60, 1024, clock=MockClock(autojump_threshold=0))

    assert storm.through > 20
    assert storm.refused > 100
