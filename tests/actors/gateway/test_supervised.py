"""The gateway as a child of a real system, in front of sessions that are real actors."""

from typing import cast

import pytest
import trio
from trio_websocket import ConnectionClosed

from tests.fakes.gateway import PATIENCE, AcpClient, open_acp
from trouper.actors.errors import UnknownSession
from trouper.actors.gateway.front import Gateway
from trouper.actors.gateway.sessions import SessionRef
from trouper.actors.session.events import Attachment, StopReason, TextAdded, TurnEnded
from trouper.actors.session.messages import Attach, Attached, CancelTurn, Detach, Prompt
from trouper.actors.store.journal import StoredSession
from trouper.runtime import Actor, System, child, on


class Parrot(Actor[Prompt | CancelTurn | Attach | Detach]):
    """A session that says what it is told; "crash" makes it crash."""

    def __init__(self) -> None:
        self.listeners: list[Attachment] = []
        self.turn = 0

    @on(Attach)
    async def attach(self, message: Attach) -> Attached:
        self.listeners.append(message.attachment)
        return Attached(0, None)

    @on(Detach)
    async def detach(self, message: Detach) -> None:
        self.listeners.remove(message.attachment)

    @on(CancelTurn)
    async def cancel(self, message: CancelTurn) -> None:
        pass

    @on(Prompt)
    async def prompt(self, message: Prompt) -> int:
        words = "".join(getattr(part, "text", "") for part in message.parts)
        if words == "crash":
            raise RuntimeError("as asked")
        self.turn += 1
        for one in self.listeners:
            one.deliver(TextAdded(first=1, seq=1, turn=self.turn, text=words))
            one.deliver(TurnEnded(first=2, seq=2, turn=self.turn, stop=StopReason.END_TURN))
        return self.turn


class Cage:
    """One session for all."""

    ref: SessionRef

    async def open(self, *, assistant: str, owner: str) -> tuple[str, SessionRef]:
        return "polly", self.ref

    def find(self, session_id: str, *, owner: str) -> SessionRef:
        raise UnknownSession(session_id)

    async def reach(self, session_id: str, *, owner: str) -> SessionRef:
        raise UnknownSession(session_id)

    async def page(
        self, *, owner: str, limit: int, after: tuple[float, str] | None = None
    ) -> list[StoredSession]:
        return []

    async def end(self, session_id: str, *, owner: str) -> None:
        raise UnknownSession(session_id)


async def test_a_supervised_gateway_serves_real_actors_and_says_goodbye(
    nursery: trio.Nursery,
) -> None:
    cage = Cage()
    gateway = Gateway("127.0.0.1", 0, cage, version="0")

    async def run(task_status: trio.TaskStatus[System]) -> None:
        polly = child("polly", Parrot, restart="temporary")
        async with System(
            polly, child("gateway", gateway.run, shutdown=10), signals=False
        ) as system:
            cage.ref = cast("SessionRef", system.ref("polly", Parrot))
            task_status.started(system)
            await trio.sleep_forever()

    system = await nursery.start(run)
    async with open_acp(gateway.listening) as ws:
        client = AcpClient(ws)
        session = await client.open()
        answer = await client.answer(await client.prompt(session, "hello"))
        crashed = await client.answer(await client.prompt(session, "crash"))
        gone = await client.answer(await client.prompt(session, "hello"))
        system.stop()
        with pytest.raises(ConnectionClosed) as caught:
            await client.next()
    with trio.fail_after(PATIENCE):
        await system.stopped()

    assert client.said == "hello"
    assert answer["result"]["stopReason"] == "end_turn"
    assert crashed["error"]["code"] == -32603
    assert gone["error"]["code"] == -32002
    assert caught.value.reason is not None
    assert caught.value.reason.code == 1012
