"""The state of the program at one moment: what a scrape shows besides what was counted.

Values only. Who builds the program knows where its limiters and circuits are,
and gives a function that reads all of them (`ask_each` asks actors, in time).
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import attrs
import trio

from ...runtime import ActorError, ActorSnapshot, Ref
from ...runtime.messages import Asked
from ...runtime.tallies import Done
from ..gate.circuit_messages import CircuitState
from ..gate.limiter_messages import LimiterLevel

__all__ = ["BudgetReading", "Deployment", "Reading", "ask_each"]

# Seconds. A scraper gives up after ten, and what has no answer is left out of this scrape.
_PATIENCE = 2.0

K = TypeVar("K")
M = TypeVar("M")
R = TypeVar("R")


@attrs.frozen
class Deployment:
    """A model of a provider, whose calls are counted by themselves."""

    provider: str
    model: str
    kind: str = ""
    base_url: str = ""


@attrs.frozen(kw_only=True)
class BudgetReading:
    """One budget, in nano-dollars. Of budgets that each user or session has for itself there is
    none: there may be any number of them."""

    name: str
    limit: int
    spent: int
    reserved: int


@attrs.frozen(kw_only=True)
class Reading:
    """Everything at one moment.

    `limiters` by provider and number of the key, `circuits` by provider and
    model; `clients` of the console by transport and role, what they did by action
    and result. `lag` and `stalls` are those of lag.py.
    """

    actors: tuple[ActorSnapshot, ...] = ()
    done: Sequence[Done] = ()
    limiters: Mapping[tuple[str, int], LimiterLevel] = attrs.field(factory=dict)
    circuits: Mapping[tuple[str, str], CircuitState] = attrs.field(factory=dict)
    budgets: tuple[BudgetReading, ...] = ()
    sessions: int = 0
    connections: int = 0
    websockets: int = 0
    clients: Mapping[tuple[str, str], int] = attrs.field(factory=dict)
    actions: Mapping[tuple[str, str], int] = attrs.field(factory=dict)
    lag: float = 0.0
    stalls: int = 0


async def ask_each(
    refs: Mapping[K, Ref[M]], question: Asked[M, R], *, patience: float = _PATIENCE
) -> dict[K, R]:
    """What each of them answers; who is down or busy for `patience` seconds is left out."""
    answers: dict[K, R] = {}

    async def ask(key: K, ref: Ref[M]) -> None:
        try:
            answers[key] = await ref.ask(question, timeout=patience)
        except ActorError:
            pass  # it restarts, and trouper_actors says so

    async with trio.open_nursery() as nursery:
        for key, ref in refs.items():
            nursery.start_soon(ask, key, ref)
    return answers
