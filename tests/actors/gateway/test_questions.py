"""What a client says of a tool reaches the session, whatever the session is at."""

import json
from typing import Any, cast

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from trouper.actors.gateway.questions import Questions
from trouper.actors.gateway.sessions import SessionRef
from trouper.actors.session.messages import Permit
from trouper.actors.wire.jsonrpc import RpcResponse
from trouper.runtime.errors import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskTimeout,
    MailboxFull,
)

YES = {"outcome": {"outcome": "selected", "optionId": "allow"}}


class Hindered:
    """A session that takes leave once its faults are over."""

    def __init__(self, *faults: ActorError) -> None:
        self.faults = list(faults)
        self.asked = 0
        self.taken: list[Permit] = []

    async def ask(self, message: Permit) -> bool:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(message)
        return True


class Client:
    """Who is asked about call c of session s."""

    def __init__(self, session: Hindered) -> None:
        self.frames: list[dict[str, Any]] = []
        self.questions = Questions(lambda frame: self.frames.append(json.loads(frame)))
        ref = cast(SessionRef, session)
        self.questions.ask("s", ref, "c", lambda number: json.dumps({"asks": number}))

    async def say_yes(self, id: int = 1) -> None:
        await self.questions.answered(RpcResponse(id, YES))


@pytest.mark.parametrize(
    "fault",
    [
        MailboxFull("sessions/s", 64),
        AskTimeout("sessions/s", 5),
        ActorCrashed("sessions/s", "it crashed"),
        ActorUnavailable("sessions/s"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_yes_is_told_again_to_a_session_that_could_not_take_it(
    autojump_clock: MockClock, fault: ActorError
) -> None:
    session = Hindered(fault, fault)
    client = Client(session)
    with capture_logs() as logs:
        await client.say_yes()

    assert session.taken == [Permit("c", granted=True)]
    assert [line["error"] for line in logs] == [str(fault)] * 2
    assert client.frames == []
    assert not client.questions.is_open("s", "c")


async def test_a_session_that_is_gone_is_told_nothing_more(autojump_clock: MockClock) -> None:
    session = Hindered(ActorDown("sessions/s", "it has stopped"))
    client = Client(session)
    await client.say_yes()

    assert (session.asked, client.frames) == (1, [])
    assert not client.questions.is_open("s", "c")


async def test_who_was_not_heard_for_long_is_asked_again(autojump_clock: MockClock) -> None:
    session = Hindered(*[MailboxFull("sessions/s", 64)] * 10)
    client = Client(session)
    await client.say_yes()
    assert client.frames == [{"asks": 2}]
    await client.say_yes(2)

    assert session.taken == [Permit("c", granted=True)]


async def test_an_answer_under_way_is_neither_repeated_nor_withdrawn(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    session = Hindered(MailboxFull("sessions/s", 64))
    client = Client(session)
    nursery.start_soon(client.say_yes)
    await trio.sleep(0.5)
    assert client.questions.is_open("s", "c")
    await client.say_yes()
    # Somebody else was heard first.
    client.questions.settled("s", "c")
    await trio.sleep(2)

    assert (session.asked, session.taken, client.frames) == (1, [], [])
