"""A look at one connection that fails is the end of that one, and of no other."""

import json
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from tests.fakes.gateway import acp_client, start_gateway
from tests.fakes.http_by_hand import everything
from tests.fakes.models import FakeModels, spoken
from tests.fakes.raw_client import RawAnswer, chat_request
from tests.fakes.sessions import says
from trouper.actors.gateway.watchdog import Watchdog


class Looked:
    """Notes what the watchdog does with it; a fault is what each of that raises."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.done: list[str] = []
        self._fault = fault

    def _note(self, what: str) -> None:
        self.done.append(what)
        if self._fault is not None:
            raise self._fault

    def sweep(self, now: float) -> None:
        self._note("sweep")

    def stop(self) -> None:
        self._note("stop")

    def fail(self) -> None:
        self._note("fail")


async def test_who_is_looked_at_behind_a_fault_is_looked_at_all_the_same(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watchdog, fault = Watchdog(), RuntimeError("a bug")
    broken, sound = [Looked(fault), Looked(fault)], [Looked(), Looked()]
    with capture_logs() as logs:
        for one in (broken[0], sound[0], broken[1], sound[1]):
            nursery.start_soon(stays, watchdog, one)
        nursery.start_soon(watchdog.run)
        await trio.sleep(2.5)
        with trio.move_on_after(1):
            await watchdog.stop_all()
    nursery.cancel_scope.cancel()

    assert [one.done[:4] for one in broken] == [["sweep", "fail"] * 2] * 2
    assert [one.done[:3] for one in sound] == [["sweep", "sweep", "stop"]] * 2
    assert {(line["event"], line["exc_info"]) for line in logs} == {
        ("a look at a connection failed", True)
    }


async def stays(watchdog: Watchdog, one: Looked) -> None:
    with watchdog.watching(one):
        await trio.sleep_forever()


async def test_a_fault_in_a_look_ends_what_was_looked_at_and_leaves_the_server(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = FakeModels([trio.Event(), *spoken("hi")])
    running = await start_gateway(nursery, says("unharmed"), models=models)

    async with await running.connect() as client, acp_client(running) as victim:
        await client.send_all(chat_request(model="small"))
        await models.wait_taken(1)
        await victim.initialize()
        sockets: Any = running.gateway._watchdog._watched
        (websocket,) = sockets
        websocket._limits = None  # a bug
        watched: set[Any] = running.gateway._calls[0]._watchdog._watched  # type: ignore[attr-defined]
        (request,) = watched
        monkeypatch.setattr(request, "sweep", None)  # another one
        answer = RawAnswer(await everything(client), "eof")
        with pytest.raises(ConnectionClosed):
            await victim.next()
    async with acp_client(running) as bystander:
        await bystander.answer(await bystander.prompt(await bystander.open()))

    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "server_error")
    assert bystander.said == "unharmed"
