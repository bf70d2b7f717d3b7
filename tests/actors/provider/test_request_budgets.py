"""A request over a chain of which a target is too dear: what is asked instead, and what is said."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.memory_ledger import MemoryLedger
from tests.fakes.provider import Answers, sse, text_of
from tests.fakes.routes import Stage, link, open_route, whole
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.prices import PriceBook
from trouper.actors.errors import ErrorKind
from trouper.actors.gate.budget import Budgets
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import CircuitMessage, Trip
from trouper.actors.policy.budget import Budget
from trouper.actors.policy.routing import Chain
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.target import Gates
from trouper.actors.store.ledger import Denied, Limit, Opening
from trouper.runtime import ActorCrashed, Ref, System, child


class Restarting(MemoryLedger):
    """A ledger whose writer crashes at the first `crashes` reservations."""

    def __init__(self, crashes: int) -> None:
        super().__init__()
        self.crashes = crashes

    async def reserve(self, opening: Opening, limits: Sequence[Limit] = ()) -> Denied | None:
        self.crashes -= 1
        if self.crashes >= 0:
            raise ActorCrashed("store/writer", "it crashed (OSError: disk full)")
        return await super().reserve(opening, limits)


# Nano-dollars: less than a call of "a/m" may cost.
SPENT = Budget(name="daily", limit=1, per="day")


@asynccontextmanager
async def spent_and_open(
    seconds: float, chain: Chain | None = None
) -> AsyncGenerator[tuple[Stage, Ref[CircuitMessage]]]:
    """The budget of the first target is spent; the circuit of the second is open for so long."""
    # Off the loop it would be loaded while virtual time runs on.
    load_encoding(EncodingName.O200K)
    knowledge = Knowledge(prices=PriceBook({"a/m": {"input": 1.0, "output": 10.0}}))
    circuit = child("circuit", partial(Circuit, "b", "m"))
    async with System(circuit, signals=False) as system:
        tripped = system.ref("circuit", Circuit)
        await tripped.ask(Trip("maintenance", seconds=seconds))
        gates = {
            "a": Gates(budgets=Budgets(MemoryLedger(), [SPENT])),
            "b": Gates(circuit=tripped),
        }
        a, b = Answers(sse("from a")), Answers(sse("from b"))
        async with open_route(chain, a=a, b=b, gates=gates, facts=knowledge, total=100.0) as stage:
            yield stage, tripped


async def test_where_the_money_is_spent_a_circuit_that_opens_in_time_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with spent_and_open(30.0) as (stage, _):
        assert text_of(await stage.collect()) == "from b"
        assert stage.counts == {"a": 0, "b": 1}
    assert trio.current_time() == pytest.approx(30.0, abs=0.1)


async def test_a_spent_budget_beside_an_open_circuit_is_said_at_once_and_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    """It renews at midnight, and the circuit stays open for longer than there is time."""
    async with spent_and_open(1_000.0) as (stage, _):
        error = await stage.fails()

    assert (error.kind, error.provider, error.code) == (ErrorKind.BUDGET_EXCEEDED, "a", "daily")
    assert 'budget "daily"' in error.message
    assert "b/m circuit_open" in error.message
    assert error.retry_after == pytest.approx(1_000.0, abs=0.1)
    assert [record.kind for record in error.trail] == ["budget_exceeded", "circuit_open"]
    assert trio.current_time() < 0.1


async def test_a_spent_budget_has_the_last_word_also_after_a_wait_for_a_circuit(
    autojump_clock: MockClock,
) -> None:
    async with spent_and_open(30.0) as (stage, circuit), trio.open_nursery() as nursery:

        async def trip_again() -> None:
            await trio.sleep(20.0)
            await circuit.ask(Trip("still maintenance", seconds=1_000.0))

        nursery.start_soon(trip_again)
        error = await stage.fails()

    assert error.kind is ErrorKind.BUDGET_EXCEEDED
    assert trio.current_time() == pytest.approx(30.0, abs=0.1)


async def test_a_circuit_has_the_last_word_where_only_what_comes_after_it_is_too_dear(
    autojump_clock: MockClock,
) -> None:
    chain = [link("b"), link("a")]
    async with spent_and_open(30.0, chain) as (stage, circuit), trio.open_nursery() as nursery:

        async def trip_again() -> None:
            await trio.sleep(20.0)
            await circuit.ask(Trip("still maintenance", seconds=1_000.0))

        nursery.start_soon(trip_again)
        error = await stage.fails()

    assert (error.kind, error.provider) == (ErrorKind.CIRCUIT_OPEN, "b")
    assert error.retryable


async def test_a_store_that_is_down_for_a_moment_costs_a_plain_call_a_second_and_no_answer(
    autojump_clock: MockClock,
) -> None:
    """Nothing was sent, so nothing is ambiguous, and the call is made once it is back."""
    ledger = Restarting(crashes=2)
    gates = {"a": Gates(budgets=Budgets(ledger))}
    async with open_route(a=Answers(whole("from a")), gates=gates) as stage:
        completion = await stage.complete()

    assert completion.text == "from a"
    assert [record.kind for record in completion.trail] == ["unavailable", "unavailable", "ok"]


async def test_a_store_that_stays_down_is_no_fault_of_the_providers_address(
    autojump_clock: MockClock,
) -> None:
    gates = {"a": Gates(budgets=Budgets(Restarting(crashes=9)))}
    async with open_route(a=Answers(), gates=gates) as stage:
        error = await stage.fails()

    assert (error.kind, error.billed, error.retryable) == (ErrorKind.UNAVAILABLE, "no", True)
    assert str(error) == (
        "a: unavailable: store/writer: it crashed (OSError: disk full) "
        "[a part of this program is being restarted; try again in a moment]"
    )
