"""Conversations that are stored: what 100,000 of them cost a server, and one of 10,000 turns.

The server is the whole application in a process of its own, and is asked over its
websocket. What was stored is made by the store's own operations, in one transaction.
"""

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes.records import accepted, answered, over
from trouper.actors.chat import Usage
from trouper.actors.session.record import Opened, Record
from trouper.actors.session.record_codec import write_record
from trouper.actors.store.database import Database
from trouper.actors.store.journal import NewSession
from trouper.actors.store.journal_operations import Append, OpenSession, Release

from ._load import Client, Heard, open_clients
from .harness import Row, at_most, compare, measure, pin
from .pipeline import Server, server

__all__ = ["rows"]

STORED = 100_000
TURNS = 10_000
# Whose they are: of who needs no token, and of somebody else, as nearly all of them.
OWNER, ANOTHER = "local", "somebody"
OURS = 200

ASKED = "What is on today? " * 3
ANSWER = "There is a play at eight, and supper after it. " * 6
USAGE = Usage(input=900, output=110)


def turn(number: int) -> list[Record]:
    seq = 30 * number
    answer = answered(number, seq + 1, ANSWER, cuts=(len(ANSWER),), usage=USAGE, cost=70_000)
    return [accepted(number, seq, ASKED), answer, over(number, seq + 3)]


class Filled:
    """A store's file that is being filled."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._database.open()
        self._database.begin_waiting()

    def session(self, sid: str, owner: str, turns: int, at: float) -> None:
        connection = self._database.connection
        OpenSession(sid, "bench", NewSession(owner=owner, assistant="default", at=at), None).apply(
            connection
        )
        records: list[Record] = [Opened(owner=owner, assistant="default")]
        records += [record for number in range(1, turns + 1) for record in turn(number)]
        events = tuple(write_record(record, at) for record in records)
        Append(sid, 1, 1, events, None).apply(connection)
        Release(sid, 1).apply(connection)

    def close(self) -> None:
        self._database.connection.commit()
        self._database.close()


def fill(path: Path, sessions: int) -> None:
    """So many sessions, of which a few are ours, and were used longest ago."""
    filled = Filled(path)
    for number in range(sessions):
        owner = OWNER if number < OURS else ANOTHER
        filled.session(f"sess_{number:032}", owner, 1, 1e9 + number)
    filled.close()


def ready(store: Path) -> float:
    """CPU milliseconds of a server until it listens."""
    with running(store) as one:
        return 1e3 * one.cpu()


@contextmanager
def running(store: Path) -> Generator[Server]:
    with server("trouper", "http://127.0.0.1:9", "", store=str(store)) as one:
        yield one


def asked(one: Server, what: Callable[[Client], Awaitable[object]], times: int = 1) -> float:
    """Milliseconds until it is answered, at the median."""

    async def main() -> float:
        heard = Heard()
        [client] = await open_clients(one.port, 1, heard, 0)
        took: list[float] = []
        for _ in range(times):
            began = time.perf_counter()
            await what(client)
            took.append(time.perf_counter() - began)

        assert not heard.errors, heard.errors
        return 1e3 * sorted(took)[times // 2]

    return asyncio.run(main())


async def first_page(client: Client) -> None:
    await client.call("session/list")


async def all_pages(client: Client) -> None:
    found, more = 0, dict[str, object]()
    while True:
        result: Any = (await client.call("session/list", **more))["result"]
        found += len(result["sessions"])
        if not result.get("nextCursor"):
            break
        more = {"cursor": result["nextCursor"]}

    assert found > OURS  # with those of who asks


def listed(store: Path) -> float:
    """CPU milliseconds of `trouper sessions list`, with Python's start."""
    before = _children()
    subprocess.run(
        [sys.executable, "-m", "trouper.actors.cli", "sessions", "list", "--store", str(store)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return 1e3 * (_children() - before)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        many, few, long = (Path(folder, f"{name}.db") for name in ("many", "few", "long"))
        fill(many, STORED)
        fill(few, OURS)
        filled = Filled(long)
        filled.session("sess_long", OWNER, TURNS, 1e9)
        filled.close()
        pin(1)
        try:
            yield from _many(many, few)
            yield from _long(long)
        finally:
            pin(0)


def _many(many: Path, few: Path) -> Iterator[Row]:
    yield compare(
        f"a server is ready, {STORED:,} stored",
        lambda: ready(many),
        lambda: ready(few),
        goal=at_most(1.1),
        unit="ms",
        rounds=3,
    )
    yield compare(
        "trouper sessions list",
        lambda: listed(many),
        lambda: listed(few),
        goal=at_most(1.1),
        unit="ms",
        rounds=3,
    )
    with running(many) as one, running(few) as other:
        kib = (one.resident() - other.resident()) / STORED
        yield Row(
            "a stored session", "KiB", kib, None, None, at_most(0.05), kib <= 0.05, (kib, kib)
        )
        yield measure(
            "session/list, a page of ours",
            lambda: asked(one, first_page, 5),
            goal=at_most(50),
            unit="ms",
            rounds=3,
        )
        yield measure(
            "session/list, all of ours",
            lambda: asked(one, all_pages),
            goal=at_most(200),
            unit="ms",
            rounds=3,
        )


def _long(long: Path) -> Iterator[Row]:
    for method in ("session/resume", "session/load"):
        yield measure(
            f"{method}, {TURNS:,} turns without a snapshot",
            partial(opened, long, method),
            goal=at_most(3_000),
            unit="ms",
            rounds=3,
        )


def opened(store: Path, method: str) -> float:
    async def call(client: Client) -> None:
        await client.call(method, sessionId="sess_long", cwd="/", mcpServers=[])

    with running(store) as one:
        return asked(one, call)
