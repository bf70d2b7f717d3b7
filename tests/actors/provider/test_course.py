"""The way of one request through its targets: what real time does to it, and virtual time does not."""

import trio

from tests.fakes.provider import Answers
from tests.fakes.routes import open_route, whole
from trouper.actors.gate.router import Router
from trouper.actors.gate.router_messages import Choice, Choose
from trouper.actors.policy.routing import Wait
from trouper.runtime import on


class BusyRouter(Router):
    """Its first word, "nobody before that moment", arrives after the moment."""

    words = 0

    @on(Choose)
    def choose(self, message: Choose) -> Choice:
        self.words += 1
        if self.words == 1:
            return Wait(trio.current_time() - 0.001)
        return super().choose(message)


async def test_a_moment_to_wait_for_that_has_passed_is_not_waited_for() -> None:
    """A bug: a negative sleep crashed the session, where a target was back while the word came."""
    async with open_route(one=Answers(whole("hello")), router=BusyRouter()) as stage:
        assert (await stage.complete()).message.text == "hello"
