"""Memory is flat: thousands of turns, failures and cancels leave nothing in an application.

Row 33 of the table of complaints (tests/complaints.py): growth by
callbacks and by tasks that nobody waits for. `TROUPER_SOAK_ROUNDS` sets how many
rounds of 300 turns are played after those that fill what is bounded.
"""

import gc
import os
import sys
from contextlib import aclosing, suppress

import httpx
import pytest
import trio
from trio._core._run import GLOBAL_RUN_CONTEXT
from trio.testing import wait_all_tasks_blocked

from tests.fakes.provider import DONE, FINISH, ROLE, Body, config as provider, delta
from tests.fakes.routes import refusal, whole
from trouper.actors import AppConfig, ChatRequest, Message, ProviderError, TextPart, open_app
from trouper.actors.app import App
from trouper.actors.config import AssistantConfig, BudgetConfig, ModelConfig
from trouper.actors.config.attempts import BreakerConfig, RetryConfig
from trouper.actors.errors import TurnFailed
from trouper.actors.provider.connection import Connection
from trouper.actors.store import budget_sums

ROUNDS = int(os.environ.get("TROUPER_SOAK_ROUNDS", "3"))
TURNS = 300

# Of Python's small objects: less than one for each turn that is played. A row of
# the ledger is in SQLite's memory, which is not counted here.
MOST_GROWTH = 850


class Busy(httpx.AsyncBaseTransport):
    """Answers for ever, and each seventh request badly."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        await trio.lowlevel.checkpoint()
        if self.count % 7 == 0:
            return refusal(400)
        if b'"stream":true' not in request.content:
            return whole()
        words = [delta(f"word {number} ") for number in range(10)]
        ending = (httpx.ReadError("cut"),) if self.count % 11 == 0 else (FINISH, DONE)
        return httpx.Response(200, stream=Body(ROLE, *words, *ending))


def config() -> AppConfig:
    return AppConfig(
        providers={
            "fake": provider(
                name="fake",
                base_url="https://fake.test/v1",
                api_keys=("sk-one-0000", "sk-two-0000"),
                requests_per_minute=10_000_000,
                retry=RetryConfig(attempts=1),
                breaker=BreakerConfig(min_calls=10_000),
            )
        },
        models={"default": ModelConfig(targets=["fake/m"], max_output_tokens=100)},
        assistants={"default": AssistantConfig(model="default")},
        prices={"fake/m": {"input": 1.0, "output": 1.0}},
        budgets={"each": BudgetConfig(limit_usd=1_000.0, per="day", scope="user")},
    )


async def play(app: App, first: int) -> None:
    """Turns of sessions that come and go, calls, streams that are left in the middle."""
    for number in range(first, first + TURNS):
        question = f"question {number}"
        request = ChatRequest(model="", messages=(Message("user", (TextPart(question),)),))
        with suppress(ProviderError):
            async with aclosing(app.stream(request, user=f"user-{number % 5}")) as chunks:
                async for _ in chunks:
                    if number % 3 == 0:
                        break
        with suppress(ProviderError):
            await app.complete(request, user=f"user-{number % 5}")
        if number % 4 == 0:
            session = await app.session(f"session-{number}")
            with suppress(TurnFailed):
                async with session.prompt(question) as turn:
                    await anext(turn, None)
            await app.end_session(f"session-{number}")


async def held() -> tuple[int, int]:
    """Python's small objects, and tasks, once all is at rest."""
    await wait_all_tasks_blocked()
    # Deadlines that are past or were taken back: trio lets a thousand of them lie.
    GLOBAL_RUN_CONTEXT.runner.deadlines._prune()
    gc.collect()
    return sys.getallocatedblocks(), trio.lowlevel.current_statistics().tasks_living


async def test_memory_is_flat_over_thousands_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 33: "Bounded mailboxes, ring buffers, no detached tasks; soak test"."""
    fake = Busy()

    def transport(_connection: Connection) -> Busy:
        return fake

    monkeypatch.setattr(Connection, "_own_transport", transport)
    # Instead of 10,000 kinds of rows, which these turns would not fill.
    monkeypatch.setattr(budget_sums, "_MOST", 1)
    async with open_app(config(), signals=False) as app:
        # What is bounded is filled first: counts, latencies, what was learned.
        await play(app, 0)
        await play(app, TURNS)
        await play(app, 2 * TURNS)
        await play(app, 3 * TURNS)
        await play(app, 4 * TURNS)
        blocks, tasks = await held()
        for number in range(ROUNDS):
            await play(app, (5 + number) * TURNS)
        blocks_after, tasks_after = await held()
        assert all(actor.depth == 0 and not actor.in_hand for actor in app.snapshot())

    print(f"{blocks_after - blocks} objects more after {fake.count} requests")
    assert tasks_after == tasks
    assert blocks_after - blocks <= MOST_GROWTH
