"""Ten minutes of an application with three providers, of which two misbehave by turns.

A fault for six requests in ten of whose turn it is, and beside that: one is gone
for two minutes, a key is refused for two minutes, and connections crash. All is
played by a seed; only the order in which trio runs what is ready is chance.
"""

import itertools
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.misbehaving import FAULTS, Fault, Misbehaving, Prices, Served
from tests.fakes.misbehaving_wires import answer_to
from trouper.actors import ChatRequest, Message, ProviderError, TextPart, open_app
from trouper.actors.app import App
from trouper.actors.chat import Reset, TextDelta
from trouper.actors.config.load import parse_config
from trouper.actors.errors import ErrorKind, TurnFailed
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import GetState
from trouper.actors.gate.keys import Keys
from trouper.actors.gate.keys_messages import GetKeys
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import GetLevel
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import GetInFlight
from trouper.actors.provider.connection import Connection
from trouper.actors.session.reader import SessionHandle

__all__ = [
    "DAILY",
    "EACH",
    "LEAST",
    "OWNERS",
    "PRICES",
    "Tally",
    "World",
    "in_flight",
    "owner_of",
    "running",
    "ten_minutes",
]

CONFIG = """
[providers.openai]
kind = "openai"
base_url = "https://openai.test/v1"
api_keys = ["env:OPENAI_1", "env:OPENAI_2"]
requests_per_minute = 120
tokens_per_minute = 30_000
timeouts = {first_event = 20.0, idle = 15.0, total = 120.0}

[providers.anthropic]
kind = "anthropic"
base_url = "https://anthropic.test"
api_keys = ["env:ANTHROPIC_1", "env:ANTHROPIC_2"]
requests_per_minute = 120
input_tokens_per_minute = 36_000
output_tokens_per_minute = 12_000
timeouts = {first_event = 20.0, idle = 15.0, total = 120.0}

[providers.ollama]
kind = "ollama"
base_url = "https://ollama.test"
requests_per_minute = 240
timeouts = {first_event = 20.0, idle = 15.0, total = 120.0}

[models.chat]
targets = ["openai/big", "anthropic/big", "ollama/small"]
max_output_tokens = 80
on_midstream = "restart"

[models.plain]
targets = ["anthropic/big", "openai/big", "ollama/small"]
max_output_tokens = 80
on_midstream = "buffer"

[models.quick]
targets = [["openai/quick", "anthropic/quick"], "ollama/small"]
max_output_tokens = 80
on_midstream = "restart"
hedge = true

[assistants.default]
model = "chat"
prompt = "Say whose question it is."

[prices]
"openai/*" = {input = 2.0, cache_read = 0.2, output = 10.0}
"anthropic/*" = {input = 3.0, cache_read = 0.3, output = 15.0}
"ollama/*" = {input = 0.1, output = 0.1}

[budgets.daily]
limit_usd = "3.00"
per = "day"

[budgets.each]
limit_usd = "0.10"
per = "total"
scope = "user"

[budgets.spendthrift]
limit_usd = "0.02"
per = "total"
scope = "user"
only = "spendthrift"
"""

PRICES = {
    "openai": Prices(input=2_000, cached=200, output=10_000),
    "anthropic": Prices(input=3_000, cached=300, output=15_000),
    "ollama": Prices(input=100, cached=100, output=100),
}
LIMITS: dict[str, tuple[int | None, int | None, int | None, int | None]] = {
    "openai": (120, 30_000, None, None),
    "anthropic": (120, None, 36_000, 12_000),
    "ollama": (240, None, None, None),
}
DAILY, EACH, LEAST = 3_000_000_000, 100_000_000, 20_000_000

SECONDS = 600.0
SESSIONS, TURNS, OWNERS = 150, 8, 30
CALLS, USERS = 1_200, 60
# Of one user, who spends more than there is.
SPENDTHRIFT = 300


