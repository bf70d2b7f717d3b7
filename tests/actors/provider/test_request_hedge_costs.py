"""What a second attempt shows and costs: another key of the same target, and the loser in full."""

from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.gates import USAGE
from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta, make_request, text_of
from tests.fakes.routes import Stage, link, open_route
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.prices import PriceBook
from trouper.actors.gate.budget import Budgets
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import Choose
from trouper.actors.gate.router_place import RouterPlace
from trouper.actors.policy.budget import Budget
from trouper.actors.policy.hedging import LEAST_SAMPLES
from trouper.actors.policy.retry_budget import Allowance
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.request import stream
from trouper.actors.provider.target import Gates
from trouper.actors.store.ledger import Ledger, Row, Selection
from trouper.actors.store.store import open_ledger

HEDGE = {"hedge": True}
PRICES = {
    "a/m": {"input": 1.0, "output": 10.0},
    "b/m": {"input": 1.0, "output": 10.0},
}


def generous() -> Router:
    """A router that hedges whenever it may be worth it."""
    return Router(hedges=Allowance(floor=100.0), chance=lambda: 0.0)


async def teach(stage: Stage, seconds: float) -> None:
    """Let the router know that nearly all answers of "a" begin within so many seconds."""
    for _ in range(LEAST_SAMPLES):
        place = RouterPlace(stage.router, Choose(chain=[link("a")]))
        await place.take()
        place.began(seconds)
        place.leave()


async def test_a_lone_target_with_a_second_key_is_asked_again_with_that_one(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, 60.0, delta("late"), FINISH, DONE)
    quick = Body(ROLE, delta("quick"), FINISH, DONE)
    async with open_route(
        a=Answers(slow, quick), keys={"a": ("one", "two")}, route=HEDGE, router=generous()
    ) as stage:
        await teach(stage, 2.0)
        began = trio.current_time()
        answer = stream(stage.route, make_request())
        assert text_of([batch async for batch in answer]) == "quick"
        took = trio.current_time() - began
        await trio.sleep(0.01)
        shown = [request.headers["authorization"] for request in stage.asked["a"].requests]
        under_way = await stage.in_flight()

    assert took == pytest.approx(2.0, abs=0.1)
    assert sorted(shown) == ["Bearer one", "Bearer two"]
    won, lost = sorted(answer.trail, key=lambda record: record.kind == "cancelled")
    assert (won.target, won.kind, lost.target, lost.kind) == ("a/m", "ok", "a/m", "cancelled")
    assert won.key_id != lost.key_id
    assert slow.closed
    assert under_way == {"a/m": 0}


async def test_a_lone_target_with_one_key_has_no_second_attempt(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, 60.0, delta("late"), FINISH, DONE)
    async with open_route(
        a=Answers(slow), keys={"a": ("one",)}, route=HEDGE, router=generous()
    ) as stage:
        await teach(stage, 2.0)
        assert text_of(await stage.collect()) == "late"
        assert stage.counts == {"a": 1}


async def test_the_one_that_lost_has_cost_the_most_that_it_could_in_ledger_and_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time, over a file: that is where a day's sums are read from after a restart."""
    # The disk of a busy machine may be slower than "at once".
    monkeypatch.setattr("trouper.actors.provider.hedge._AT_ONCE", 30.0)
    load_encoding(EncodingName.O200K)
    file = tmp_path / "store.db"
    daily = Budget(name="daily", limit=1_000_000_000, per="total")
    async with open_ledger(file) as ledger:
        lost, won = await race(ledger, Budgets(ledger, [daily]))
        totals = await ledger.spent("all", "total")

    # 100 tokens at 10,000 nano-dollars, and the prompt.
    assert lost.opening.reserved >= 1_000_000
    assert lost.closing is not None
    assert (lost.state, lost.closing.outcome, lost.closing.cost) == ("unknown", "cancelled", None)
    assert won.closing is not None
    assert (won.state, won.closing.outcome, won.closing.cost) == ("settled", "ok", 49_000)
    assert (totals.spent, totals.reserved) == (lost.opening.reserved + 49_000, 0)
    async with open_ledger(file) as ledger:
        assert await ledger.spent("all", "total") == totals


async def race(ledger: Ledger, budgets: Budgets) -> tuple[Row, Row]:
    """A request of which "a" is slow and "b" answers: both rows, the loser's first."""
    gates = {"a": Gates(budgets=budgets), "b": Gates(budgets=budgets)}
    slow = Body(ROLE, 60.0, delta("late"), FINISH, DONE)
    quick = Body(ROLE, delta("quick"), FINISH, USAGE, DONE)
    async with open_route(
        a=Answers(slow),
        b=Answers(quick),
        gates=gates,
        facts=Knowledge(prices=PriceBook(PRICES)),
        route=HEDGE,
        router=generous(),
    ) as stage:
        await teach(stage, 0.1)
        request = attrs.evolve(make_request(), max_output_tokens=100)
        answer = stream(stage.route, request)
        assert text_of([batch async for batch in answer]) == "quick"
    rows = {row.opening.provider: row async for row in ledger.rows(Selection())}
    return rows["a"], rows["b"]
