"""A route over fake providers, with a router, for tests in virtual time."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs

from tests.fakes.provider import Answers, config
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import GetRoutes, RouterMessage
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.policy.routing import Candidate, Chain, Link
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.route import Route, make_route
from trouper.actors.provider.target import Gates, Target
from trouper.runtime import Ref, System, child

__all__ = ["Stage", "link", "open_route"]


def link(*names: str, **more: Any) -> Link:
    """A link of equals: the model "m" of each of these providers."""
    return Link(tuple(Candidate(f"{name}/m") for name in names), **more)


@attrs.define
class Stage:
    """What a test sees: the route, its router, and what each provider was asked."""

    route: Route
    router: Ref[RouterMessage]
    asked: Mapping[str, Answers]

    @property
    def counts(self) -> dict[str, int]:
        """How often each provider was asked."""
        return {name: len(answers.requests) for name, answers in self.asked.items()}

    async def in_flight(self) -> dict[str, int]:
        """Calls under way at each target, as the router has them."""
        targets = (await self.router.ask(GetRoutes())).targets
        return {name: target.in_flight for name, target in targets.items()}


@asynccontextmanager
async def open_route(
    chain: Chain | None = None,
    *,
    retry: RetryPolicy | None = None,
    total: float = 900.0,
    gates: Mapping[str, Gates] | None = None,
    specs: Sequence[Any] = (),
    facts: Knowledge | None = None,
    router: Router | None = None,
    chance: float = 1.0,
    route: Mapping[str, Any] | None = None,
    kinds: Mapping[str, str] | None = None,
    **answers: Answers,
) -> AsyncGenerator[Stage]:
    """Providers by their names, with what they answer; one after the other, or by `chain`."""
    pace = Pace()

    def connection(name: str) -> Any:
        kind = (kinds or {}).get(name, "openai")
        made = config(name=name, kind=kind)
        return child(name, lambda: Connection(made, pace, transport=answers[name]), poison=0)

    spec = child("router", lambda: router or Router(chance=lambda: 0.0))
    async with System(
        *map(connection, answers), spec, *specs, signals=False, intensity=100
    ) as system:
        ref = system.ref("router", Router)
        targets = [
            Target(
                provider=name,
                model="m",
                connection=system.ref(name, Connection),
                retry=retry or RetryPolicy(),
                total=total,
                patience=120.0,
                chance=lambda: chance,
                gates=(gates or {}).get(name, Gates()),
                knowledge=facts or Knowledge(),
            )
            for name in answers
        ]
        yield Stage(make_route(targets, chain, router=ref, **(route or {})), ref, answers)
