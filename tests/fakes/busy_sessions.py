"""A program with sessions that talk all the time, to be killed: `python -m tests.fakes.busy_sessions
FILE`.

It reads a line from stdin: JSON, the last number that each client has seen, by
the session's id. It says each thing when a client would know it, in one write, so
that a line is whole or not there:

    event SID FIRST SEQ KIND TURN TEXT      told to the client
    accepted SID TURN                       the answer to its prompt
"""

import json
import os
import sys
from random import Random
from typing import Any

import structlog
import trio

from trouper.actors.chat import TextPart
from trouper.actors.errors import UnknownSession
from trouper.actors.session.events import SessionEvent, TurnEnded
from trouper.actors.session.messages import Attach, Prompt
from trouper.actors.store.store import open_journal

from .house import House, open_house
from .provider import DONE, FINISH, ROLE, Body, delta

SESSIONS = 12


class Endless(list[Any]):
    """Answers of some pieces each, with pauses in between, for ever."""

    random = Random(1)

    def pop(self, _index: object = 0) -> Body:
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
            f"{event.stop.value if isinstance(event, TurnEnded) else getattr(event, 'text', '')}"
        )
        if isinstance(event, TurnEnded):
            self.over.set()


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
        open_house(journal=journal) as house,
        trio.open_nursery() as nursery,
    ):
        house.answers.answers = Endless()
        for number in range(SESSIONS):
            nursery.start_soon(talk, house, f"s{number}", seen.get(f"s{number}", 0))


if __name__ == "__main__":
    trio.run(main)
