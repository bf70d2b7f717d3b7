"""More calls than a provider may have at once: they wait in the limiter's line, and in no other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta, make_request
from trouper.actors.config import ProviderConfig
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.limiter import Limiter
from trouper.actors.gate.limiter_messages import GetLevel, LimiterLevel, Priority
from trouper.actors.gate.router import Router
from trouper.actors.provider.call import Call
from trouper.actors.provider.connection import Connection
from trouper.actors.provider.knowledge import Knowledge
from trouper.actors.provider.pace import Pace
from trouper.actors.provider.request import stream
from trouper.actors.provider.route import Route, make_route
from trouper.actors.tree import ROUTER, find_target, limiter_path, providers_spec, router_spec
from trouper.runtime import System


class Crowd:
    """Callers of one provider, and the order in which they were served."""

    def __init__(self, system: System, route: Route) -> None:
        self._limiter = system.ref(limiter_path("p"), Limiter)
        self._route = route
        self.served: list[str] = []
        self.refused: dict[str, tuple[float, ProviderError]] = {}

    async def level(self) -> LimiterLevel:
        return await self._limiter.ask(GetLevel())

    async def call(
        self, name: str, priority: Priority = Priority.NORMAL, within: float = inf
    ) -> None:
        call = Call(priority=priority, deadline=trio.current_time() + within)
        try:
            async for _ in stream(self._route, make_request(), call):
                if name not in self.served:
                    self.served.append(name)
        except ProviderError as error:
            self.refused[name] = (trio.current_time(), error)


@asynccontextmanager
async def crowd(
    monkeypatch: pytest.MonkeyPatch, *answers: Any, **more: Any
) -> AsyncGenerator[Crowd]:
    fake = Answers(*answers)

    def transport(_connection: Connection) -> Answers:
        return fake

    monkeypatch.setattr(Connection, "_own_transport", transport)
    config = ProviderConfig(name="p", kind="openai", base_url="https://fake.test/v1", **more)
    spec = providers_spec([config], Pace())
    async with System(spec, router_spec(), signals=False) as system:
        target = find_target(system, config, "m", Knowledge(), alone=True)
        router = system.ref(ROUTER, Router)
        yield Crowd(system, make_route([target], router=router))


def long() -> Body:
    return Body(ROLE, delta("one"), 10.0, delta("two"), FINISH, DONE)


@pytest.mark.parametrize("how", [{"max_connections": 1}, {"max_in_flight": 1}])
async def test_calls_wait_in_the_limiters_line_in_order_and_persons_go_first(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, how: dict[str, int]
) -> None:
    async with (
        crowd(monkeypatch, *[long() for _ in range(5)], **how) as here,
        trio.open_nursery() as nursery,
    ):
        for name, priority in (
            ("first", Priority.NORMAL),
            ("batch", Priority.BATCH),
            ("second", Priority.NORMAL),
            ("third", Priority.NORMAL),
            ("person", Priority.INTERACTIVE),
        ):
            nursery.start_soon(here.call, name, priority)
            await wait_all_tasks_blocked()
        level = await here.level()

    assert (level.in_flight, level.max_in_flight, level.waiting) == (1, 1, 4)
    assert here.served == ["first", "person", "second", "third", "batch"]
    assert here.refused == {}


async def test_who_has_no_more_time_is_refused_and_was_never_sent(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        crowd(monkeypatch, long(), long(), max_connections=1) as here,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(here.call, "first")
        await wait_all_tasks_blocked()
        nursery.start_soon(here.call, "hurried", Priority.INTERACTIVE, 4.0)
        await wait_all_tasks_blocked()
        nursery.start_soon(here.call, "patient")

    at, error = here.refused["hurried"]
    assert at == pytest.approx(4.0, abs=0.01)
    assert (error.kind, error.billed) == (ErrorKind.LIMITER_TIMEOUT, "no")
    assert here.served == ["first", "patient"]
