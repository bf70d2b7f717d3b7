"""A target behind all of its gates, before a fake transport, for tests in virtual time."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import httpx
import pytest

from tests.fakes.memory_ledger import MemoryLedger
from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.models import ModelCatalog
from trouper.actors.catalog.prices import PriceBook
from trouper.actors.chat import ChatRequest
from trouper.actors.config import ProviderConfig
from trouper.actors.errors import ProviderError
from trouper.actors.gate.budget import Budgets
from trouper.actors.gate.circuit import Circuit
from trouper.actors.gate.circuit_messages import CircuitState, GetState as GetCircuit
from trouper.actors.gate.keys import Keys
from trouper.actors.gate.keys_messages import GetKeys, KeyState
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import GetLevel, LimiterLevel
from trouper.actors.policy.budget import Budget
from trouper.actors.provider.attempt import Attempt
from trouper.actors.provider.call import Call
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.target import Gates, Target, key_ids, make_target
from trouper.actors.store.ledger import Row, Selection
from trouper.actors.trail import AttemptRecord
from trouper.runtime import System, child

from .provider import Answers, config, frame, make_request

__all__ = [
    "KEYS",
    "NOTHING",
    "USAGE",
    "WHOLE",
    "Gated",
    "Listening",
    "open_gated",
    "refusal",
    "whole",
]

KEYS = ("sk-one-0000", "sk-two-0000")

USAGE = frame({}).replace(
    b'"choices"', b'"usage":{"prompt_tokens":9,"completion_tokens":4},"choices"'
)
"""An event that says what the answer has used."""

WHOLE = {
    "id": "r1",
    "model": "m-2027",
    "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4},
}

PRICES = {"fake/m": {"input": 1.0, "output": 10.0}}
"""A thousand nano-dollars a token read, ten thousand a token written."""


def whole(**headers: str) -> httpx.Response:
    """An answer in one piece, that has used what USAGE says."""
    return httpx.Response(200, json=WHOLE, headers=_named(headers))


def refusal(status: int, **headers: str) -> httpx.Response:
    """A refusal."""
    return httpx.Response(status, json={"error": {"message": "no"}}, headers=_named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@attrs.define(eq=False)
class Gated:
    """The target, and what its gates say of themselves."""

    system: System
    target: Target
    ledger: MemoryLedger
    keys: tuple[str, ...]
    trail: list[AttemptRecord] = attrs.field(factory=list)

    def attempt(self, request: ChatRequest | None = None, **more: Any) -> Attempt:
        """One more attempt of one request."""
        call = more.pop("call", Call(request_id="r1", session="s1", user="alice"))
        number = len(self.trail) + 1
        request = request or make_request()
        return Attempt(self.target, request, call, number=number, trail=self.trail, **more)

    async def fails(self, request: ChatRequest | None = None) -> ProviderError:
        """How one more attempt fails."""
        with pytest.raises(ProviderError) as caught:
            async with self.attempt(request) as attempt:
                await attempt.complete()
        return caught.value

    async def circuit(self) -> CircuitState:
        return await self.system.ref("circuit", Circuit).ask(GetCircuit())

    async def limiter(self, key: str = "") -> LimiterLevel:
        path = f"limiter-{key or self.keys[0]}"
        return await self.system.ref(path, Limiter).ask(GetLevel())

    async def key_states(self) -> tuple[KeyState, ...]:
        return await self.system.ref("keys", Keys).ask(GetKeys())

    async def rows(self) -> list[Row]:
        return [row async for row in self.ledger.rows(Selection())]

    async def in_flight(self) -> dict[str, int]:
        """What every gate still has out."""
        keys = await self.key_states()
        return {
            "circuit": (await self.circuit()).in_flight,
            "keys": sum(key.in_flight for key in keys),
            "limiters": sum([(await self.limiter(key)).in_flight for key in self.keys]),
            "rows": sum(row.state == "reserved" for row in await self.rows()),
        }


NOTHING = {"circuit": 0, "keys": 0, "limiters": 0, "rows": 0}
"""What is out where nothing is."""


class Listening:
    """A ref that notes what is told to whom."""

    def __init__(self, ref: Any, told: list[str]) -> None:
        self._ref = ref
        self._told = told

    async def ask(self, message: Any, timeout: float = 5.0) -> Any:
        return await self._ref.ask(message, timeout)

    def tell(self, message: Any) -> None:
        self._told.append(type(message).__name__)
        self._ref.tell(message)


@asynccontextmanager
async def open_gated(
    *answers: Any,
    provider: ProviderConfig | None = None,
    budgets: Sequence[Budget] = (),
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    prices: Mapping[str, Mapping[str, Any]] | None = None,
    transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
) -> AsyncGenerator[Gated]:
    """A target of the fake provider with two keys, of which each answer is taken in turn.

    Or of a provider that `transport` reaches.
    """
    # Off the loop it would be loaded while virtual time runs on.
    load_encoding(EncodingName.O200K)
    provider = provider or config(api_keys=KEYS)
    transport = transport or Answers(*answers)
    ids = key_ids(provider)
    specs = [
        child("circuit", partial(Circuit, provider.name, "m", provider.breaker.policy)),
        child("keys", partial(Keys, provider.name, ids)),
        *(child(f"limiter-{id}", partial(Limiter, provider.name, provider.limits)) for id in ids),
        child("connection", partial(Connection, provider, Pace(), transport=transport), poison=0),
    ]
    ledger = MemoryLedger()
    async with System(*specs, signals=False, intensity=100) as system:
        circuit, keys = system.ref("circuit", Circuit), system.ref("keys", Keys)
        gates = Gates(
            circuit=circuit,
            keys=keys,
            limiters={id: system.ref(f"limiter-{id}", Limiter) for id in ids},
            limits=provider.limits,
            budgets=Budgets(ledger, budgets, clock=lambda: 1_800_000_000.0),
        )
        knowledge = Knowledge(ModelCatalog(facts), PriceBook(PRICES if prices is None else prices))
        connection = system.ref("connection", Connection)
        target = make_target(provider, connection, "m", gates=gates, knowledge=knowledge)
        yield Gated(system, target, ledger, ids)
