"""Who looks after the money hears in time, and once."""

import pytest
from structlog.testing import capture_logs

from tests.fakes.budgets import MIDNIGHT, NOON, House, budget
from trouper.actors.errors import ProviderError
from trouper.actors.gate.budget import Budgets, log_standing


async def test_the_alert_comes_once_and_the_end_of_the_money_too() -> None:
    house = House(budget(10_000))
    for _ in range(7):
        await house.spend(1_000)
    assert house.alerts == []
    await house.spend(1_000)
    await house.spend(1_000)
    assert house.alerts == ["near 8000"]
    await house.spend(1_000)
    with pytest.raises(ProviderError):
        await house.spend(1_000)
    assert house.alerts == ["near 8000", "spent 10000"]


async def test_that_calls_are_refused_is_said_once_in_a_window() -> None:
    house = House(budget(3_000, clamp=False))
    for _ in range(3):
        with pytest.raises(ProviderError):
            async with house.lease():
                raise AssertionError("it may cost 4,110")
    assert house.alerts == ["refused 0"]
    house.now = MIDNIGHT
    with pytest.raises(ProviderError):
        async with house.lease():
            raise AssertionError("it may cost 4,110")
    assert house.alerts == ["refused 0", "refused 0"]


async def test_a_restart_does_not_say_again_what_was_said() -> None:
    house = House(budget(10_000))
    await house.spend(8_500)
    assert house.alerts == ["near 8500"]

    again = House(budget(10_000), ledger=house.ledger)
    await again.spend(500)
    assert again.alerts == []
    await again.spend(1_000)
    assert again.alerts == ["spent 10000"]


async def test_alerts_are_log_lines_unless_somebody_else_wants_them() -> None:
    house = House()
    house.budgets = Budgets(house.ledger, [budget(10_000)], clock=lambda: NOON)
    with capture_logs() as lines:
        await house.spend(8_000)
        await house.spend(2_000)
    assert lines == [
        {
            "log_level": "warning",
            "event": "budget is nearly spent",
            "budget": "daily",
            "scope": "all",
            "window": "2026-11-21",
            "spent_usd": "0.000008",
            "limit_usd": "0.00001",
        },
        {
            "log_level": "error",
            "event": "budget is spent",
            "budget": "daily",
            "scope": "all",
            "window": "2026-11-21",
            "spent_usd": "0.00001",
            "limit_usd": "0.00001",
        },
    ]


async def test_a_program_that_starts_can_say_how_its_budgets_stand() -> None:
    house = House(budget(10_000), budget(10_000, per="month"), budget(10_000, scope="user"))
    await house.spend(7_000)
    house.now = MIDNIGHT
    await house.spend(2_000)
    with capture_logs() as lines:
        for standing in await house.budgets.standings():
            log_standing(standing)
    assert [(line["log_level"], line["window"], line["spent_usd"]) for line in lines] == [
        ("info", "2026-11-22", "0.000002"),
        ("warning", "2026-11", "0.000009"),
    ]
    assert lines[0]["event"] == "budget stands"
