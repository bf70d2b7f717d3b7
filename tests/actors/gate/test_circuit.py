"""The circuit of a deployment, as those who call through it see it. In virtual time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from weakref import WeakSet

import attrs
import pytest
import trio
from trio.testing import MockClock

from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import (
    CircuitMessage,
    CircuitState,
    GetState,
    Owner,
    Permit,
    Report,
    Reset,
    Trip,
)
from trouper.actors.policy.breaker import BreakerPolicy, Pass
from trouper.actors.policy.outcome import NEUTRAL, SUCCESS, CallResult, Outcome
from trouper.runtime import Ref, System, child
from trouper.runtime.testing import running

LOST = CallResult(Outcome.UNREACHABLE, what="connection_failed")


@attrs.define(eq=False)
class Caller:
    """Somebody who has a pass, until it is said what came of it."""

    ended: CallResult | None = None


@asynccontextmanager
async def circuit(**more: object) -> AsyncGenerator[Ref[CircuitMessage]]:
    """A circuit of which chance never makes a wait longer."""
    policy = BreakerPolicy(**more)  # type: ignore[arg-type]
    async with running(lambda: Circuit("openai", "small", policy, lambda: 0.0)) as ref:
        yield ref


async def call(ref: Ref[CircuitMessage], result: CallResult) -> Pass:
    permit = Permit(Caller())
    given = await ref.ask(permit)
    ref.tell(Report(permit, result))
    return given


async def refusal(ref: Ref[CircuitMessage]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ref.ask(Permit(Caller()))
    return caught.value


async def test_calls_flow_and_are_counted(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        under_way = Permit(Caller())
        await ref.ask(under_way)
        await call(ref, LOST)
        await call(ref, SUCCESS)
        state = await ref.ask(GetState())

    assert state == CircuitState(
        state="closed", cause="", reopens_in=0.0, calls=2, failures=1, in_flight=1
    )


async def test_while_it_is_open_calls_are_refused_at_once_and_told_when_to_come_back(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        for _ in range(5):
            await call(ref, LOST)
        began = trio.current_time()
        await trio.sleep(2)
        error = await refusal(ref)
        state = await ref.ask(GetState())

        assert state.transitions == {"open": 1}
        assert trio.current_time() == began + 2

    assert (error.kind, error.retryable) == (ErrorKind.CIRCUIT_OPEN, True)
    assert (error.provider, error.model) == ("openai", "small")
    assert error.retry_after == pytest.approx(3)
    assert error.message == (
        "5 calls in a row got no answer, the last with connection_failed; "
        "it is tried again in 3.0 s"
    )
    assert (state.state, state.in_flight) == ("open", 0)
    assert state.reopens_in == pytest.approx(3)
    assert error.message.startswith(state.cause)


async def test_it_opens_at_the_ratio_that_is_configured_and_for_as_long(
    autojump_clock: MockClock,
) -> None:
    async with circuit(failure_ratio=0.25, min_calls=4, open_for=30.0) as ref:
        for result in (SUCCESS, SUCCESS, SUCCESS, LOST):
            await call(ref, result)
        error = await refusal(ref)

    assert error.retry_after == pytest.approx(30)


async def test_after_its_time_one_call_probes_and_two_that_succeed_close_it(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        for _ in range(5):
            await call(ref, LOST)
        await trio.sleep(5)
        waiting = await ref.ask(GetState())
        probe = Permit(Caller())
        given = await ref.ask(probe)
        probing = await ref.ask(GetState())
        error = await refusal(ref)
        ref.tell(Report(probe, SUCCESS))
        second = await call(ref, SUCCESS)
        closed = await ref.ask(GetState())

    assert given.probe
    assert second.probe
    assert (waiting.state, waiting.reopens_in) == ("half_open", 0.0)
    assert (probing.state, probing.reopens_in) == ("half_open", None)
    assert "one call is finding out whether it is well again" in error.message
    assert error.retry_after == 1.0
    assert (closed.state, closed.cause, closed.calls) == ("closed", "", 0)


async def test_a_permit_that_is_asked_for_twice_is_one_call(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        permit = Permit(Caller())
        first = await ref.ask(permit)
        again = await ref.ask(permit)
        state = await ref.ask(GetState())

    assert again == first
    assert state.in_flight == 1


async def test_a_report_counts_once_and_that_of_a_stranger_not_at_all(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        permit = Permit(Caller())
        await ref.ask(permit)
        for _ in range(20):
            ref.tell(Report(permit, LOST))
            ref.tell(Report(Permit(Caller()), LOST))
        state = await ref.ask(GetState())

    assert (state.state, state.calls, state.in_flight) == ("closed", 1, 0)


async def test_what_began_before_it_opened_is_not_counted_after(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        slow = [Permit(Caller()) for _ in range(20)]
        for permit in slow:
            await ref.ask(permit)
        for _ in range(5):
            await call(ref, LOST)
        await trio.sleep(5)
        probe = Permit(Caller())
        await ref.ask(probe)
        for permit in slow:
            ref.tell(Report(permit, LOST))
        late = await ref.ask(GetState())
        ref.tell(Report(probe, SUCCESS))
        await call(ref, SUCCESS)
        state = await ref.ask(GetState())

    assert late.state == "half_open"
    assert (state.state, state.calls) == ("closed", 0)


async def test_the_probe_of_an_owner_that_ended_without_a_word_is_given_to_the_next(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        for _ in range(5):
            await call(ref, LOST)
        await trio.sleep(5)
        dead = Caller()
        await ref.ask(Permit(dead))
        await refusal(ref)
        dead.ended = NEUTRAL
        given = await ref.ask(Permit(Caller()))

    assert given.probe


async def test_what_such_an_owner_knew_counts_as_if_it_had_been_reported(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        for _ in range(5):
            await ref.ask(Permit(Caller(ended=LOST)))
        state = await ref.ask(GetState())

    assert (state.state, state.in_flight) == ("open", 0)


async def test_owners_that_ended_without_a_word_do_not_pile_up(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        living = [Permit(Caller()) for _ in range(50)]
        for permit in living:
            await ref.ask(permit)
        remembered: WeakSet[Owner] = WeakSet()
        for _ in range(1_000):
            permit = Permit(Caller(ended=NEUTRAL))
            remembered.add(permit.owner)
            await ref.ask(permit)

        assert len(remembered) <= 64
        assert (await ref.ask(GetState())).in_flight == 50


async def test_opened_by_hand_it_stays_open_until_it_is_closed_by_hand(
    autojump_clock: MockClock,
) -> None:
    async with circuit() as ref:
        opened = await ref.ask(Trip("key rotation"))
        await trio.sleep(80_000)
        error = await refusal(ref)
        closed = await ref.ask(Reset())
        await call(ref, SUCCESS)

    assert (opened.state, opened.cause, opened.reopens_in) == (
        "open",
        "opened by hand: key rotation",
        inf,
    )
    # There is nothing that a retry could wait for.
    assert (error.retry_after, error.retryable) == (None, False)
    assert error.message == "opened by hand: key rotation; it stays open until it is reset"
    assert closed.state == "closed"


async def test_opened_by_hand_for_a_time_it_probes_after_it(autojump_clock: MockClock) -> None:
    async with circuit() as ref:
        await ref.ask(Trip("maintenance", 600.0))
        await trio.sleep(599)
        error = await refusal(ref)
        await trio.sleep(1)
        given = await call(ref, SUCCESS)

    assert error.retry_after == pytest.approx(1)
    assert given.probe


async def test_a_new_life_begins_closed_and_ignores_passes_of_the_last_one(
    autojump_clock: MockClock,
) -> None:
    chances = iter((0, 1, 0))

    def chance() -> float:
        # The second report finds no number between 0 and 1, and a crash instead.
        return 1 / (1 - next(chances)) - 1

    spec = child("circuit", lambda: Circuit("openai", chance=chance))
    async with System(spec, signals=False) as system:
        ref = system.ref("circuit", Circuit)
        old = Permit(Caller())
        await ref.ask(old)
        await call(ref, LOST)
        await call(ref, LOST)
        await ref.ask(GetState())
        ref.tell(Report(old, LOST))
        await call(ref, SUCCESS)
        state = await ref.ask(GetState())
        (now,) = system.snapshot("circuit")

    assert now.restarts == 1
    assert (state.state, state.calls, state.failures, state.in_flight) == ("closed", 1, 0, 0)