class World:
    """The three providers, and what goes wrong with them when."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.began = trio.current_time()
        self.faults: Counter[str] = Counter()
        # Seconds at which the next request crashes the connection to it.
        self.crashes = {"openai": [30.0, 130.0, 500.0], "anthropic": [70.0, 200.0, 430.0]}
        self.providers = {
            name: Misbehaving(
                name, prices=PRICES[name], limits=LIMITS[name], fault=self.fault(name)
            )
            for name in PRICES
        }
        # The first key that anthropic is shown dies for two minutes.
        self.dead_key = ""

    def fault(self, name: str) -> Any:
        def fault(key_id: str) -> Fault:
            found = self._fault(name, key_id)
            if found:
                self.faults[f"{name}: {found}"] += 1
            return found

        return fault

    def _fault(self, name: str, key_id: str) -> Fault:
        seconds = trio.current_time() - self.began
        if name == "openai" and 240 <= seconds < 360:
            return "gone"
        crashes = self.crashes.get(name, [])
        if crashes and seconds >= crashes[0]:
            crashes.pop(0)
            return "crash"
        if name == "anthropic" and 60 <= seconds < 180:
            self.dead_key = self.dead_key or key_id
            if key_id == self.dead_key:
                return "bad key"
        turn = "openai" if int(seconds // 60) % 2 == 0 else "anthropic"
        if name == turn and not 300 <= seconds < 360 and self.rng.random() < 0.6:
            return self.rng.choice(FAULTS)
        return ""

    @property
    def served(self) -> list[tuple[str, Served]]:
        return [(name, one) for name, each in self.providers.items() for one in each.served]

    @property
    def spent(self) -> int:
        return sum(each.spent for each in self.providers.values())


@attrs.define(eq=False)
class Tally:
    """What became of the turns."""

    answered: int = 0
    failed: list[str] = attrs.field(factory=list[str])
    began: float = attrs.field(factory=trio.current_time)
    looks: int = 0
    left: int = 0
    over_budget: int = 0
    longest: float = 0.0

    @property
    def asked(self) -> int:
        return self.answered + len(self.failed)

    def took(self, question: str, answer: str, since: float) -> None:
        if answer == answer_to(question):
            self.answered += 1
        else:
            self.failed.append(f"{question}: {answer!r}")
        self.longest = max(self.longest, trio.current_time() - since)


@asynccontextmanager
async def running(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[App]:
    def transport(self: Connection) -> httpx.AsyncBaseTransport:
        return world.providers[self._config.name]

    monkeypatch.setattr(Connection, "_own_transport", transport)
    environ = {f"{name}_{n}": f"sk-{name}-{n}" for name in ("OPENAI", "ANTHROPIC") for n in (1, 2)}
    # What is loaded at the start is loaded in threads, which virtual time would jump over.
    async with open_app(parse_config(CONFIG, environ=environ), signals=False) as app:
        clock.autojump_threshold = 0
        yield app
        clock.autojump_threshold = float("inf")


def owner_of(caller: str) -> str:
    """Whose budget a session or a user is of."""
    kind, _, number = caller.partition("-")
    return f"owner-{int(number) % OWNERS}" if kind == "session" else caller


def question_of(caller: str, number: int) -> str:
    return f"{caller}/{number} please tell me about the river and the light"


async def converse(app: App, tally: Tally, number: int, rng: random.Random) -> None:
    """A session of several turns; now and then its user leaves in the middle of one."""
    id = f"session-{number}"
    _, ref = await app.sessions.open(owner=owner_of(id), id=id, kept=True)
    session = SessionHandle(id, ref)
    for turn in range(TURNS):
        begin = (turn + rng.uniform(0.05, 0.5)) * SECONDS / TURNS
        await trio.sleep_until(tally.began + begin)
        question = question_of(id, turn)
        if rng.random() < 0.03:
            async with session.prompt(question):
                await trio.sleep(rng.uniform(0.1, 1.0))
            tally.left += 1
            continue
        since = trio.current_time()
        try:
            tally.took(question, await session.ask(question), since)
        except TurnFailed as failure:
            tally.failed.append(f"{question}: {failure}")


async def call(app: App, tally: Tally, number: int, user: str, at: float) -> None:
    """A call without a session: plain, or streamed by a model that is hedged."""
    await trio.sleep_until(tally.began + at)
    question = question_of(user, number)
    request = ChatRequest(
        model="quick" if number % 2 else "plain",
        messages=(Message("user", (TextPart(question),)),),
    )
    since = trio.current_time()
    try:
        if number % 2:
            texts: list[str] = []
            async with aclosing(app.stream(request, user=user)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Reset):
                        texts.clear()
                    elif isinstance(chunk, TextDelta):
                        texts.append(chunk.text)
            answer = "".join(texts)
        else:
            answer = (await app.complete(request, user=user)).message.text
    except ProviderError as error:
        # Where a circuit is open as well, that is the last word.
        refused = any(each.kind == ErrorKind.BUDGET_EXCEEDED.value for each in error.trail)
        if refused and user == "spendthrift":
            tally.over_budget += 1
        else:
            tally.failed.append(f"{question}: {error}")
    else:
        tally.took(question, answer, since)


async def watch_budgets(app: App, tally: Tally) -> None:
    """What is spent and set aside is within every budget, whenever one looks."""
    users = ["spendthrift", *(f"owner-{n}" for n in range(OWNERS))]
    for second in itertools.count():
        user = users[0] if second % 2 else users[second // 2 % len(users)]
        day = datetime.now(UTC).date().isoformat()
        own = LEAST if user == "spendthrift" else EACH
        for scope, window, most in (("all", day, DAILY), (f"user:{user}", "total", own)):
            totals = await app.ledger.spent(scope, window)
            assert totals.spent + totals.reserved <= most, (scope, totals)
            tally.looks += 1
        await trio.sleep(0.5)


async def ten_minutes(app: App, tally: Tally, rng: random.Random) -> None:
    async with trio.open_nursery() as watching:
        watching.start_soon(watch_budgets, app, tally)
        async with trio.open_nursery() as nursery:
            for number in range(SESSIONS):
                seeded = random.Random(rng.random())
                nursery.start_soon(converse, app, tally, number, seeded)
            for number in range(CALLS):
                user = f"user-{number % USERS}"
                nursery.start_soon(call, app, tally, number, user, rng.uniform(0, SECONDS))
            for number in range(SPENDTHRIFT):
                # Twenty at a time: each finds the same cents left.
                at = 30.0 + number // 20 * 30
                nursery.start_soon(call, app, tally, number, "spendthrift", at)
        watching.cancel_scope.cancel()


async def in_flight(app: App) -> dict[str, int]:
    """Everything that somebody may hold, by who gives it."""
    held: dict[str, int] = {}
    routed = await app.system.ref("router", Router).ask(GetInFlight())
    held |= {f"router {name}": count for name, count in routed.items()}
    for actor in app.snapshot():
        if actor.kind == "Circuit":
            held[actor.path] = (await app.system.ref(actor.path, Circuit).ask(GetState())).in_flight
        elif actor.kind == "Keys":
            for key in await app.system.ref(actor.path, Keys).ask(GetKeys()):
                held[f"{actor.path} {key.key_id}"] = key.in_flight
        elif actor.kind == "Limiter":
            level = await app.system.ref(actor.path, Limiter).ask(GetLevel())
            held[actor.path] = level.in_flight + level.waiting
    for scope in ("all", *(f"user:owner-{n}" for n in range(OWNERS)), "user:spendthrift"):
        held[f"reserved of {scope}"] = (await app.ledger.spent(scope, "total")).reserved
    return held
