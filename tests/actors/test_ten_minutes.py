"""Three providers, of which two misbehave by turns for ten minutes: who asks does not notice.

Everything of an application runs but its sockets: sessions, router, circuits,
keys, limiters, budgets, the ledger and the codecs of three wires. Time is
virtual. The providers (tests/fakes/misbehaving.py) count and charge by
arithmetic of their own, and the books must agree with theirs; what happens when
is in tests/fakes/ten_minutes.py.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import attrs
import pytest
from trio.testing import MockClock

from tests.fakes.misbehaving import Served
from tests.fakes.ten_minutes import (
    DAILY,
    EACH,
    LEAST,
    PRICES,
    Tally,
    World,
    in_flight,
    owner_of,
    running,
    ten_minutes,
)
from trouper.actors.store.ledger import Row, Selection

SEED = 20_261_121

# Provider, key, model, user; tokens read, of these out of the cache, written; nano-dollars.
Kept = tuple[str, str, str, str, int, int, int, int | None]

_STATES = ("unknown", "released")


@attrs.frozen
class Outcome:
    """What there is to compare, once it is over."""

    world: World
    tally: Tally
    rows: Sequence[Row]
    held: dict[str, int]
    charged: int
    lives: int


async def play(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    # Which target, which key, how long a retry waits: chance, and the same each time.
    random.seed(SEED)
    world, tally = World(SEED), Tally()
    async with running(world, clock, monkeypatch) as app:
        await ten_minutes(app, tally, random.Random(SEED))
        rows = [row async for row in app.ledger.rows(Selection())]
        return Outcome(
            world=world,
            tally=tally,
            rows=rows,
            held=await in_flight(app),
            charged=(await app.ledger.spent("all", "total")).spent,
            lives=sum(actor.life - 1 for actor in app.system.snapshot("providers")),
        )


async def test_ten_minutes_with_two_providers_that_misbehave_by_turns(
    mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No limit and no budget is exceeded, nothing is leaked, and nobody waits in vain."""
    seen = await play(mock_clock, monkeypatch)
    print(report(seen))

    assert_turns_were_answered(seen.tally)
    assert_no_limit_was_exceeded(seen.world)
    assert_no_budget_was_exceeded(seen.world)
    assert_nothing_is_held(seen)
    assert_the_ledger_is_what_was_served(seen.world, seen.rows)
    assert_the_rest_is_accounted_for(seen)


def assert_turns_were_answered(tally: Tally) -> None:
    """At least 99.9 %, each word for word, and within its deadline of two minutes."""
    assert tally.asked > 2_200
    assert tally.answered >= 0.999 * tally.asked, tally.failed[:5]
    assert tally.longest < 121
    # Those who were to be refused were, and whoever left did no harm.
    assert tally.over_budget > 20
    assert tally.left > 20


def assert_no_limit_was_exceeded(world: World) -> None:
    for provider in world.providers.values():
        assert provider.limit_broken == []
    # And they were near: what some key had left of its requests is less than a sixth.
    lows = [low for each in world.providers.values() for low in each.least_left()]
    assert 0 <= min(lows) < 1 / 6


def assert_no_budget_was_exceeded(world: World) -> None:
    """By what the providers would charge; what was set aside was watched all the time."""
    spent: defaultdict[str, int] = defaultdict(int)
    for name, one in world.served:
        if one.end not in ("refused", "never arrived"):
            spent[owner_of(one.caller)] += PRICES[name].of(one)
    assert world.spent <= DAILY
    assert spent["spendthrift"] <= LEAST
    assert max(spent.values()) <= EACH
    # It was spent: what nobody knows the cost of took the rest of it.
    assert spent["spendthrift"] > LEAST / 4


def assert_nothing_is_held(seen: Outcome) -> None:
    assert len(seen.held) > 20
    assert {name: count for name, count in seen.held.items() if count} == {}
    assert [each.open for each in seen.world.providers.values()] == [0, 0, 0]
    assert [row for row in seen.rows if row.state == "reserved"] == []


def assert_the_ledger_is_what_was_served(world: World, rows: Sequence[Row]) -> None:
    """To the token and the nano-dollar, wherever the provider has said its last word."""
    settled = Counter(map(_as_kept, filter(_is_exact, rows)))
    whole: Counter[Kept] = Counter(
        (name, one.key_id, one.model, owner_of(one.caller), *_told(one), PRICES[name].of(one))
        for name, one in world.served
        if one.end == "whole"
    )
    assert settled - whole == Counter()
    # Whose connection crashed under its last word has a row of another kind.
    assert (whole - settled).total() <= 6
    assert settled.total() > 2_200


def assert_the_rest_is_accounted_for(seen: Outcome) -> None:
    """Each request that a provider has seen has its row, which says how much is known."""
    rows, served = seen.rows, seen.world.served
    asked = Counter((name, one.key_id, owner_of(one.caller)) for name, one in served)
    assert asked - _by_owner(rows) == Counter()
    arrived = Counter(
        (name, one.key_id, owner_of(one.caller))
        for name, one in served
        if one.end not in ("refused", "never arrived")
    )
    unknown = [row for row in rows if row.state == "unknown"]
    estimated = [row for row in rows if row.state == "settled" and not _is_exact(row)]
    assert _by_owner([*filter(_is_exact, rows), *unknown, *estimated]) - arrived == Counter()
    closings = {state: [row.closing for row in rows if row.state == state] for state in _STATES}
    assert all(each is not None and each.outcome != "ok" for each in closings["unknown"])
    assert all(each is not None and each.cost == 0 for each in closings["released"])
    weights = [row.closing.weight(row.opening.reserved) for row in rows if row.closing is not None]
    assert sum(weights) == seen.charged
    # What nobody knows counts in full, so the books are never less than the bill.
    assert seen.world.spent <= seen.charged <= 1.25 * seen.world.spent


def _is_exact(row: Row) -> bool:
    closing = row.closing
    return closing is not None and closing.usage is not None and not closing.usage.estimated


def _as_kept(row: Row) -> Kept:
    opening, closing = row.opening, row.closing
    assert closing is not None
    assert closing.usage is not None
    usage = closing.usage
    told = (usage.input, usage.cache_read, usage.output)
    whose = (opening.provider, opening.key_id, opening.model, opening.user)
    return (*whose, *told, closing.cost)


def _told(one: Served) -> tuple[int, int, int]:
    return one.input, one.cached, one.output


def _by_owner(rows: Iterable[Row]) -> Counter[tuple[str, str, str]]:
    return Counter((row.opening.provider, row.opening.key_id, row.opening.user) for row in rows)


def report(seen: Outcome) -> str:
    tally, world = seen.tally, seen.world
    kinds = Counter("exact" if _is_exact(row) else row.state for row in seen.rows)
    turns = f"{tally.answered} of {tally.asked} answered, the slowest in {tally.longest:.1f} s"
    return "\n".join(
        (
            f"turns: {turns}; {tally.left} left, {tally.over_budget} over a budget",
            f"requests: {len(world.served)}, faults {dict(world.faults)}",
            f"rows: {len(seen.rows)}, {dict(kinds)}; restarts {seen.lives}",
            f"nano-dollars: {world.spent} by the providers, {seen.charged} by the ledger",
            *(f"  not answered: {failed}" for failed in tally.failed),
        )
    )
