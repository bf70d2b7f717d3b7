"""How the providers are: circuits with their timers, limiters with their fill, budgets.

The gates are asked, as a scrape of the metrics asks them; who does not answer
within a moment is shown as it was seen last, and the tree says what is wrong.
"""

from collections.abc import Awaitable, Callable, Sequence
from math import inf, isfinite
from typing import Any

import trio

from ...runtime import ActorError, System
from ..config import AppConfig
from ..gate.budget import Standing
from ..gate.circuit import Circuit
from ..gate.circuit_messages import CircuitState, GetState
from ..gate.limiter import Limiter
from ..gate.limiter_messages import GetLevel, Level, LimiterLevel
from ..policy.attention import (
    FINE,
    Attention,
    BudgetView,
    CircuitView,
    LimiterView,
    of_budget,
    of_circuit,
    of_limiter,
)
from ..provider.target import key_ids
from ..telemetry.reading import ask_each
from ..tree import breaker_path, limiter_path
from .requests import RequestBook

__all__ = ["Board", "Standings"]

Standings = Callable[[], Awaitable[Sequence[Standing]]]

# Seconds. An operator's picture is not to wait for a gate that hangs.
_PATIENCE = 0.25
# Seconds for which a look is good enough for the next who asks.
_FRESH = 0.5


class Board:
    """What the gates say of themselves. `refresh` asks them; all else is what was said then."""

    def __init__(
        self, system: System, config: AppConfig, book: RequestBook, standings: Standings
    ) -> None:
        self._system = system
        self._config = config
        self._book = book
        self._standings_now = standings
        self._looked = -inf
        self._lock = trio.Lock()
        self._circuits: dict[tuple[str, str], CircuitState] = {}
        self._limiters: dict[tuple[str, str], LimiterLevel] = {}
        self._standings: Sequence[Standing] = ()

    async def refresh(self) -> None:
        """Ask them all, unless that was done just now."""
        async with self._lock:
            if trio.current_time() - self._looked < _FRESH:
                return
            system, config = self._system, self._config
            circuits = {
                (target.provider, target.model): system.ref(
                    breaker_path(target.provider, target.model), Circuit
                )
                for model in config.models.values()
                for target in model.targets
            }
            limiters = {
                (name, key): system.ref(limiter_path(name, key), Limiter)
                for name, provider in config.providers.items()
                for key in key_ids(provider) or ("",)
            }
            self._circuits.update(await ask_each(circuits, GetState(), patience=_PATIENCE))
            self._limiters.update(await ask_each(limiters, GetLevel(), patience=_PATIENCE))
            try:
                with trio.move_on_after(_PATIENCE):
                    self._standings = await self._standings_now()
            except ActorError:
                pass  # the ledger is down, and the tree says so
            self._looked = trio.current_time()

    def outdate(self) -> None:
        """Somebody has changed something: who looks next is to see it."""
        self._looked = -inf

    def attention(self) -> dict[str, Attention]:
        """What needs attention, by the path of the gate."""
        found = {
            breaker_path(*key): of_circuit(_circuit_view(state))
            for key, state in self._circuits.items()
        } | {
            limiter_path(*key): of_limiter(_limiter_view(level))
            for key, level in self._limiters.items()
        }
        return {path: each for path, each in found.items() if each is not FINE}

    def budgets(self) -> list[dict[str, Any]]:
        """The budgets, as the feed tells them."""
        told: list[dict[str, Any]] = []
        for standing in self._standings:
            limit, totals = standing.limit, standing.totals
            view = BudgetView(
                limit=limit.most,
                spent=totals.spent,
                reserved=totals.reserved,
                alert_at=standing.budget.alert_above / limit.most if limit.most else None,
            )
            attention = of_budget(view)
            told.append(
                {
                    "name": standing.budget.name,
                    "scope": limit.scope,
                    "window": limit.window,
                    "limit": limit.most,
                    "spent": totals.spent,
                    "reserved": totals.reserved,
                    "health": attention.health,
                    "detail": attention.detail,
                    "severity": int(attention.severity),
                }
            )
        return told

    def providers(self) -> list[dict[str, Any]]:
        """The providers, as the feed tells them."""
        in_flight = self._book.in_flight()
        return [
            {
                "name": name,
                "path": f"providers/{name}",
                "kind": provider.kind,
                "in_flight": in_flight.get(name, 0),
                "circuits": [
                    self._circuit(deployment, state)
                    for deployment, state in self._circuits.items()
                    if deployment[0] == name
                ],
                "limiters": [
                    _limiter(name, key, level)
                    for (owner, key), level in self._limiters.items()
                    if owner == name
                ],
            }
            for name, provider in self._config.providers.items()
        ]

    def _circuit(self, deployment: tuple[str, str], state: CircuitState) -> dict[str, Any]:
        attention = of_circuit(_circuit_view(state))
        return {
            "model": deployment[1],
            "path": breaker_path(*deployment),
            "state": state.state,
            "cause": state.cause,
            "reopens_in": _finite(state.reopens_in),
            "until_reset": state.reopens_in == inf,
            "calls": state.calls,
            "failures": state.failures,
            "in_flight": state.in_flight,
            "outcomes": self._book.outcomes(*deployment),
            "health": attention.health,
            "detail": attention.detail,
        }


def _limiter(provider: str, key: str, level: LimiterLevel) -> dict[str, Any]:
    attention = of_limiter(_limiter_view(level))
    return {
        "key": key,
        "path": limiter_path(provider, key),
        "requests": _level(level.requests),
        "tokens": _level(level.tokens),
        "input_tokens": _level(level.input_tokens),
        "output_tokens": _level(level.output_tokens),
        "paused_for": _finite(level.paused_for),
        "in_flight": level.in_flight,
        "max_in_flight": level.max_in_flight,
        "waiting": level.waiting,
        "next_in": _finite(level.next_in),
        "granted": level.granted,
        "refused": level.refused,
        "health": attention.health,
        "detail": attention.detail,
    }


def _level(level: Level | None) -> dict[str, float] | None:
    if level is None:
        return None
    return {
        "level": round(level.level, 1),
        "capacity": round(level.capacity, 1),
        "rate": round(level.rate, 3),
    }


def _finite(seconds: float | None) -> float | None:
    """JSON has no infinity."""
    return None if seconds is None or not isfinite(seconds) else round(seconds, 1)


def _circuit_view(state: CircuitState) -> CircuitView:
    return CircuitView(state=state.state, cause=state.cause, reopens_in=state.reopens_in)


def _limiter_view(level: LimiterLevel) -> LimiterView:
    return LimiterView(waiting=level.waiting, next_in=level.next_in, paused_for=level.paused_for)
