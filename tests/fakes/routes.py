"""A route over fake providers, with a router, for tests in virtual time."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import httpx
import pytest

from tests.fakes.provider import Answers, config, make_request
from trouper.actors.chat import Completion
from trouper.actors.errors import ProviderError
from trouper.actors.gate.keys import Keys
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import GetInFlight, RouterMessage
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.policy.bucket import RateLimits
from trouper.actors.policy.routing import Candidate, Chain, Link
from trouper.actors.provider.call import Call
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.messages import Batch
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.request import complete, stream
from trouper.actors.provider.route import Route, make_route
from trouper.actors.provider.target import Gates, Target, key_ids
from trouper.runtime import ChildSpec, Ref, System, child

__all__ = ["Stage", "link", "open_route", "refusal", "whole"]


def refusal(status: int, code: str = "", **headers: str) -> httpx.Response:
    """A provider that says no."""
    error = {"message": f"no, says {status}", "code": code or None}
    return httpx.Response(status, headers=headers, json={"error": error})


def whole(text: str = "hello", finish: str = "stop") -> httpx.Response:
    """A plain answer."""
    choice = {"index": 0, "message": {"content": text}, "finish_reason": finish}
    return httpx.Response(200, json={"id": "r1", "model": "fake", "choices": [choice]})


def link(*names: str, **more: Any) -> Link:
    """A link of equals: the model "m" of each of these providers."""
    return Link(tuple(Candidate(f"{name}/m") for name in names), **more)


@attrs.define
class Stage:
    """What a test sees: the route, its router, and what each provider was asked."""

    route: Route
    router: Ref[RouterMessage]
    asked: Mapping[str, Answers]

    async def collect(self, call: Call | None = None) -> list[Batch]:
        """All batches of a streamed answer."""
        async with aclosing(stream(self.route, make_request(), call or Call())) as batches:
            return [batch async for batch in batches]

    async def complete(self) -> Completion:
        """A plain answer."""
        return await complete(self.route, make_request())

    async def fails(self, call: Call | None = None) -> ProviderError:
        """The error of a streamed answer."""
        with pytest.raises(ProviderError) as caught:
            await self.collect(call)
        return caught.value

    @property
    def counts(self) -> dict[str, int]:
        """How often each provider was asked."""
        return {name: len(answers.requests) for name, answers in self.asked.items()}

    async def in_flight(self) -> dict[str, int]:
        """Calls under way at each target, as the router has them."""
        return dict(await self.router.ask(GetInFlight()))


@asynccontextmanager
async def open_route(
    chain: Chain | None = None,
    *,
    retry: RetryPolicy | None = None,
    total: float = 900.0,
    gates: Mapping[str, Gates] | None = None,
    specs: Sequence[ChildSpec] = (),
    facts: Knowledge | None = None,
    router: Router | None = None,
    chance: float = 1.0,
    route: Mapping[str, Any] | None = None,
    kinds: Mapping[str, str] | None = None,
    keys: Mapping[str, Sequence[str]] | None = None,
    answers: Mapping[str, Answers] | None = None,
    **more: Answers,
) -> AsyncGenerator[Stage]:
    """Providers by their names, with what they answer; one after the other, or by `chain`.

    Those in `keys` show one of these, each of which has a limiter.
    """
    pace = Pace()
    fakes = {**(answers or {}), **more}

    configs = {
        name: config(
            name=name,
            kind=(kinds or {}).get(name, "openai"),
            api_keys=tuple((keys or {}).get(name, ())),
            # The secrets of a test go to nobody.
            base_url="https://fake.test/v1",
        )
        for name in fakes
    }

    def connection(name: str) -> ChildSpec:
        return child(name, lambda: Connection(configs[name], pace, transport=fakes[name]), poison=0)

    def gates_of(name: str, system: System) -> Gates:
        given = (gates or {}).get(name, Gates())
        ids = key_ids(configs[name])
        if not ids:
            return given
        limiters = {id: system.ref(f"{name}-limiter-{id}", Limiter) for id in ids}
        chooser = system.ref(f"{name}-keys", Keys)
        return attrs.evolve(given, keys=chooser, limiters=limiters)

    of_keys: list[ChildSpec] = []
    for name, made in configs.items():
        ids = key_ids(made)
        if ids:
            of_keys.append(child(f"{name}-keys", partial(Keys, name, ids)))
        for id in ids:
            limiter = partial(Limiter, name, RateLimits())
            of_keys.append(child(f"{name}-limiter-{id}", limiter))
    spec = child("router", lambda: router or Router(chance=lambda: 0.0))
    async with System(
        *map(connection, fakes), spec, *of_keys, *specs, signals=False, intensity=100
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
                gates=gates_of(name, system),
                knowledge=facts or Knowledge(),
            )
            for name in fakes
        ]
        yield Stage(make_route(targets, chain, router=ref, **(route or {})), ref, fakes)
