"""A program with sessions that talk all the time, to be killed: `python -m tests.fakes.busy_sessions
FILE [SESSIONS]`.

It reads a line from stdin: JSON, the last number that each client has seen, by
the session's id. It says each thing when a client would know it, in one write, so
that a line is whole or not there:

    event SID FIRST SEQ KIND TURN TEXT      told to the client
    accepted SID TURN                       the answer to its prompt
    ran SID CALL                            a tool has begun its work

The text of an event of a tool is its call, and behind it, where it has ended, its result.
"""

import json
import os
import sys
from random import Random
from secrets import token_hex
from typing import Any

import structlog
import trio

from trouper.actors.chat import TextPart
from trouper.actors.errors import UnknownSession
from trouper.actors.session.events import SessionEvent, ToolCalled, ToolEnded, TurnEnded
from trouper.actors.session.messages import Attach, Prompt
from trouper.actors.store.store import open_journal
from trouper.actors.tools import ToolContext, tool

from .acting import calling, wants
from .house import House, open_house
from .provider import DONE, FINISH, ROLE, Body, delta

SESSIONS = 12

RANDOM = Random(1)


@tool
async def work(context: ToolContext) -> str:
    """Do some work, which may not be done twice."""
    say(f"ran {context.session} {context.call_id}")
    await trio.sleep(RANDOM.uniform(0.0, 0.01))
    return f"done {context.call_id}"


@tool(idempotent=True)
async def look(context: ToolContext) -> str:
    """Look at something."""
    say(f"ran {context.session} {context.call_id}")
    return f"seen {context.call_id}"


class Endless(list[Any]):
    """Answers of some pieces each, with pauses in between, for ever; every third calls tools."""

    random = RANDOM

    def pop(self, _index: object = 0) -> Body:
        if self.random.random() < 1 / 3:
            count = self.random.randrange(1, 4)
            names = [self.random.choice(["work", "look"]) for _ in range(count)]
            return calling(*(wants(name, id=f"call_{token_hex(8)}") for name in names), text="so ")
        steps: list[bytes | float | Exception] = [ROLE]
        for _ in range(self.random.randrange(1, 9)):
            steps += [delta(self.random.choice("abcdefgh") * self.random.randrange(1, 6)), 0.002]
        return Body(*steps, FINISH, DONE)


class Client:
    """Says all that it hears."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.over = trio.Event()

    def deliver(self, event: SessionEvent) -> None:
        say(
            f"event {self.sid} {event.first} {event.seq} {type(event).__name__} {event.turn} "
            f"{said_by(event)}"
        )
        if isinstance(event, TurnEnded):
            self.over.set()


def said_by(event: SessionEvent) -> str:
    match event:
        case TurnEnded():
            return event.stop.value
        case ToolCalled():
            return event.call_id
        case ToolEnded():
            return f"{event.call_id} {event.result}"
        case _:
            return getattr(event, "text", "")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def talk(house: House, sid: str, after: int) -> None:
    try:
        ref = await house.directory.reach(sid, owner="me")
    except UnknownSession:
        ref = await house.open(id=sid)
    client = Client(sid)
    await ref.ask(Attach(client, after=after))
    for number in range(100_000):
        client.over = trio.Event()
        turn = await ref.ask(Prompt((TextPart(f"{sid} asks {number}"),)))
        say(f"accepted {sid} {turn}")
        await client.over.wait()


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seen = json.loads(sys.stdin.readline())
    async with (
        open_journal(sys.argv[1]) as journal,
        open_house(journal=journal, tools=(work, look), limit=1_000) as house,
        trio.open_nursery() as nursery,
    ):
        house.answers.answers = Endless()
        for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else SESSIONS):
            nursery.start_soon(talk, house, f"s{number}", seen.get(f"s{number}", 0))


if __name__ == "__main__":
    trio.run(main)
