"""Actors that answer, and a conversation on trio and on threads, over a simulated provider."""

import json

import attrs
import trio

from trouper.actors.embed import ThreadApp
from trouper.actors.testing import simulated_app, simulated_provider
from trouper.runtime import Actor, Request, System, child, on


@attrs.frozen
class Double(Request[int]):
    number: int


class Doubler(Actor[Double]):
    @on(Double)
    async def double(self, message: Double) -> int:
        return 2 * message.number


async def on_trio() -> list[object]:
    async with System(child("doubler", Doubler), signals=False) as system:
        doubled = await system.ref("doubler", Doubler).ask(Double(21))
    async with simulated_app("Good morning.") as (app, _):
        return [doubled, str(await (await app.session("ann")).ask("hello"))]


def on_threads() -> str:
    with simulated_provider("Good evening.") as provider, ThreadApp(provider.config()) as app:
        return str(app.session("ann").ask("hello"))


print(json.dumps([*trio.run(on_trio), on_threads()]))
