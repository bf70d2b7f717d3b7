"""The way out of the gates: none of them is skipped, whatever a provider counts or a gate raises."""

import copy
from typing import Any

import attrs
import httpx
import pytest
from trio.testing import MockClock

from tests.fakes.gates import NOTHING, WHOLE, Gated, open_gated, whole
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, frame, make_request
from trouper.actors.errors import ErrorKind
from trouper.actors.gate.budget import Budgets

ABSURD = 2**64 - 1


def counted(**usage: int) -> dict[str, Any]:
    """An answer in one piece, whose usage is that."""
    answer = copy.deepcopy(WHOLE)
    answer["usage"] = usage
    return answer


async def test_a_count_that_no_answer_has_is_estimated_and_everything_given_back(
    autojump_clock: MockClock,
) -> None:
    answer = counted(prompt_tokens=9, completion_tokens=ABSURD)
    async with open_gated(httpx.Response(200, json=answer)) as gated:
        async with gated.attempt() as attempt:
            await attempt.complete()
        (row,) = await gated.rows()

        assert row.closing is not None
        usage = row.closing.usage
        assert usage is not None
        assert (usage.input, usage.estimated) == (9, True)
        assert 1 <= usage.output <= 3  # "hello"
        assert row.closing.cost == 9 * 1_000 + usage.output * 10_000
        assert await gated.in_flight() == NOTHING


async def test_the_same_of_an_answer_that_is_streamed(autojump_clock: MockClock) -> None:
    odd = frame({}).replace(
        b'"choices"',
        b'"usage":{"prompt_tokens":%d,"completion_tokens":4},"choices"' % ABSURD,
    )
    async with open_gated(Body(ROLE, delta("hi"), FINISH, odd, DONE)) as gated:
        async with gated.attempt() as attempt:
            async for _ in attempt:
                pass
        (row,) = await gated.rows()

        assert row.closing is not None
        assert row.closing.usage is not None
        assert row.closing.usage.estimated
        assert 0 < row.closing.usage.input < 100
        assert row.closing.usage.output == 4
        assert await gated.in_flight() == NOTHING


class Broken:
    """A ref or a ledger that is told of an end, and has a fault."""

    def __init__(self, whole: Any, faulty: str) -> None:
        self._whole = whole
        self._faulty = faulty

    def __getattr__(self, name: str) -> Any:
        if name == self._faulty:
            raise KeyError("a bug of our own")
        return getattr(self._whole, name)


def break_one(gated: Gated, which: str) -> None:
    gates, knowledge = gated.target.gates, gated.target.knowledge
    instead: Any
    match which:
        case "limiters":
            instead = {id: Broken(ref, "tell") for id, ref in gates.limiters.items()}
        case "budgets":
            ledger: Any = Broken(gated.ledger, "settle")
            instead = Budgets(ledger, ())
        case "knowledge":
            instead = Broken(knowledge, "learn")
            gated.target = attrs.evolve(gated.target, knowledge=instead)
            return
        case _:
            instead = Broken(getattr(gates, which), "tell")
    changed: dict[str, Any] = {which: instead}
    gated.target = attrs.evolve(gated.target, gates=attrs.evolve(gates, **changed))


@pytest.mark.parametrize("faulty", ["circuit", "keys", "limiters", "budgets", "knowledge"])
async def test_where_one_gate_has_a_fault_the_others_are_left_all_the_same(
    faulty: str, autojump_clock: MockClock
) -> None:
    async with open_gated(whole()) as gated:
        break_one(gated, faulty)
        with pytest.raises(KeyError, match="a bug of our own"):
            async with gated.attempt() as attempt:
                await attempt.complete()

        out = {gate for gate, number in (await gated.in_flight()).items() if number}
        # One that could not be told finds it out by itself, but for the ledger.
        assert out == ({"rows"} if faulty == "budgets" else set())
        # What happened is in the trail.
        assert len(gated.trail) == 1


async def test_a_row_whose_count_could_not_be_taken_in_counts_in_full(
    autojump_clock: MockClock,
) -> None:
    async with open_gated(whole()) as gated:
        break_one(gated, "knowledge")
        with pytest.raises(KeyError):
            async with gated.attempt() as attempt:
                await attempt.complete()
        (row,) = await gated.rows()

    assert row.state == "unknown"


@pytest.mark.parametrize("wanted", [10**13, 10**18, 2**64])
async def test_who_asks_for_more_than_any_answer_has_is_told_which_field_is_wrong(
    wanted: int, autojump_clock: MockClock
) -> None:
    async with open_gated() as gated:
        error = await gated.fails(attrs.evolve(make_request(), max_output_tokens=wanted))

        assert error.kind is ErrorKind.INVALID_REQUEST
        assert f"max_output_tokens: {wanted}" in error.message
        assert await gated.rows() == []


async def test_a_call_that_may_cost_more_than_a_ledger_holds_is_refused_and_gives_all_back(
    autojump_clock: MockClock,
) -> None:
    prices = {"fake/m": {"input": 1.0, "output": 10_000.0}}
    async with open_gated(prices=prices) as gated:
        error = await gated.fails(attrs.evolve(make_request(), max_output_tokens=10**9))

        assert error.kind is ErrorKind.INVALID_REQUEST
        assert "max_output_tokens" in error.message
        assert "price" in error.message
        assert await gated.rows() == []
        assert await gated.in_flight() == NOTHING
